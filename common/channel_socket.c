#include "common/channel_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_TAKEN 8 /* of one packet; one is allowed, more are a fault that is to be seen */

struct send_control {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];
};

struct receive_control {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(FDS_TAKEN * sizeof(int))];
};

static void put_fd(struct msghdr *message, struct send_control *control, int fd)
{
    struct cmsghdr *head;

    memset(control, 0, sizeof(*control));
    message->msg_control = control->space;
    message->msg_controllen = sizeof(control->space);
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(int));
}

int channel_socket_send(int fd, struct iovec *parts, size_t count, int passed_fd)
{
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
    struct send_control control;
    ssize_t n;

    if (passed_fd >= 0)
        put_fd(&message, &control, passed_fd);
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
    return 1;
}

static void take_fds(struct msghdr *message, struct channel_packet *packet)
{
    packet->fd = -1;
    packet->fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, (unsigned char *)c + at, sizeof(fd));
            if (packet->fd_count++ == 0)
                packet->fd = fd;
            else
                close(fd);
        }
    }
}

int channel_socket_receive(int fd, struct channel_packet *packets, unsigned count)
{
    struct mmsghdr messages[CHANNEL_SOCKET_PACKETS];
    struct iovec parts[CHANNEL_SOCKET_PACKETS];
    struct receive_control controls[CHANNEL_SOCKET_PACKETS];
    int n;

    memset(messages, 0, count * sizeof(messages[0]));
    for (unsigned i = 0; i < count; i++) {
        parts[i] = (struct iovec){ .iov_base = packets[i].data, .iov_len = packets[i].bytes };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i],
                                               .msg_iovlen = 1,
                                               .msg_control = controls[i].space,
                                               .msg_controllen = sizeof(controls[i].space) };
    }
    do
        n = recvmmsg(fd, messages, count, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        struct msghdr *head = &messages[i].msg_hdr;

        packets[i].bytes = messages[i].msg_len;
        packets[i].is_cut = (head->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
        take_fds(head, &packets[i]);
    }
    return n;
}
