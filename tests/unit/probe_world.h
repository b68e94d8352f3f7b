/* tests/unit/probe_world.h: a prober with all it stands on: scripted servers, a tiny name server,
 * the resolver, and the master's end of the channel, which writes down what it is told. */
#ifndef TESTS_UNIT_PROBE_WORLD_H
#define TESTS_UNIT_PROBE_WORLD_H

#include "name_server.h"
#include "smtp_peer.h"

#include "common/channel.h"
#include "common/conf.h"
#include "common/memfd.h"
#include "common/probe_step.h"
#include "profile_helper.h"
#include "worker/http.h"
#include "worker/probe.h"
#include "worker/resolver.h"
#include "worker/smtp/pool.h"
#include "worker/stream.h"
#include "worker/tls_keeper.h"

#define PEERS     6
#define STEPS_MAX 512

#ifndef PROBE_MORE_AT_MASTER /* handlers of the master's, by kind */
#define PROBE_MORE_AT_MASTER [0] = NULL
#endif

static struct loop *loop;
static struct peer *peers[PEERS];
static struct name_server *names;
static struct conf *conf;
static struct resolver *resolver;
static struct prober *prober;
static struct smtp_pool *pool;
static struct tls_keeper *keeper;
static struct http *http;
static struct channel *channel, *master;

static struct { /* what the master was told */
    struct ipc_probe_step steps[STEPS_MAX];
    int64_t step_ms[STEPS_MAX]; /* when */
    unsigned count;
    struct ipc_probe_done done;
    unsigned dones;
    unsigned steps_before_done;
} told;

static const struct name_row zone[] = {
    { .name = "one.test", .v4 = { "127.0.0.1" } },
    { .name = "ab.test", .v4 = { "127.0.0.1", "127.0.0.9" } },
    { .name = "ba.test", .v4 = { "127.0.0.9", "127.0.0.1" } },
    { .name = "both.test", .v4 = { "127.0.0.1" }, .v6 = { "::1" } },
    { .name = "many.test",
      .v4 = { "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7",
              "127.0.0.8", "127.0.0.9" },
      .v6 = { "2001:db8::1" } },
    { .name = "five.test",
      .v4 = { "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6" } },
    { .name = "six.test", .v6 = { "::1" } },
    { .name = "silent.test", .is_silent = true },
    { .name = NULL },
};

/* ---- the master's end ---- */

static inline void on_probe_step(void *owner, const void *payload, int fd)
{
    const struct ipc_probe_step *step = payload;

    (void)owner;
    (void)fd;
    cr_assert_lt(told.count, STEPS_MAX);
    cr_assert_not_null(memchr(step->text, '\0', sizeof(step->text)));
    told.step_ms[told.count] = clock_mono_ms();
    told.steps[told.count++] = *step;
}

static inline void on_probe_done(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    told.done = *(const struct ipc_probe_done *)payload;
    told.dones++;
    told.steps_before_done = told.count;
}

static inline void on_lease(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    smtp_pool_lease(pool, payload);
}

static inline void on_channel_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static inline void on_lease_unwant(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
}

static inline void open_channel(void)
{
    static channel_handler *const from_worker[IPC_KIND_COUNT] = {
        [IPC_PROBE_STEP] = on_probe_step,
        [IPC_PROBE_DONE] = on_probe_done,
        [IPC_LEASE_UNWANT] = on_lease_unwant,
        PROBE_MORE_AT_MASTER,
    };
    static channel_handler *const from_master[IPC_KIND_COUNT] = { [IPC_LEASE] = on_lease };
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    channel = channel_new(loop, ends[0], IPC_WORKER, from_master, on_channel_end, NULL);
    master = channel_new(loop, ends[1], IPC_MASTER, from_worker, on_channel_end, NULL);
}

/* Whatever is to be told has been told after so many turns. */
static inline void turn_a_while(void)
{
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 0);
}

/* ---- a test ---- */

/* Takes over `profile`. */
static inline void start_profile(uint64_t token, struct profile *profile)
{
    json_t *json = profile_to_json(profile, PROFILE_FORM_WORKER);
    char *text = json_dumps(json, JSON_COMPACT);

    prober_start(prober, token, memfd_seal("probe", text, strlen(text)));
    free(text);
    json_decref(json);
    profile_free(&profile);
}

static inline void start(uint64_t token, const char *type, const char *more)
{
    start_profile(token, accept_profile(input_of(type, more), NULL, NULL));
}

static inline void forget_told(void)
{
    memset(&told, 0, sizeof(told));
}

