/* tests/unit/pool_world.h: a pool with all it stands on: a directory that retires versions, two
 * scripted servers, a master (pool_master.h), and wishes for connections.
 *
 * A wish stands for a delivery: it asks, gets a connection or a failure, may send a message over
 * it, and gives it back. */
#ifndef TESTS_UNIT_POOL_WORLD_H
#define TESTS_UNIT_POOL_WORLD_H

#include "pool_master.h"
#include "smtp_peer.h"

#include "profile_helper.h"
#include "worker/directory.h"
#include "worker/resolver.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool_private.h"
#include "worker/smtp/transaction.h"
#include "worker/stream.h"

static struct loop *loop;
static struct peer *peers[PEERS];
static struct resolver_answer *answer;
static struct directory *directory;
static struct smtp_pool *pool;
static struct channel *channel;

static bool is_coming_without; /* a lease: whoever wishes asks */

struct wish {
    struct smtp_ticket ticket;
    struct smtp_connection *connection;
    unsigned got, failed, lost;
    unsigned order; /* of all that was got: 1 is the first */
    bool is_reused;
    char text[512];
    enum smtp_event event; /* of the failure */
    bool is_busy;
    unsigned open_when_failed; /* to the same server */
    struct worker_profile *version;
    unsigned server;
    void (*then)(struct wish *wish); /* inside the callback */
    struct smtp_transaction transaction;
    struct smtp_rcpt rcpt;
    unsigned sent;
    enum smtp_verdict verdict;
};

static unsigned got_in_all;

/* ---- what a wish hears ---- */

static inline void on_kept_lost(const char *why, void *owner)
{
    struct wish *wish = owner;

    (void)why;
    wish->lost++;
    wish->connection = NULL;
}

static const struct smtp_connection_ops kept_ops = { .on_lost = on_kept_lost };

static inline void keep(struct wish *wish, struct smtp_connection *connection)
{
    wish->connection = connection;
    smtp_connection_set_owner(connection, &kept_ops, wish);
}

static inline void on_connection(struct smtp_connection *connection, bool is_reused, void *owner)
{
    struct wish *wish = owner;

    keep(wish, connection);
    wish->got++;
    wish->order = ++got_in_all;
    wish->is_reused = is_reused;
    if (wish->then != NULL)
        wish->then(wish);
}

static inline void on_failed(const struct smtp_failure *failure, void *owner)
{
    struct wish *wish = owner;

    wish->failed++;
    wish->open_when_failed = smtp_pool_open_to(pool, wish->version, wish->server);
    (void)snprintf(wish->text, sizeof(wish->text), "%s", failure->text);
    wish->event = failure->event;
    wish->is_busy = failure->is_busy;
    if (wish->then != NULL)
        wish->then(wish);
}

static const struct smtp_ticket_ops ticket_ops = { .on_connection = on_connection,
                                                   .on_failed = on_failed };

/* ---- what a delivery does ---- */

static inline uint64_t identity_of(const struct worker_profile *version, unsigned server)
{
    return server_uri_identity(version->profile->servers[server].text);
}

static inline struct lender *lender_at(const struct worker_profile *version, unsigned server)
{
    return lender_of(version->profile->id, identity_of(version, server));
}

/* One comes with a lease if the master has one. 0 or the error, with the reason in wish->text. */
static inline int try_to_ask(struct wish *wish, struct worker_profile *version, unsigned server)
{
    unsigned heard = wish->got + wish->failed, first = wish->ticket.first;
    struct reason why = { "" };
    int err;

    wish->version = version;
    wish->server = server;
    wish->ticket = (struct smtp_ticket){
        .answer = answer, .first = first, .ehlo_name = "gw.test", .ops = &ticket_ops, .owner = wish
    };
    if (!is_coming_without && lend(lender_at(version, server)))
        smtp_pool_add_lease(pool, version->profile->id, identity_of(version, server), 0);
    err = smtp_pool_open(pool, version, server, &wish->ticket, &why);
    cr_assert_eq(wish->got + wish->failed, heard, "not from inside the call");
    if (err != 0)
        (void)snprintf(wish->text, sizeof(wish->text), "%s", why.text);
    return err;
}

static inline void ask(struct wish *wish, struct worker_profile *version, unsigned server)
{
    cr_assert_eq(try_to_ask(wish, version, server), 0, "%s", wish->text);
}

static inline void get(struct wish *wish, struct worker_profile *version, unsigned server)
{
    unsigned before = wish->got;

    ask(wish, version, server);
    UNTIL(loop, wish->got > before);
}

/* False: none is idle. */
static inline bool take(struct wish *wish, struct worker_profile *version, unsigned server)
{
    struct smtp_connection *connection = smtp_pool_take(pool, version, server);

    wish->version = version;
    wish->server = server;
    if (connection != NULL)
        keep(wish, connection);
    return connection != NULL;
}

static inline void give_back(struct wish *wish)
{
    struct smtp_connection *connection = wish->connection;

    cr_assert_not_null(connection);
    wish->connection = NULL;
    smtp_pool_give_back(pool, connection);
}

static inline void *hold_body(void *arg)
{
    return arg;
}

static inline void release_body(const void *data, size_t bytes, void *held)
{
    (void)data;
    (void)bytes;
    (void)held;
}

static inline void on_sent(const struct smtp_result *result, void *owner)
{
    struct wish *wish = owner;

    wish->sent++;
    wish->verdict = result->verdict;
    if (!result->is_usable)
        wish->connection = NULL;
}

static inline void on_refused(unsigned index, const struct smtp_reply *reply, void *owner)
{
    (void)index;
    (void)reply;
    (void)owner;
}

