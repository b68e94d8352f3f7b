/* worker/smtp/pool_guest.h: connections that others open than deliveries, and that count as much:
 * those of the connection test (SP49, SP51).
 *
 * A guest waits for a lease of its server, comes before deliveries that wait for one, and has it
 * until it has left and its connection is closed. An idle connection makes room for it, or the next
 * one that a delivery gives back, here or at another worker. */
#ifndef WORKER_SMTP_POOL_GUEST_H
#define WORKER_SMTP_POOL_GUEST_H

#include <stdint.h>

struct smtp_connection;
struct smtp_dial;
struct smtp_guest;
struct smtp_pool;
struct reason;

/* Now it may open a connection: with a lease, or without one, as the master knows no such server of
 * that profile. Never from inside a call. */
typedef void smtp_guest_turn_cb(void *owner);

/* NULL: no memory. */
struct smtp_guest *smtp_guest_new(struct smtp_pool *pool, uint32_t profile, uint64_t server,
                                  smtp_guest_turn_cb *on_turn, void *owner);

/* How many connections to the server there may be in all, as far as the master has said, 0: it has
 * not, or there is no limit. */
unsigned smtp_guest_limit(const struct smtp_guest *guest);

/* After its turn: the connection that is opened with this is the guest's, at most one at a time.
 * When it could not even be begun with, nothing is lost. */
void smtp_guest_dial(struct smtp_guest *guest, struct smtp_dial *dial);
void smtp_guest_opened(struct smtp_guest *guest, struct smtp_connection *connection);

/* Waits no more, and opens no other connection: the lease goes back, or does so when the connection
 * is closed. NULL inside is allowed. Before the pool goes. */
void smtp_guest_leave(struct smtp_guest **guest);

#endif
