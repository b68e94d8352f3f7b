/* tests/peer/relay.h: connections whose octets take their time. One relay in a process. */
#ifndef TESTS_PEER_RELAY_H
#define TESTS_PEER_RELAY_H

#include <stdint.h>

struct loop;

/* See delay_relay.c. `octets`: from the client, from the target. */
struct relay_figures {
    unsigned long accepted, refused, octets[2], round_trips;
    unsigned open, most_open;
};

void relay_begin(struct loop *loop, uint16_t target, unsigned delay_ms);

/* A connection of a client, which does not block: it begins, and it belongs to the relay. */
void relay_take(int fd);

const struct relay_figures *relay_figures(void);

#endif