static inline void begin_to_send_bytes(struct wish *wish, const char *data, size_t bytes)
{
    static const struct smtp_transaction_ops ops = { .on_rcpt = on_refused, .on_done = on_sent };

    wish->rcpt = (struct smtp_rcpt){ .address = "r@example.net" };
    wish->transaction.sender = "s@example.com";
    wish->transaction.body = (struct smtp_body){
        .data = data, .bytes = bytes, .hold = hold_body, .release = release_body, .arg = wish
    };
    wish->transaction.rcpts = &wish->rcpt;
    wish->transaction.rcpt_count = 1;
    wish->transaction.ops = &ops;
    wish->transaction.owner = wish;
    smtp_transaction_start(&wish->transaction, wish->connection);
}

static inline void begin_to_send(struct wish *wish)
{
    begin_to_send_bytes(wish, "hello\r\n", 7);
}

/* What the server hears of it. */
#define MESSAGE "MAIL FROM:<s@example.com> SIZE=7|RCPT TO:<r@example.net>|DATA|(7)|"

static inline void send_message(struct wish *wish)
{
    unsigned before = wish->sent;

    begin_to_send(wish);
    UNTIL(loop, wish->sent > before);
    cr_assert_eq(wish->verdict, SMTP_DELIVERED);
}

/* ---- versions ---- */

/* The profile's next version comes from the master. Held by the directory only. */
static inline struct worker_profile *put_profile(uint32_t id, uint64_t version, unsigned idle_slots,
                                                 const char *more)
{
    char input[2048];
    struct reason why = { "" };
    struct profile *profile;
    struct worker_profile *put;
    json_t *json;
    char *text;

    (void)snprintf(input, sizeof(input),
                   "'servers': ['127.0.0.1:%u', '127.0.0.1:%u'],"
                   "'timeouts': {'connect': 5, 'greeting': 5, 'handshake': 5, 'command': 5}, %s",
                   peers[0]->port, peers[1]->port, more);
    profile = accept_profile(input_of("smtp", input), NULL, NULL);
    profile->id = id;
    profile->version = version;
    json = profile_to_json(profile, PROFILE_FORM_WORKER);
    text = json_dumps(json, JSON_COMPACT);
    cr_assert_eq(directory_put_profile(directory, text, strlen(text), &why), 0, "%s", why.text);
    free(text);
    json_decref(json);
    profile_free(&profile);
    put = directory_hold(directory, id);
    directory_release(put);
    set_slots(id, idle_slots);
    for (unsigned i = 0; i < PEERS; i++)
        lender_at(put, i)->limit = put->profile->max_connections;
    return put;
}

static inline struct worker_profile *put_version(uint64_t version, unsigned idle_slots,
                                                 const char *more)
{
    return put_profile(PROFILE, version, idle_slots, more);
}

#define POOLED "'pool': {'enabled': true}"

static inline void on_retired(struct worker_profile *profile, void *arg)
{
    (void)arg;
    smtp_pool_retire(pool, profile);
}

/* ---- what the master says ---- */

static inline void on_lease(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    if (pool != NULL)
        smtp_pool_lease(pool, payload);
}

static inline void on_reclaim(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    if (pool != NULL)
        smtp_pool_reclaim(pool, payload);
}

static inline void on_slots(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    if (pool != NULL)
        smtp_pool_slots(pool, payload);
}

static inline void on_slot_take(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    if (pool != NULL)
        smtp_pool_slot_take(pool, payload);
}

static inline void on_unwanted(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    if (pool != NULL)
        smtp_pool_unwanted(pool, payload);
}

static inline void on_server_bears(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    if (pool != NULL)
        smtp_pool_bears(pool, payload);
}

/* Whatever is to be told has been told after so many turns. */
static inline void turn_a_while(void)
{
    for (unsigned i = 0; i < 20; i++)
        loop_turn(loop, 0);
}

/* ---- life ---- */

static inline void open_channel(void)
{
    static channel_handler *const from_master[IPC_KIND_COUNT] = {
        [IPC_LEASE] = on_lease,         [IPC_LEASE_UNWANTED] = on_unwanted,
        [IPC_RECLAIM] = on_reclaim,     [IPC_SLOTS] = on_slots,
        [IPC_SLOT_TAKE] = on_slot_take, [IPC_SERVER_BEARS] = on_server_bears,
    };
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    channel = channel_new(loop, ends[0], IPC_WORKER, from_master, on_channel_end, NULL);
    open_master(loop, ends[1]);
}

static inline void world_setup(void)
{
    char uri[64];

    loop = loop_new();
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = peer_new(loop);
        (void)snprintf(uri, sizeof(uri), "smtp://127.0.0.1:%u", peers[i]->port);
        identities[i] = server_uri_identity(uri);
    }
    answer = calloc(1, sizeof(*answer) + sizeof(answer->addresses[0]));
    answer->holders = answer->count = 1;
    cr_assert_eq(address_parse("127.0.0.1", 1, &answer->addresses[0]), 0);
    open_channel();
    pool = smtp_pool_new(loop, channel, NULL);
    pool->tolerated_ms =
        5000; /* a busy machine may leave this process alone for a tenth of a second */
    directory = directory_new();
    directory_watch(directory, on_retired, NULL);
}

static inline void world_teardown(void)
{
    directory_free(&directory);
    smtp_pool_free(&pool);
    stream_free_closing();
    channel_free(&channel);
    channel_free(&master);
    cr_expect_eq(answer->holders, 1u, "whoever opened a connection let the answer go");
    resolver_answer_release(answer);
    for (unsigned i = 0; i < PEERS; i++)
        peer_free(&peers[i]);
    loop_free(loop);
}

#endif
