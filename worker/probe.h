/* worker/probe.h: the connection test of a profile that need not be stored (SP50, SP51).
 *
 * The production code of resolver, SMTP client and HTTP client against every server side by side,
 * at most PROBE_SERVER_LIMIT_MS each; every step is told as it ends (PROBE_STEP), then PROBE_DONE.
 * Nothing is mailed. What this build cannot test yet is told as not tested and does not block
 * (OP09).
 *
 * A connection of a profile that is stored counts among the max_connections of its server (SP49),
 * also when the test is of a draft that is not stored yet: the server counts them all. A new
 * profile, and a server that the stored one does not have, has no such limit yet. */
#ifndef WORKER_PROBE_H
#define WORKER_PROBE_H

#include <stdint.h>

struct channel;
struct conf;
struct http;
struct loop;
struct prober;
struct resolver;
struct smtp_pool;
struct tls_keeper;

#define PROBE_SERVER_LIMIT_MS 10000
#define PROBE_LEASE_WAIT_MS   5000 /* of these, until a connection may be opened */

/* Borrows everything. NULL when memory is short. */
struct prober *prober_new(struct loop *loop, struct channel *channel, const struct conf *conf,
                          struct resolver *resolver, struct smtp_pool *pool,
                          const struct tls_keeper *keeper, struct http *http);
void prober_free(struct prober **prober); /* before the pool and `http`; NULL inside is allowed */

/* Takes over `fd`: a sealed memfd with the profile as JSON. */
void prober_start(struct prober *prober, uint64_t token, int fd);

#endif
