#include "worker/health_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/channel.h"
#include "common/conf.h"
#include "common/loop.h"
#include "common/profile.h"
#include "common/shortage.h"
#include "worker/directory.h"
#include "worker/resolver.h"
#include "worker/rest/ask.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool.h"

#define LOGIN_REFUSED     535
#define FAREWELL_GRACE_MS 500

/* Resolving, then opening, then answered; it stays for the farewell of what was opened. A Core or
 * Vault has a question instead. */
struct health_probe {
    TAILQ_ENTRY(health_probe) link;
    struct health_prober *prober;
    struct ipc_health_probe order;
    struct worker_profile *profile;
    struct resolver_query *query;
    struct resolver_answer *answer;
    struct smtp_connection *connection;
    struct rest_question *question;
    struct loop_timer *limit; /* the end of its time; and its own, outside of all callbacks */
    bool is_answered;
};

struct health_prober {
    struct loop *loop;
    struct channel *channel;
    const struct conf *conf;
    struct directory *directory;
    struct resolver *resolver;
    struct smtp_pool *pool;
    const struct tls_keeper *keeper;
    struct http *http;
    TAILQ_HEAD(, health_probe) probes;
};

/* ---- the end ---- */

static void tell(const struct health_prober *prober, const struct ipc_health_probe *order,
                 enum ipc_server_word word, const char *why)
{
    struct ipc_health_probed probed = {
        .token = order->token,
        .profile = order->profile,
        .word = word,
    };

    (void)snprintf(probed.text, sizeof(probed.text), "%s", why);
    channel_send(prober->channel, IPC_HEALTH_PROBED, &probed);
}

static void return_lease(const struct health_prober *prober, const struct ipc_health_probe *order)
{
    smtp_pool_add_lease(prober->pool, order->profile, order->leased, order->others);
}

static void probe_free(struct health_probe *probe)
{
    TAILQ_REMOVE(&probe->prober->probes, probe, link);
    resolver_cancel(&probe->query);
    smtp_connection_free(&probe->connection);
    rest_cancel(&probe->question);
    return_lease(probe->prober, &probe->order);
    resolver_answer_release(probe->answer);
    directory_release(probe->profile);
    if (probe->limit != NULL)
        loop_timer_free(&probe->limit);
    free(probe);
}

/* There is nothing more to come but its own end. */
static void answer(struct health_probe *probe, enum ipc_server_word word, const char *why)
{
    probe->is_answered = true;
    tell(probe->prober, &probe->order, word, why);
    loop_timer_set_ms(probe->limit, 0);
}

static void on_limit(void *arg)
{
    struct health_probe *probe = arg;

    if (!probe->is_answered)
        tell(probe->prober, &probe->order, IPC_WORD_FAILED, "no answer to a probe within 10 s");
    probe_free(probe);
}

/* ---- the session ---- */

static void on_open(void *owner)
{
    struct health_probe *probe = owner;

    answer(probe, IPC_WORD_ANSWERS, "");
    loop_timer_set_ms(probe->limit, SMTP_QUIT_WAIT_MS + FAREWELL_GRACE_MS);
    smtp_connection_quit(probe->connection);
}

/* A server that has said 221 may count it still: its lease goes back when its end was seen (SP49).
 */
static void on_gone(struct smtp_connection *connection, void *arg)
{
    struct health_probe *probe = arg;

    (void)connection;
    probe->connection = NULL;
    if (probe->is_answered)
        loop_timer_set_ms(probe->limit, 0);
}

static void on_failed(const struct smtp_failure *failure, void *owner)
{
    struct health_probe *probe = owner;
    const struct health_prober *prober = probe->prober;
    bool is_crowded = probe->order.others > 0 ||
                      smtp_pool_open_to(prober->pool, probe->profile, probe->order.server) > 0;

    if (failure->event == SMTP_SHORT)
        answer(probe, IPC_WORD_UNDECIDED, failure->text);
    else if (failure->is_too_many && is_crowded)
        answer(probe, IPC_WORD_ANSWERS, "");
    else
        answer(probe, failure->code == LOGIN_REFUSED ? IPC_WORD_REFUSES_LOGIN : IPC_WORD_FAILED,
               failure->text);
}

static const struct smtp_connection_ops probe_ops = {
    .on_open = on_open,
    .on_failed = on_failed,
};

/* One of the server's max_connections like any other (SP49): its lease came with the order, and
 * goes back when the probe is over. */
