/* tests/shim/shim_sockets.c: the calls by which connections come and replies leave. */
#include "tests/shim/shim.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

/* A packet leaves whole or not at all. */
static bool can_be_short(int fd)
{
    int type = 0;
    socklen_t bytes = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM;
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to,
               socklen_t to_bytes)
{
    struct shim_call call = { .kind = SHIM_SEND, .fd = fd, .bytes = bytes, .text = data };

    if (!shim_begin(&call))
        return shim_end(&call, -1);
    if (call.bytes < bytes && can_be_short(fd))
        bytes = call.bytes;
    return shim_end(&call, syscall(SYS_sendto, fd, data, bytes, flags, to, to_bytes));
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    return sendto(fd, data, bytes, flags, NULL, 0);
}

/* Of several parts the first is looked at, and is all that is sent where it is cut short. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    const struct iovec none = { .iov_len = 0 };
    struct iovec first = message->msg_iovlen > 0 ? message->msg_iov[0] : none;
    struct shim_call call = {
        .kind = SHIM_SEND, .fd = fd, .bytes = first.iov_len, .text = first.iov_base
    };
    struct msghdr used = *message;

    if (!shim_begin(&call))
        return shim_end(&call, -1);
    if (call.bytes < first.iov_len && can_be_short(fd)) {
        first.iov_len = call.bytes;
        used.msg_iov = &first;
        used.msg_iovlen = 1;
    }
    return shim_end(&call, syscall(SYS_sendmsg, fd, &used, flags));
}
