/* worker/smtp/pool.h: the open connections of this worker, per profile version and server.
 *
 * All connections that deliver are counted here. Each needs a lease from the master (SP49), which
 * comes with a delivery or is asked for; who finds none waits in line for the next that comes free,
 * here or elsewhere, or is refused because nothing is open from here. With pooling on, one that is
 * given back goes straight to who waits for that server, else it stays idle, last in first out, as
 * long as the profile has an idle slot left here (SP41, SP43, SP46); idle ones are watched and end
 * by themselves (SP44, SP48). With pooling off each delivery has its own (SP45). A new version of
 * the profile lets go of the old one's (SP47).
 *
 * What changed in a turn is told to the master once, at its end (CONNECTIONS), and leases that
 * nobody used go back then. */
#ifndef WORKER_SMTP_POOL_H
#define WORKER_SMTP_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/reason.h"

struct channel;
struct ipc_lease;
struct ipc_lease_unwant;
struct ipc_reclaim;
struct ipc_server_bears;
struct ipc_slot_take;
struct ipc_slots;
struct loop;
struct resolver_answer;
struct smtp_connection;
struct smtp_failure;
struct smtp_pool;
struct smtp_pool_entry;
struct smtp_pooled;
struct tls_keeper;
struct tokens;
struct worker_profile;

struct smtp_pool *smtp_pool_new(struct loop *loop, struct channel *channel,
                                const struct tls_keeper *keeper);
/* Cuts every connection, also those in use: after the deliveries. Nobody hears of it; tickets may
 * be given up afterwards. NULL inside is allowed. */
void smtp_pool_free(struct smtp_pool **pool);
/* Where sessions have OAuth tokens from; borrowed. */
void smtp_pool_set_tokens(struct smtp_pool *pool, struct tokens *tokens);
struct tokens *smtp_pool_tokens(const struct smtp_pool *pool);

/* A version was retired: its idle connections say QUIT, the others when they are given back. */
void smtp_pool_retire(struct smtp_pool *pool, struct worker_profile *profile);
/* The profile was deleted: what is kept of it goes, with its last connection. */
void smtp_pool_forget_profile(struct smtp_pool *pool, uint32_t profile);

unsigned smtp_pool_open_count(const struct smtp_pool *pool);

/* A lease came with a delivery, which does not need it, or is about to open a connection with it.
 */
void smtp_pool_add_lease(struct smtp_pool *pool, uint32_t profile, uint64_t server,
                         unsigned others);
/* What the master says. */
void smtp_pool_lease(struct smtp_pool *pool, const struct ipc_lease *lease);
void smtp_pool_unwanted(struct smtp_pool *pool, const struct ipc_lease_unwant *said);
void smtp_pool_bears(struct smtp_pool *pool, const struct ipc_server_bears *bears);
void smtp_pool_reclaim(struct smtp_pool *pool, const struct ipc_reclaim *order);
void smtp_pool_slots(struct smtp_pool *pool, const struct ipc_slots *said);
void smtp_pool_slot_take(struct smtp_pool *pool, const struct ipc_slot_take *order);

/* One that was used again turned out to be dead (SP48); for people. */
void smtp_pool_count_stale(struct smtp_pool *pool, const struct worker_profile *profile,
                           unsigned server);

/* A server said that it has too many connections: the master hears of it. */
void smtp_pool_too_many(struct smtp_pool *pool, const struct worker_profile *profile,
                        unsigned server);

/* Connections of this profile to this server that are open or opening: from here now, and from
 * other workers when the last lease was given (SP49). One that failed is not among them any more
 * when its failure is told. */
unsigned smtp_pool_open_to(const struct smtp_pool *pool, const struct worker_profile *profile,
                           unsigned server);

/* An idle connection to this server (SP42), NULL: none. Whoever gets a connection, here or through
 * a ticket, begins a transaction on it, or gives it back, before returning to the loop: nobody else
 * hears of its loss. */
struct smtp_connection *smtp_pool_take(struct smtp_pool *pool, struct worker_profile *profile,
                                       unsigned server);

/* A wish for a connection: embedded in who has it, zeroed at first. */
struct smtp_ticket_ops {
    /* It is yours, ready; `is_reused`: handed over by another delivery. */
    void (*on_connection)(struct smtp_connection *connection, bool is_reused, void *owner);
    void (*on_failed)(const struct smtp_failure *failure, void *owner);
    void (*on_turn)(void *owner); /* of smtp_pool_hire(): one may be opened now */
};

struct smtp_ticket {
    struct resolver_answer *answer; /* borrowed, as the next, until a callback or give_up */
    unsigned first;                 /* address of the answer to begin with */
    const char *ehlo_name;
    const struct smtp_ticket_ops *ops;
    void *owner;

    /* Private. */
    TAILQ_ENTRY(smtp_ticket) link; /* of the line, or of those that hired */
    struct smtp_pool_entry *entry; /* NULL: not under way */
    struct smtp_pooled *opening;   /* NULL: waiting for its turn */
    bool is_hired;                 /* its owner has it open, or may */
};

/* Opens a fresh connection (SP40), or waits in line until one more may be open, for which the
 * oldest idle one to that server makes room. Refused: on_failed, is_busy. 0: one of the callbacks
 * follows, never from inside the call, unless the ticket is given up. Negative errno with the
 * reason. */
int smtp_pool_open(struct smtp_pool *pool, struct worker_profile *profile, unsigned server,
                   struct smtp_ticket *ticket, struct reason *reterr_why);
/* The right to open one connection that is not the pool's (HTTP): it needs a lease like any other,
 * and counts as open until smtp_pool_give_up(). 1: it may be opened at once. 0: on_turn or
 * on_failed follows, never from inside the call. -ENOMEM. */
int smtp_pool_hire(struct smtp_pool *pool, struct worker_profile *profile, unsigned server,
                   struct smtp_ticket *ticket);
/* No callback any more; what was being opened is cut. A ticket that is not under way is allowed. */
void smtp_pool_give_up(struct smtp_ticket *ticket);

/* A ready connection comes back from a delivery, whose last word on it this is: another delivery
 * may be using it when this returns. */
void smtp_pool_give_back(struct smtp_pool *pool, struct smtp_connection *connection);

#endif
