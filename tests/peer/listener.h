/* tests/peer/listener.h: a port on loopback that may refuse, and be silent, without being lost to
 * another program meanwhile. */
#ifndef TESTS_PEER_LISTENER_H
#define TESTS_PEER_LISTENER_H

#include <stdint.h>

struct listener;
struct loop;

enum listener_mood {
    LISTENER_OPEN,
    LISTENER_REFUSES, /* connections are answered with RST */
    LISTENER_HOLE,    /* SYN is not answered */
};

typedef void listener_cb(int fd, void *arg); /* takes the connection over */

/* On 127.0.0.1; port 0: a free one. NULL, with errno. */
struct listener *listener_new(struct loop *loop, uint16_t port, listener_cb *cb, void *arg);
void listener_free(struct listener **listener);
uint16_t listener_port(const struct listener *listener);

/* What waits to be accepted is reset when it no longer is open. Allowed in the callback. */
void listener_be(struct listener *listener, enum listener_mood mood);

#endif
