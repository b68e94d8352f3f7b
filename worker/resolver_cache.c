/* worker/resolver_cache.c: the names that are known or being asked for, and who waits for them. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "worker/resolver_private.h"

/* ---- answers ---- */

struct resolver_answer *resolver_answer_new(unsigned count)
{
    struct resolver_answer *answer =
        calloc(1, sizeof(*answer) + count * sizeof(answer->addresses[0]));

    if (answer != NULL)
        answer->holders = 1;
    return answer;
}

struct resolver_answer *resolver_answer_hold(struct resolver_answer *answer)
{
    answer->holders++;
    return answer;
}

void resolver_answer_release(struct resolver_answer *answer)
{
    if (answer != NULL && --answer->holders == 0)
        free(answer);
}

static struct resolver_answer *read_literal(const char *host)
{
    struct in_addr in;
    struct in6_addr in6;
    bool is_in = inet_pton(AF_INET, host, &in) == 1;
    struct resolver_answer *answer;

    if (!is_in && inet_pton(AF_INET6, host, &in6) != 1)
        return NULL;
    if ((answer = resolver_answer_new(1)) == NULL)
        return NULL;
    answer->count = 1;
    if (is_in) {
        answer->addresses[0].in.sin_family = AF_INET;
        answer->addresses[0].in.sin_addr = in;
        answer->addresses[0].bytes = sizeof(struct sockaddr_in);
    } else {
        answer->addresses[0].in6.sin6_family = AF_INET6;
        answer->addresses[0].in6.sin6_addr = in6;
        answer->addresses[0].bytes = sizeof(struct sockaddr_in6);
    }
    return answer;
}

/* ---- names ---- */

static unsigned bucket_of(const char *host)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (; *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619U;
    return hash % RESOLVER_BUCKETS;
}

void resolver_drop_name(struct name *name)
{
    TAILQ_REMOVE(&name->resolver->names, name, age);
    LIST_REMOVE(name, bucket);
    name->resolver->count--;
    if (name->pending != NULL)
        name->pending->name = NULL;
    while (!TAILQ_EMPTY(&name->waiters)) {
        struct resolver_query *query = TAILQ_FIRST(&name->waiters);

        TAILQ_REMOVE(&name->waiters, query, link);
        free(query);
    }
    loop_timer_free(&name->deadline);
    resolver_answer_release(name->answer);
    free(name);
}

static struct name *find_name(struct resolver *resolver, const char *host)
{
    struct name *name;

    LIST_FOREACH(name, &resolver->buckets[bucket_of(host)], bucket)
    {
        if (strcmp(name->host, host) == 0)
            return name;
    }
    return NULL;
}

/* The cache is full of names in use only if as many look-ups are under way. */
static bool make_room(struct resolver *resolver)
{
    struct name *name;

    if (resolver->count < RESOLVER_NAMES_MAX)
        return true;
    TAILQ_FOREACH (name, &resolver->names, age) {
        if (name->pending == NULL && !name->is_telling) {
            resolver_drop_name(name);
            return true;
        }
    }
    return false;
}

/* The name is known from here on: keeps what is known and tells who waited. */
void resolver_settle(struct name *name, struct resolver_answer *answer, int64_t keep_s,
                     const char *why)
{
    struct resolver_query *query;

    name->pending->name = NULL;
    name->pending = NULL;
    loop_timer_free(&name->deadline);
    name->answer = answer;
    name->until_ms = loop_now_ms(name->resolver->loop) + keep_s * 1000;
    (void)snprintf(name->why, sizeof(name->why), "%s", why);

    name->is_telling = true;
    while ((query = TAILQ_FIRST(&name->waiters)) != NULL) {
        resolver_done_cb *done = query->done;
        void *arg = query->arg;

        TAILQ_REMOVE(&name->waiters, query, link);
        free(query);
        done(name->answer, name->answer == NULL ? name->why : NULL, arg);
    }
    name->is_telling = false;
}

static void on_deadline(void *arg)
{
    resolver_settle(arg, NULL, RESOLVER_NEGATIVE_S, "the name servers do not answer");
}

/* ---- asking ---- */

static struct name *begin(struct resolver *resolver, const char *host)
{
    struct name *name = calloc(1, sizeof(*name));
    struct lookup *lookup = malloc(sizeof(*lookup));

    if (name != NULL)
        name->deadline = loop_timer_new(resolver->loop, on_deadline, name);
    if (name == NULL || lookup == NULL || name->deadline == NULL) {
        if (name != NULL)
            loop_timer_free(&name->deadline);
        free(name);
        free(lookup);
        return NULL;
    }
    name->resolver = resolver;
    TAILQ_INIT(&name->waiters);
    (void)snprintf(name->host, sizeof(name->host), "%s", host);
    TAILQ_INSERT_TAIL(&resolver->names, name, age);
    LIST_INSERT_HEAD(&resolver->buckets[bucket_of(host)], name, bucket);
    resolver->count++;
    lookup->name = name;
    name->pending = lookup;
    loop_timer_set_ms(name->deadline, resolver->limit_ms);
    resolver_ask(resolver, host, lookup);
    return name;
}

static int wait_for(struct name *name, resolver_done_cb *done, void *arg,
                    struct resolver_query **ret_query, struct reason *reterr_why)
{
    struct resolver_query *query = malloc(sizeof(*query));

    if (query == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    *query = (struct resolver_query){ .name = name, .done = done, .arg = arg };
    TAILQ_INSERT_TAIL(&name->waiters, query, link);
    *ret_query = query;
    return 0;
}

int resolver_lookup(struct resolver *resolver, const char *host, resolver_done_cb *done, void *arg,
                    struct resolver_answer **ret_answer, struct resolver_query **ret_query,
                    struct reason *reterr_why)
{
    struct name *name;

    *ret_answer = read_literal(host);
    if (*ret_answer != NULL)
        return 1;
    if (strlen(host) >= RESOLVER_HOST_SIZE)
        return reason_set(reterr_why, -ENOENT, "no such name");
    name = find_name(resolver, host);
    if (name != NULL && name->pending == NULL && !name->is_telling &&
        name->until_ms <= loop_now_ms(resolver->loop)) {
        resolver_drop_name(name);
        name = NULL;
    }
    if (name == NULL) {
        if (!make_room(resolver))
            return reason_set(reterr_why, -ENOBUFS, "too many look-ups at a time");
        name = begin(resolver, host);
        if (name == NULL)
            return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    if (name->pending != NULL)
        return wait_for(name, done, arg, ret_query, reterr_why);
    TAILQ_REMOVE(&resolver->names, name, age);
    TAILQ_INSERT_TAIL(&resolver->names, name, age);
    if (name->answer == NULL)
        return reason_set(reterr_why, -ENOENT, "%s", name->why);
    *ret_answer = resolver_answer_hold(name->answer);
    return 1;
}

void resolver_cancel(struct resolver_query **query)
{
    if (*query == NULL)
        return;
    TAILQ_REMOVE(&(*query)->name->waiters, *query, link);
    free(*query);
    *query = NULL;
}
