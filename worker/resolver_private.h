/* worker/resolver_private.h: what resolver.c (c-ares on the loop) and resolver_cache.c (names, and
 * who waits for them) share.
 *
 * A `name` is one cache entry: pending while c-ares works on it, then known for a while. What
 * c-ares was asked is a `lookup`, which may outlive its name's patience: after the deadline the
 * waiters are told, and what c-ares brings later is thrown away. */
#ifndef WORKER_RESOLVER_PRIVATE_H
#define WORKER_RESOLVER_PRIVATE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "worker/resolver.h"

struct ares_channeldata;
struct loop_timer;
struct loop_watch;

#define RESOLVER_BUCKETS     256
#define RESOLVER_SOCKETS_MAX 64
#define RESOLVER_HOST_SIZE   256

struct lookup {
    struct name *name; /* NULL: nobody waits any longer */
};

struct resolver_query {
    TAILQ_ENTRY(resolver_query) link;
    struct name *name;
    resolver_done_cb *done;
    void *arg;
};

struct name {
    TAILQ_ENTRY(name) age;
    LIST_ENTRY(name) bucket;
    struct resolver *resolver;
    struct lookup *pending; /* NULL: known */
    struct loop_timer *deadline;
    TAILQ_HEAD(, resolver_query) waiters;
    bool is_telling; /* its waiters are being told: it must not go */
    int64_t until_ms;
    struct resolver_answer *answer; /* NULL: none */
    char why[128];
    char host[RESOLVER_HOST_SIZE];
};

struct resolver {
    struct loop *loop;
    struct ares_channeldata *channel;
    struct loop_timer *timer;
    int64_t limit_ms;
    struct ares_watch {
        int fd; /* -1: free */
        struct loop_watch *watch;
    } watches[RESOLVER_SOCKETS_MAX];
    TAILQ_HEAD(, name) names; /* the one not used for longest first */
    LIST_HEAD(, name) buckets[RESOLVER_BUCKETS];
    unsigned count;
};

/* resolver.c */
void resolver_ask(struct resolver *resolver, const char *host, struct lookup *lookup);

/* resolver_cache.c. `answer` is taken over; NULL: `why` says why there is none. */
void resolver_settle(struct name *name, struct resolver_answer *answer, int64_t keep_s,
                     const char *why);
void resolver_drop_name(struct name *name);
struct resolver_answer *resolver_answer_new(unsigned count);

#endif
