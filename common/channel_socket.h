/* common/channel_socket.h: packets of a SOCK_SEQPACKET socket, several in one call when they come.
 * Never waits. */
#ifndef COMMON_CHANNEL_SOCKET_H
#define COMMON_CHANNEL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

struct iovec;

/* One packet of these parts, with a descriptor (-1: none) that stays the caller's. 1: it left, 0:
 * the socket is full; a negative errno: it is gone. */
int channel_socket_send(int fd, struct iovec *parts, size_t count, int passed_fd);

#define CHANNEL_SOCKET_PACKETS 4U /* at most, in one call */

struct channel_packet {
    void *data;
    size_t bytes;      /* room; then what came: 0 is the end of file */
    int fd;            /* the first that came with it, the caller's from now on; -1: none */
    unsigned fd_count; /* that came; all but the first are closed already */
    bool is_cut;       /* it did not fit into its room, or its descriptors not into theirs */
};

/* Returns how many came, fewer than `count`: there are no more for now; a negative errno. */
int channel_socket_receive(int fd, struct channel_packet *packets, unsigned count);

#endif
