/* master/budget.h: how many connections may be open to each server, and which worker may have them
 * (SP49).
 *
 * A lease is the right to one connection, from before it is opened until the peer's end of it was
 * seen or its QUIT is 2 s old. Leases are kept per account: one server of one profile by identity
 * (common/server_uri.h), whatever the profile's version, so that an edit gives nobody more than the
 * server bears.
 *
 * One travels with each delivery that will probably need it. A worker that lacks one asks
 * (LEASE_WANT). Whoever has leases of that account already waits for the next to come free; whoever
 * has none, or none any more, is refused, so that its delivery comes back and goes to a worker that
 * has some. What is not used comes back (LEASE_BACK), and what is not wanted any more, because a
 * delivery took over another's connection, is withdrawn (LEASE_UNWANT): nobody's connection is
 * ended for it. What a worker had comes free with the end of its process.
 *
 * A test of connections (SP51) has no other worker to go to: its want is patient. It waits wherever
 * it is, is served first, and calls connections back, idle ones or else the next that a delivery
 * gives back, so that a test comes to its turn also beside mail without end.
 *
 * How long servers let connections live is learnt, too (master/life.h), and told to all workers
 * (SERVER_BEARS).
 *
 * A server that says "too many connections" teaches a limit below the configured one: as many as
 * are open when it has said so for the last time. It rises again by one for each pool.raise_after
 * that passes. */
#ifndef MASTER_BUDGET_H
#define MASTER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"

struct account;
struct budget;
struct loop;
struct profile;
struct worker;
struct workers;

/* NULL: no memory. */
struct budget *budget_new(struct loop *loop, struct workers *workers);
void budget_free(struct budget **budget);                          /* NULL inside is allowed */
void budget_set_raise_ms(struct budget *budget, int64_t raise_ms); /* at first a minute */

/* The profile is there, in a new version perhaps: its servers have accounts. Surplus leases of a
 * lowered limit are called back. 0 or -ENOMEM (no limit was changed). */
int budget_set_profile(struct budget *budget, const struct profile *profile);
void budget_drop_profile(struct budget *budget, uint32_t profile);

/* NULL: none. The account of a server that a profile has stays until it has it no more. */
struct account *budget_account(const struct budget *budget, uint32_t profile, uint64_t server);

uint64_t budget_server(const struct account *account); /* its identity */

/* May one more connection be opened by anybody? */
bool budget_has_room(const struct budget *budget, const struct account *account);
/* For a delivery that goes to this worker now. False: there is no room. */
bool budget_take(struct budget *budget, struct account *account, unsigned slot);
/* No delivery can go to where its connections are idle: one of them is ended for it. */
void budget_want_idle(struct budget *budget, struct account *account);
/* Of all workers but this one. */
unsigned budget_others(const struct account *account, unsigned slot);

/* What this worker has there now. */
unsigned budget_leases(const struct account *account, unsigned slot);
unsigned budget_idle(const struct account *account, unsigned slot);
/* One idle connection was promised to a job: the worker's next word corrects it. */
void budget_use_idle(struct account *account, unsigned slot);

/* What workers say. -EBADMSG: no sane worker says that. */
int budget_want(struct budget *budget, struct worker *worker, const struct ipc_lease_want *want);
int budget_unwant(struct budget *budget, struct worker *worker,
                  const struct ipc_lease_unwant *unwant);
int budget_back(struct budget *budget, struct worker *worker, const struct ipc_lease_back *back);
/* Returns by how many the worker's idle connections to that server have changed. */
int budget_connections(struct budget *budget, const struct worker *worker,
                       const struct ipc_connections *connections);
void budget_ended(struct budget *budget, const struct ipc_server_ended *ended);

/* A worker begins: it hears what is known of the servers. */
void budget_worker_ready(const struct budget *budget, const struct worker *worker);
/* Its process has ended. */
void budget_worker_lost(struct budget *budget, unsigned slot);

/* Once a second: who has waited for so long is served from others' idle connections. */
void budget_tend(struct budget *budget);

#endif