/* `uri` is the only server; `more` begins with a comma, or is empty. */
static inline void run(const char *type, const char *uri, const char *more)
{
    char input[2048];

    (void)snprintf(input, sizeof(input), "'servers': ['%s']%s", uri, more);
    forget_told();
    start(4711, type, input);
    UNTIL(loop, told.dones == 1);
    cr_assert_eq(told.done.token, 4711u);
    cr_assert_eq(told.done.servers, 1u);
    cr_assert_eq(told.steps_before_done, told.count, "the end must not overtake a step");
}

/* "smtps://one.test" -> "smtps://one.test:2525": the port is peer 0's. */
static inline const char *at_peer(const char *host)
{
    static char uri[128];

    (void)snprintf(uri, sizeof(uri), "%s:%u", host, peers[0]->port);
    return uri;
}

#define PEER at_peer("127.0.0.1")

/* "resolve:ok connect:failed": the steps of one server, in the order in which they came. */
static inline const char *ladder(unsigned server)
{
    static char text[2048];
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < told.count; i++) {
        if (told.steps[i].server == server)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s:%s",
                                     used > 0 ? " " : "", probe_step_name(told.steps[i].step),
                                     probe_result_name(told.steps[i].result));
    }
    return text;
}

/* The last such step of a server; NULL: it has none. */
static inline const struct ipc_probe_step *step_of(unsigned server, enum probe_step step)
{
    for (unsigned i = told.count; i-- > 0;) {
        if (told.steps[i].server == server && told.steps[i].step == step)
            return &told.steps[i];
    }
    return NULL;
}

static inline const char *text_of(unsigned server, enum probe_step step)
{
    const struct ipc_probe_step *found = step_of(server, step);

    cr_assert_not_null(found, "no %s in: %s", probe_step_name(step), ladder(server));
    return found->text;
}

#define ASSERT_HAS(text, part) cr_assert_not_null(strstr((text), (part)), "%s", (text))
#define EXPECT_HAS(text, part) cr_expect_not_null(strstr((text), (part)), "%s", (text))

#define ALL_WELL "resolve:ok connect:ok greeting:ok ehlo:ok quit:ok"

/* Every secret of these tests begins with "tell-nobody" (SP60). */
static inline void expect_no_secret(void)
{
    for (unsigned i = 0; i < told.count; i++) {
        cr_expect_null(strstr(told.steps[i].text, "tell-nobody"), "%s", told.steps[i].text);
        cr_expect_null(strstr(told.steps[i].text, "dGVsbC1ub2JvZHkt"), "%s", told.steps[i].text);
    }
    for (unsigned i = 0; i < PEERS; i++)
        cr_expect_null(strstr(peers[i]->log, "tell-nobody"), "%s", peers[i]->log);
}

/* ---- life ---- */

static inline void make_prober(const char *listen, unsigned resolver_timeout_s)
{
    char text[512];
    struct reason why = { "" };

    (void)snprintf(text, sizeof(text),
                   "hostname = \"gw.test\"\nsmtp { listen = {%s} }\n"
                   "resolver { servers = {\"%s\"} timeout = %u }\n",
                   listen, names->text, resolver_timeout_s);
    cr_assert_eq(conf_parse(text, "test", &conf, &why), 0, "%s", why.text);
    cr_assert_eq(resolver_new(loop, conf, &resolver, &why), 0, "%s", why.text);
    keeper = tls_keeper_new(conf);
    pool = smtp_pool_new(loop, channel, keeper);
    cr_assert_eq(http_new(loop, resolver, "", &http, &why), 0, "%s", why.text);
    prober = prober_new(loop, channel, conf, resolver, pool, keeper, http);
    cr_assert_not_null(prober);
}

static inline void free_prober(void)
{
    prober_free(&prober);
    cr_assert_null(prober);
    smtp_pool_free(&pool);
    tls_keeper_free(&keeper);
    http_free(&http);
    resolver_free(&resolver);
    conf_free(&conf);
}

static inline void probe_world_setup(void)
{
    loop = loop_new();
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = peer_new(loop);
    names = name_server_new(loop, zone);
    open_channel();
    make_prober("\"127.0.0.1:2\"", 1);
}

static inline void probe_world_teardown(void)
{
    free_prober();
    stream_free_closing();
    channel_free(&channel);
    channel_free(&master);
    name_server_free(&names);
    for (unsigned i = 0; i < PEERS; i++)
        peer_free(&peers[i]);
    loop_free(loop);
}

#endif