static void open_connection(struct health_probe *probe)
{
    const struct profile *profile = probe->profile->profile;
    struct smtp_dial dial = {
        .loop = probe->prober->loop,
        .answer = probe->answer,
        .port = profile->servers[probe->order.server].port,
        .timeouts = profile->timeouts,
        .ehlo_name =
            profile->ehlo_name != NULL ? profile->ehlo_name : probe->prober->conf->top_hostname,
        .source_address = profile->source_address,
        .on_gone = on_gone,
        .on_gone_arg = probe,
    };
    struct reason why = { "" };
    int err = smtp_security_get(probe->prober->keeper, probe->profile, probe->order.server,
                                &dial.security, &why);

    dial.security.tokens = smtp_pool_tokens(probe->prober->pool);
    if (err == 0)
        err = smtp_connection_open(&dial, &probe_ops, probe, &probe->connection, &why);
    if (err < 0)
        answer(probe, is_shortage(err) ? IPC_WORD_UNDECIDED : IPC_WORD_FAILED, why.text);
}

static void on_resolved(struct resolver_answer *found, const char *why, void *arg)
{
    struct health_probe *probe = arg;

    probe->query = NULL;
    if (found == NULL) {
        answer(probe, IPC_WORD_FAILED, why);
        return;
    }
    probe->answer = resolver_answer_hold(found);
    open_connection(probe);
}

/* ---- a Core or Vault ---- */

/* Its connection is closed by now, and the lease goes back. */
static void on_found(const struct rest_found *found, void *arg)
{
    static const enum ipc_server_word words[] = {
        [REST_OK] = IPC_WORD_ANSWERS,    [REST_REFUSED] = IPC_WORD_REFUSES_LOGIN,
        [REST_NO] = IPC_WORD_FAILED,     [REST_BUSY] = IPC_WORD_FAILED,
        [REST_FAILED] = IPC_WORD_FAILED, [REST_SHORT] = IPC_WORD_UNDECIDED,
    };
    struct health_probe *probe = arg;

    probe->question = NULL;
    answer(probe, words[found->word], found->word == REST_OK ? "" : found->text);
}

static void ask(struct health_probe *probe)
{
    struct reason why = { "" };
    int err = rest_ask(probe->prober->http, probe->profile->profile, probe->order.server, on_found,
                       probe, &probe->question, &why);

    if (err < 0)
        answer(probe, is_shortage(err) ? IPC_WORD_UNDECIDED : IPC_WORD_FAILED, why.text);
}

/* ---- the beginning ---- */

static void look_up(struct health_probe *probe)
{
    struct resolver_answer *found = NULL;
    struct reason why = { "" };
    int err = resolver_lookup(probe->prober->resolver,
                              probe->profile->profile->servers[probe->order.server].host,
                              on_resolved, probe, &found, &probe->query, &why);

    if (err == 0)
        return;
    if (is_shortage(err))
        answer(probe, IPC_WORD_UNDECIDED, why.text);
    else
        on_resolved(err > 0 ? found : NULL, why.text, probe);
    resolver_answer_release(found);
}

void health_prober_ask(struct health_prober *prober, const struct ipc_health_probe *order)
{
    struct worker_profile *profile = directory_hold(prober->directory, order->profile);
    struct health_probe *probe = calloc(1, sizeof(*probe));
    struct loop_timer *limit = probe != NULL ? loop_timer_new(prober->loop, on_limit, probe) : NULL;

    if (profile == NULL || profile->profile->version != order->version ||
        order->server >= profile->profile->server_count || limit == NULL) {
        tell(prober, order, IPC_WORD_UNDECIDED, "it cannot be asked from here now");
        return_lease(prober, order);
        if (profile != NULL)
            directory_release(profile);
        if (limit != NULL)
            loop_timer_free(&limit);
        free(probe);
        return;
    }
    *probe = (struct health_probe){
        .prober = prober, .order = *order, .profile = profile, .limit = limit
    };
    TAILQ_INSERT_TAIL(&prober->probes, probe, link);
    loop_timer_set_ms(limit, IPC_HEALTH_PROBE_MS);
    if (profile->profile->type == PROFILE_SMTP)
        look_up(probe);
    else
        ask(probe);
}

struct health_prober *health_prober_new(struct loop *loop, struct channel *channel,
                                        const struct conf *conf, struct directory *directory,
                                        struct resolver *resolver, struct smtp_pool *pool,
                                        const struct tls_keeper *keeper, struct http *http)
{
    struct health_prober *prober = calloc(1, sizeof(*prober));

    if (prober == NULL)
        return NULL;
    *prober = (struct health_prober){ .loop = loop,
                                      .channel = channel,
                                      .conf = conf,
                                      .directory = directory,
                                      .resolver = resolver,
                                      .pool = pool,
                                      .keeper = keeper,
                                      .http = http };
    TAILQ_INIT(&prober->probes);
    return prober;
}

void health_prober_free(struct health_prober **prober)
{
    struct health_prober *p = *prober;

    if (p == NULL)
        return;
    *prober = NULL;
    while (!TAILQ_EMPTY(&p->probes))
        probe_free(TAILQ_FIRST(&p->probes));
    free(p);
}
