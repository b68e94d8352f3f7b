/* tests/unit/health_probe_world.h: the prober of servers that are down, with all it stands on and
 * what the master is told. */
#ifndef TESTS_UNIT_HEALTH_PROBE_WORLD_H
#define TESTS_UNIT_HEALTH_PROBE_WORLD_H

static inline void on_probed(void *owner, const void *payload, int fd);
#define POOL_MORE_AT_MASTER [IPC_HEALTH_PROBED] = on_probed

#include <signal.h>

#include "pool_world.h"

#include "common/conf.h"
#include "web_peer.h"
#include "worker/health_probe.h"
#include "worker/http.h"

static struct conf *conf;
static struct http *http;
static struct web *web; /* a Core or Vault */
static struct health_prober *prober;
static struct ipc_health_probed said;
static unsigned heard;
static struct resolver_query { /* one at a time; the world's answer is the only one */
    resolver_done_cb *done;
    void *arg;
} query;
static bool is_cancelled;

static inline void on_probed(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    memcpy(&said, payload, sizeof(said));
    heard++;
}

/* ---- names: addresses are known at once, "slow.test" when the test says so ---- */

int resolver_lookup(struct resolver *resolver, const char *host, resolver_done_cb *done, void *arg,
                    struct resolver_answer **ret_answer, struct resolver_query **ret_query,
                    struct reason *reterr_why)
{
    (void)resolver;
    if (strcmp(host, "nowhere.test") == 0)
        return reason_set(reterr_why, -ENOENT, "no such name");
    if (strcmp(host, "short.test") == 0)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    if (strcmp(host, "slow.test") == 0) {
        query = (struct resolver_query){ .done = done, .arg = arg };
        *ret_query = &query;
        return 0;
    }
    *ret_answer = resolver_answer_hold(answer);
    return 1;
}

void resolver_cancel(struct resolver_query **cancelled)
{
    is_cancelled = is_cancelled || *cancelled != NULL;
    *cancelled = NULL;
}

struct resolver_answer *resolver_answer_hold(struct resolver_answer *held)
{
    held->holders++;
    return held;
}

void resolver_answer_release(struct resolver_answer *held)
{
    if (held != NULL && --held->holders == 0)
        free(held);
}

/* ---- up and down ---- */

static inline void health_probe_setup(void)
{
    struct reason why;

    signal(SIGPIPE, SIG_IGN); /* as in every process of ours */
    world_setup();
    cr_assert_eq(conf_parse("hostname = \"gw.test\"\n", "test", &conf, &why), 0);
    cr_assert_eq(http_new(loop, NULL, "", &http, &why), 0, "%s", why.text);
    prober = health_prober_new(loop, channel, conf, directory, NULL, pool, NULL, http);
    cr_assert_not_null(prober);
    web = web_new(loop, NULL);
}

static inline void health_probe_teardown(void)
{
    health_prober_free(&prober);
    web_free(&web);
    http_free(&http);
    world_teardown();
    conf_free(&conf);
}

static inline void put_typed(const char *type, uint64_t version, const char *more)
{
    struct profile *profile = accept_profile(input_of(type, more), NULL, NULL);
    struct reason why = { "" };
    json_t *json;
    char *text;

    profile->id = PROFILE;
    profile->version = version;
    json = profile_to_json(profile, PROFILE_FORM_WORKER);
    text = json_dumps(json, JSON_COMPACT);
    cr_assert_eq(directory_put_profile(directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
    json_decref(json);
    profile_free(&profile);
}

#define KEY "tell-nobody-of-the-api-key"

static inline void put_web(const char *type)
{
    char more[256];

    (void)snprintf(more, sizeof(more), "'servers': ['http://127.0.0.1:%u'], 'api_key': '" KEY "'",
                   web->port);
    put_typed(type, 1, more);
}

#define LEASED 4711 /* what the server is called does not matter to the worker */

static inline struct lender *leases(void)
{
    return lender_of(PROFILE, LEASED);
}

/* Each comes with a lease. */
static inline void ask_beside(uint32_t others, uint32_t profile, uint64_t version, uint32_t server)
{
    const struct ipc_health_probe order = { .token = 77,
                                            .profile = profile,
                                            .version = version,
                                            .server = server,
                                            .leased = LEASED,
                                            .others = others };

    leases()->out++;
    health_prober_ask(prober, &order);
}

static inline void ask_for(uint32_t profile, uint64_t version, uint32_t server)
{
    ask_beside(0, profile, version, server);
}

static inline void expect(enum ipc_server_word word, const char *text)
{
    UNTIL(loop, heard > 0);
    turn_a_while();
    cr_assert_eq(heard, 1u, "once");
    cr_expect_eq(said.token, 77u);
    cr_expect_eq(said.profile, PROFILE);
    UNTIL(loop, leases()->out == 0);
    cr_expect_eq(said.word, (uint32_t)word, "%u: %s", said.word, said.text);
    cr_expect_not_null(strstr(said.text, text), "%s", said.text);
}

#endif
