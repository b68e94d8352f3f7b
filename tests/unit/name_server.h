/* tests/unit/name_server.h: a tiny name server on loopback, in the test's own loop. It knows the
 * zone it was given and answers NXDOMAIN to the rest. */
#ifndef TESTS_UNIT_NAME_SERVER_H
#define TESTS_UNIT_NAME_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/address.h"
#include "common/loop.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, NXDOMAIN = 3, SERVFAIL = 2 };

struct name_row {
    const char *name; /* NULL: the end of the zone */
    const char *v4[8], *v6[8];
    int code;
    bool is_silent, is_garbage;
};

struct name_server {
    const struct name_row *zone;
    int fd;
    struct loop_watch *watch;
    char text[ADDRESS_TEXT_SIZE]; /* its address, as the configuration wants it */
    unsigned asked;               /* queries that reached it */
    unsigned ttl;
};

static inline size_t name_server_put(unsigned char *out, int type, const char *text, unsigned ttl)
{
    size_t bytes = type == TYPE_A ? 4 : 16;
    const unsigned char head[] = { 0xc0,
                                   12,
                                   0,
                                   (unsigned char)type,
                                   0,
                                   1,
                                   0,
                                   0,
                                   (unsigned char)(ttl >> 8),
                                   (unsigned char)ttl,
                                   0,
                                   (unsigned char)bytes };

    memcpy(out, head, sizeof(head));
    cr_assert_eq(inet_pton(type == TYPE_A ? AF_INET : AF_INET6, text, out + sizeof(head)), 1);
    return sizeof(head) + bytes;
}

static inline void name_server_on_query(int fd, unsigned what, void *arg)
{
    struct name_server *server = arg;
    const struct name_row *row = server->zone;
    unsigned char packet[1024];
    char name[256] = "";
    struct sockaddr_in peer;
    socklen_t peer_bytes = sizeof(peer);
    ssize_t bytes = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&peer, &peer_bytes);
    size_t at = 12, used = 0;
    int type;

    (void)what;
    if (bytes < 17)
        return;
    server->asked++;
    while (packet[at] != 0) {
        used += (size_t)sprintf(name + used, "%s%.*s", used > 0 ? "." : "", packet[at],
                                (char *)packet + at + 1);
        at += packet[at] + 1U;
    }
    type = packet[at + 2];
    at += 5;
    while (row->name != NULL && strcasecmp(row->name, name) != 0)
        row++;
    packet[2] |= 0x80;
    packet[3] = 0x80;
    memset(packet + 6, 0, 6);
    if (row->name == NULL) {
        packet[3] |= NXDOMAIN;
    } else if (row->is_silent) {
        return;
    } else if (row->is_garbage) {
        memset(packet + 12, 0xff, 60); /* the header promises what the rest does not hold */
        packet[7] = 9;
        at = 72;
    } else {
        packet[3] |= (unsigned char)row->code;
        for (unsigned i = 0; i < 8; i++) {
            const char *text = type == TYPE_A ? row->v4[i] : row->v6[i];

            if (text != NULL) {
                at += name_server_put(packet + at, type, text, server->ttl);
                packet[7]++;
            }
        }
    }
    cr_assert_gt(sendto(fd, packet, at, 0, (struct sockaddr *)&peer, peer_bytes), 0);
}

static inline struct name_server *name_server_new(struct loop *loop, const struct name_row *zone)
{
    struct name_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t bytes = sizeof(address);

    server->zone = zone;
    server->ttl = 60;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &bytes), 0);
    address_text((struct sockaddr *)&address, server->text);
    server->watch = loop_watch_new(loop, server->fd, name_server_on_query, server);
    loop_watch_set(server->watch, LOOP_READ);
    return server;
}

static inline void name_server_free(struct name_server **server)
{
    loop_watch_free(&(*server)->watch);
    close((*server)->fd);
    free(*server);
    *server = NULL;
}

#endif
