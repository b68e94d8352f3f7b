#include "master/control/login_limit.h"

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <xxhash.h>

#include "common/random_token.h"

#define NAME_PLACES 8192U
#define KNOWN_MAX   256U

/* IPv4, or the /64 of IPv6; all zero: no address. */
struct client_key {
    unsigned char bytes[9];
};

struct window {
    int64_t began_ms;
    unsigned failures; /* 0: the window is not open */
};

struct client {
    struct client_key key;
    struct window window;
};

/* This name has logged in from there. */
struct known {
    struct client_key client;
    uint64_t name;
};

struct login_limit {
    struct login_limit_rules rules;
    uint64_t seed; /* of the hash of names: nobody outside can choose two that meet */
    struct client clients[LOGIN_LIMIT_ADDRESSES];
    unsigned client_count;
    struct window names[NAME_PLACES];
    struct known known[KNOWN_MAX]; /* a ring: the oldest is written over */
    unsigned known_next;
};

struct login_limit *login_limit_new(const struct login_limit_rules *rules)
{
    struct login_limit *limit = calloc(1, sizeof(*limit));

    if (limit == NULL)
        return NULL;
    limit->rules = *rules;
    if (random_bytes(&limit->seed, sizeof(limit->seed)) < 0)
        login_limit_free(&limit);
    return limit;
}

void login_limit_free(struct login_limit **limit)
{
    free(*limit);
    *limit = NULL;
}

void login_limit_set_rules(struct login_limit *limit, const struct login_limit_rules *rules)
{
    limit->rules = *rules;
}

/* ---- keys ---- */

static struct client_key key_of(const char *text)
{
    struct client_key key = { { 0 } };
    struct in6_addr ip6;
    struct in_addr ip4;

    if (inet_pton(AF_INET, text, &ip4) == 1) {
        key.bytes[0] = 4;
        memcpy(&key.bytes[1], &ip4, 4);
    } else if (inet_pton(AF_INET6, text, &ip6) == 1) {
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&ip6);

        key.bytes[0] = is_mapped ? 4 : 6;
        memcpy(&key.bytes[1], &ip6.s6_addr[is_mapped ? 12 : 0], is_mapped ? 4 : 8);
    }
    return key;
}

static bool same_key(const struct client_key *a, const struct client_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static uint64_t hash_name(const struct login_limit *limit, const char *name)
{
    return XXH3_64bits_withSeed(name, strlen(name), limit->seed);
}

/* ---- windows ---- */

static bool is_open(const struct login_limit *limit, const struct window *window, int64_t now_ms)
{
    return window->failures > 0 && now_ms - window->began_ms < limit->rules.window_ms;
}

static bool is_full(const struct login_limit *limit, const struct window *window, unsigned most,
                    int64_t now_ms, unsigned *ret_retry_s)
{
    if (!is_open(limit, window, now_ms) || window->failures < most)
        return false;
    *ret_retry_s = (unsigned)((window->began_ms + limit->rules.window_ms - now_ms + 999) / 1000);
    return true;
}

static void count_one(const struct login_limit *limit, struct window *window, int64_t now_ms)
{
    if (!is_open(limit, window, now_ms))
        *window = (struct window){ .began_ms = now_ms };
    window->failures++;
}

static void uncount_one(const struct login_limit *limit, struct window *window, int64_t now_ms)
{
    if (is_open(limit, window, now_ms))
        window->failures--;
}

/* ---- clients ---- */

static struct window *find_client(struct login_limit *limit, const struct client_key *key)
{
    for (unsigned i = 0; i < limit->client_count; i++) {
        if (same_key(&limit->clients[i].key, key))
            return &limit->clients[i].window;
    }
    return NULL;
}

/* Where memory is full, a window that is over is taken, or the oldest. */
static struct window *have_client(struct login_limit *limit, const struct client_key *key)
{
    struct window *window = find_client(limit, key);
    unsigned at = 0;

    if (window != NULL)
        return window;
    if (limit->client_count < LOGIN_LIMIT_ADDRESSES) {
        at = limit->client_count++;
    } else {
        for (unsigned i = 1; i < limit->client_count; i++) {
            if (limit->clients[i].window.began_ms < limit->clients[at].window.began_ms)
                at = i;
        }
    }
    limit->clients[at] = (struct client){ .key = *key };
    return &limit->clients[at].window;
}

static bool is_known(const struct login_limit *limit, const struct client_key *client,
                     uint64_t name)
{
    for (unsigned i = 0; i < KNOWN_MAX; i++) {
        if (limit->known[i].name == name && same_key(&limit->known[i].client, client))
            return true;
    }
    return false;
}

static void remember(struct login_limit *limit, const struct client_key *client, uint64_t name)
{
    if (is_known(limit, client, name))
        return;
    limit->known[limit->known_next] = (struct known){ .client = *client, .name = name };
    limit->known_next = (limit->known_next + 1) % KNOWN_MAX;
}

/* ---- tries ---- */

bool login_limit_take(struct login_limit *limit, const char *client, const char *name,
                      int64_t now_ms, unsigned *ret_retry_s)
{
    struct client_key key = key_of(client);
    uint64_t hash = name != NULL ? hash_name(limit, name) : 0;
    struct window *of_name =
        name != NULL && !is_known(limit, &key, hash) ? &limit->names[hash % NAME_PLACES] : NULL;
    struct window *of_client = have_client(limit, &key);

    if (is_full(limit, of_client, limit->rules.tries, now_ms, ret_retry_s) ||
        (of_name != NULL &&
         is_full(limit, of_name, limit->rules.tries * LOGIN_LIMIT_PER_NAME, now_ms, ret_retry_s)))
        return false;
    count_one(limit, of_client, now_ms);
    if (of_name != NULL)
        count_one(limit, of_name, now_ms);
    return true;
}

void login_limit_give_back(struct login_limit *limit, const char *client, const char *name,
                           bool is_login, int64_t now_ms)
{
    struct client_key key = key_of(client);
    uint64_t hash = name != NULL ? hash_name(limit, name) : 0;
    struct window *of_client = find_client(limit, &key);

    if (of_client != NULL)
        uncount_one(limit, of_client, now_ms);
    if (name != NULL && !is_known(limit, &key, hash))
        uncount_one(limit, &limit->names[hash % NAME_PLACES], now_ms);
    if (name != NULL && is_login)
        remember(limit, &key, hash);
}
