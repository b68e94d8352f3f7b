/* tests/shim/shim_sockets.c: the calls by which connections come and replies leave. */
#include "tests/shim/shim.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int socket(int domain, int type, int protocol)
{
    struct shim_call call = { .kind = SHIM_SOCKET, .fd = -1 };

    return (int)shim_end(&call,
                         shim_begin(&call) ? syscall(SYS_socket, domain, type, protocol) : -1);
}

int accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags)
{
    struct shim_call call = { .kind = SHIM_ACCEPT, .fd = fd };

    return (int)shim_end(&call,
                         shim_begin(&call) ? syscall(SYS_accept4, fd, address, bytes, flags) : -1);
}

int accept(int fd, struct sockaddr *address, socklen_t *bytes)
{
    return accept4(fd, address, bytes, 0);
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to,
               socklen_t to_bytes)
{
    struct shim_call call = { .kind = SHIM_SEND, .fd = fd, .bytes = bytes, .text = data };

    return shim_end(&call, shim_begin(&call)
                               ? syscall(SYS_sendto, fd, data, call.bytes, flags, to, to_bytes)
                               : -1);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    return sendto(fd, data, bytes, flags, NULL, 0);
}

/* "short" sends its first part only, if it has more than one. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct shim_call call = { .kind = SHIM_SEND, .fd = fd };
    struct msghdr used = *message;
    size_t whole;

    if (message->msg_iovlen > 0) {
        call.text = message->msg_iov[0].iov_base;
        call.bytes = message->msg_iov[0].iov_len;
    }
    whole = call.bytes;
    if (!shim_begin(&call))
        return shim_end(&call, -1);
    if (call.bytes < whole)
        used.msg_iovlen = 1;
    return shim_end(&call, syscall(SYS_sendmsg, fd, &used, flags));
}
