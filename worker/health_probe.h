/* worker/health_probe.h: does a server of a profile answer? Asked by the master about one that is
 * down (SP23): connect, greeting, EHLO and QUIT with the production code, or what worker/rest/ask.h
 * asks a Core or Vault, under the profile's time-outs and IPC_HEALTH_PROBE_MS in all. Nothing is
 * mailed.
 *
 * HEALTH_PROBE in, HEALTH_PROBED out, once for each. The lease that came with it goes back through
 * the pool when the connection is closed. "Too many connections" while others are open there is an
 * answer like any other (SP49); what is short here, or a version that
 * is not here, says nothing about the server. */
#ifndef WORKER_HEALTH_PROBE_H
#define WORKER_HEALTH_PROBE_H

#include "common/ipc.h"

struct channel;
struct conf;
struct directory;
struct health_prober;
struct http;
struct loop;
struct resolver;
struct smtp_pool;
struct tls_keeper;

/* Borrows everything. NULL when memory is short. */
struct health_prober *health_prober_new(struct loop *loop, struct channel *channel,
                                        const struct conf *conf, struct directory *directory,
                                        struct resolver *resolver, struct smtp_pool *pool,
                                        const struct tls_keeper *keeper, struct http *http);
/* What is under way ends without a word. Before the resolver, the directory and `http`. NULL inside
 * is allowed. */
void health_prober_free(struct health_prober **prober);

void health_prober_ask(struct health_prober *prober, const struct ipc_health_probe *order);

#endif
