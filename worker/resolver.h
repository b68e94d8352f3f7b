/* worker/resolver.h: from a host name to its addresses, without blocking (SP17).
 *
 * A and AAAA (never MX) are asked side by side; /etc/hosts counts, localhost needs no server. The
 * answer is one list with the families in turn, the system's preferred family first. Answers are
 * kept as long as their TTL says, within RESOLVER_TTL_MIN_S and _MAX_S, failures for
 * RESOLVER_NEGATIVE_S; the same name is never asked twice at a time. */
#ifndef WORKER_RESOLVER_H
#define WORKER_RESOLVER_H

#include "common/address.h"
#include "common/reason.h"

struct conf;
struct loop;
struct resolver;
struct resolver_query;

#define RESOLVER_TTL_MIN_S     5
#define RESOLVER_TTL_MAX_S     300
#define RESOLVER_NEGATIVE_S    5
#define RESOLVER_NAMES_MAX     1024
#define RESOLVER_ADDRESSES_MAX 32

struct resolver_answer { /* shared, never changed; ports are 0 */
    unsigned holders;
    unsigned count; /* at least 1 */
    struct address addresses[];
};

/* 0 or a negative errno with the reason (a server of `conf` that is no address). */
int resolver_new(struct loop *loop, const struct conf *conf, struct resolver **ret_resolver,
                 struct reason *reterr_why);
/* Queries under way are dropped, their callbacks do not run. Not from inside one. */
void resolver_free(struct resolver **resolver);

/* `answer` is borrowed (resolver_answer_hold() to keep it); NULL: `why` says it in words. */
typedef void resolver_done_cb(struct resolver_answer *answer, const char *why, void *arg);

/* 1: *ret_answer is there at once (literal addresses, cached names) and belongs to the caller until
 * released. 0: `done` will run, once, never from inside a call, unless *ret_query is cancelled
 * before; in `done` the query is over already. Negative errno with the reason: no answer (-ENOENT:
 * no such name or no address, cached; -ENOBUFS, -ENOMEM). */
int resolver_lookup(struct resolver *resolver, const char *host, resolver_done_cb *done, void *arg,
                    struct resolver_answer **ret_answer, struct resolver_query **ret_query,
                    struct reason *reterr_why);

/* NULL inside is allowed; sets NULL. */
void resolver_cancel(struct resolver_query **query);

struct resolver_answer *resolver_answer_hold(struct resolver_answer *answer);
/* NULL is allowed. */
void resolver_answer_release(struct resolver_answer *answer);

#endif
