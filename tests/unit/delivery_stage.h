/* tests/unit/delivery_stage.h: a worker's delivery between a real spool and scripted servers.
 *
 * A test stores a message, orders its delivery as the master would, and looks at the outcome, at
 * the group's cell as it lay on the disk when that outcome came, and at the note. Everything runs
 * in one loop, also the servers. Names have the addresses that the test gives them, when it does.
 * Included once per test executable. */
#ifndef TESTS_UNIT_DELIVERY_STAGE_H
#define TESTS_UNIT_DELIVERY_STAGE_H

static void stage_on_outcome(void *owner, const void *payload, int fd);
static void stage_on_failed(void *owner, const void *payload, int fd);
static void stage_on_noted(void *owner, const void *payload, int fd);
static void stage_on_connections(void *owner, const void *payload, int fd);
static void stage_on_lease_want(void *owner, const void *payload, int fd);
static void stage_on_lease_unwant(void *owner, const void *payload, int fd);
static void stage_on_lease_back(void *owner, const void *payload, int fd);
static void stage_on_lease(void *owner, const void *payload, int fd);
static void stage_on_slot_want(void *owner, const void *payload, int fd);
static void stage_on_slots(void *owner, const void *payload, int fd);
#define WORLD_MORE_AT_MASTER                                                          \
    [IPC_MAIL_OUTCOME] = stage_on_outcome, [IPC_SERVER_FAILED] = stage_on_failed,     \
    [IPC_MAIL_NOTED] = stage_on_noted, [IPC_CONNECTIONS] = stage_on_connections,      \
    [IPC_LEASE_WANT] = stage_on_lease_want, [IPC_LEASE_BACK] = stage_on_lease_back,   \
    [IPC_SLOT_WANT] = stage_on_slot_want, [IPC_LEASE_UNWANT] = stage_on_lease_unwant, \
    [IPC_SERVER_ENDED] = stage_on_connections
#define WORLD_MORE_AT_WORKER [IPC_LEASE] = stage_on_lease, [IPC_SLOTS] = stage_on_slots

#include "spool_world.h"

#include "common/cell.h"
#include "common/log.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "profile_helper.h"
#include "segment_builder.h"
#include "smtp_peer.h"
#include "worker/delivery.h"
#include "worker/directory.h"
#include "worker/note.h"
#include "worker/resolver.h"
#include "worker/segment_cache.h"
#include "worker/smtp/pool.h"
#include "worker/stream.h"

#define STAGE_PEERS    3
#define STAGE_RCPTS    128
#define STAGE_OUTCOMES 600
#define STAGE_FAILURES 600
#define STAGE_BODY     "Subject: x\r\n\r\nhello\r\n"

static struct {
    struct world *world;
    struct loop *loop; /* the world's */
    struct segment_cache *cache;
    struct directory *directory;
    struct smtp_pool *pool;
    struct delivery *delivery;
    struct peer *peers[STAGE_PEERS];
    char names[STAGE_RCPTS][32]; /* r0@example.net ... */
    char visits[64];             /* which peers were connected to, one digit each, in order */
    void (*on_line)(struct peer *peer, const char *line); /* what a peer hears; the test's */
    uint64_t job;
    bool is_incomplete; /* the profile, when it is put up next */
    unsigned drained;
    bool is_refusing;     /* leases */
    unsigned lease_limit; /* 0: none */
    unsigned leases, too_many;
    struct {
        struct ipc_mail_outcome said;
        struct cell cell; /* when it came */
    } outcomes[STAGE_OUTCOMES];
    unsigned outcome_count;
    struct {
        struct ipc_server_failed said;
        unsigned outcomes; /* that had come before it */
    } failures[STAGE_FAILURES];
    unsigned failure_count;
    struct ipc_mail_noted noted; /* the last of them */
    unsigned noted_count;
} stage;

/* ---- names ---- */

struct resolver_query { /* one at a time */
    resolver_done_cb *done;
    void *arg;
    bool is_open;
};

static struct resolver_query stage_query;

static struct resolver_answer *stage_answer(const char *const *addresses, unsigned count)
{
    struct resolver_answer *answer =
        calloc(1, sizeof(*answer) + count * sizeof(answer->addresses[0]));

    answer->holders = 1;
    answer->count = count;
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(address_parse(addresses[i], 1, &answer->addresses[i]), 0);
    return answer;
}

/* "nowhere.test" does not exist; every other name waits for stage_name_is(). */
int resolver_lookup(struct resolver *resolver, const char *host, resolver_done_cb *done, void *arg,
                    struct resolver_answer **ret_answer, struct resolver_query **ret_query,
                    struct reason *reterr_why)
{
    (void)resolver;
    if (host[0] >= '0' && host[0] <= '9') {
        *ret_answer = stage_answer(&host, 1);
        return 1;
    }
    if (strcmp(host, "nowhere.test") == 0)
        return reason_set(reterr_why, -ENOENT, "no such name");
    cr_assert_not(stage_query.is_open);
    stage_query = (struct resolver_query){ .done = done, .arg = arg, .is_open = true };
    *ret_query = &stage_query;
    return 0;
}

void resolver_cancel(struct resolver_query **query)
{
    if (*query != NULL)
        (*query)->is_open = false;
    *query = NULL;
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

/* The answer to what is being asked; `count` 0: there is none. */
static inline void stage_name_is(const char *const *addresses, unsigned count)
{
    struct resolver_answer *answer = count > 0 ? stage_answer(addresses, count) : NULL;

    cr_assert(stage_query.is_open);
    stage_query.is_open = false;
    stage_query.done(answer, count > 0 ? NULL : "no such name", stage_query.arg);
    resolver_answer_release(answer);
}

/* ---- what the disk says ---- */

/* The last write but `writes_back`: 0 or 1. */
static struct cell stage_cell_at(const struct ipc_place *place, unsigned writes_back)
{
    const char *folder = stage.world->spool_dir;
    struct cell_key key = { .id = place->id, .group = place->group };
    int segment = spool_open(folder, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    int state = spool_open(folder, place->slot, place->segment, SPOOL_FILE_STATE, O_RDONLY);
    unsigned char slots[CELL_BYTES];
    struct cell cell;
    uint16_t sequence;

    cr_assert_eq(spool_incarnation_of(segment, &key.incarnation), 0);
    cr_assert_eq(pread(state, slots, sizeof(slots), place->cell * CELL_BYTES), CELL_BYTES);
    close(segment);
    close(state);
    (void)cell_decode(slots, &key, &cell, &sequence);
    if (writes_back == 0)
        return cell;
    memset(slots + sequence % 2 * sizeof(slots) / 2, 0, sizeof(slots) / 2);
    (void)cell_decode(slots, &key, &cell, &sequence);
    return cell;
}

static struct cell stage_cell(const struct ipc_place *place)
{
    return stage_cell_at(place, 0);
}

/* As an order of the master does. */
static inline void stage_set_cell(const struct ipc_place *place, const struct cell *cell)
{
    const char *folder = stage.world->spool_dir;
    struct cell_key key = { .id = place->id, .group = place->group };
    int segment = spool_open(folder, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    int state = spool_open(folder, place->slot, place->segment, SPOOL_FILE_STATE, O_RDWR);
    struct cell before;
    uint16_t sequence;

    cr_assert_eq(spool_incarnation_of(segment, &key.incarnation), 0);
    cr_assert_eq(cell_read(state, place->cell, &key, &before, &sequence), 0);
    cr_assert_eq(cell_write(state, place->cell, &key, cell, &sequence), 0);
    close(segment);
    close(state);
}

/* The states of the first recipients: "o" open, "D" delivered, "R" refused, "E" expired. */
static inline const char *stage_states(const struct cell *cell, unsigned count)
{
    static char text[STAGE_RCPTS + 1];

    for (unsigned i = 0; i < count; i++)
        text[i] = "oDRE"[cell_recipient_get(cell, i)];
    text[count] = '\0';
    return text;
}

/* NULL: there is none. json_decref(). */
static inline json_t *stage_note(const struct ipc_place *place)
{
    const struct cell cell = stage_cell(place);

    return note_read(stage.cache, &cell.note, place->id, place->group);
}

/* ---- the master's end ---- */

static void stage_on_outcome(void *owner, const void *payload, int fd)
{
    struct ipc_mail_outcome *said = &stage.outcomes[stage.outcome_count].said;

    (void)owner;
    (void)fd;
    cr_assert_lt(stage.outcome_count, STAGE_OUTCOMES);
    memcpy(said, payload, sizeof(*said));
    stage.outcomes[stage.outcome_count++].cell = stage_cell(&said->place);
}

static void stage_on_failed(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    cr_assert_lt(stage.failure_count, STAGE_FAILURES);
    memcpy(&stage.failures[stage.failure_count].said, payload, sizeof(stage.failures[0].said));
    stage.failures[stage.failure_count++].outcomes = stage.outcome_count;
}

static void stage_on_noted(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    memcpy(&stage.noted, payload, sizeof(stage.noted));
    stage.noted_count++;
}

static void stage_on_connections(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
}

/* The master lends up to its limit, or to nobody at all. */
static void stage_on_lease_want(void *owner, const void *payload, int fd)
{
    const struct ipc_lease_want *want = payload;
    struct ipc_lease lease = { .server = want->server, .profile = want->profile };

    (void)owner;
    (void)fd;
    if (stage.is_refusing)
        lease.refused = want->count;
    while (!stage.is_refusing && lease.granted < want->count &&
           (stage.lease_limit == 0 || stage.leases < stage.lease_limit)) {
        lease.granted++;
        stage.leases++;
    }
    if (lease.granted + lease.refused > 0)
        channel_send(stage.world->master, IPC_LEASE, &lease);
}

/* What it has not granted it has forgotten. */
static void stage_on_lease_unwant(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
}

static void stage_on_lease_back(void *owner, const void *payload, int fd)
{
    const struct ipc_lease_back *back = payload;

    (void)owner;
    (void)fd;
    cr_assert_leq(back->count, stage.leases);
    stage.leases -= back->count;
    stage.too_many += back->too_many;
}

static void stage_on_lease(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    smtp_pool_lease(stage.pool, payload);
}

/* It has slots for everybody. */
static void stage_on_slot_want(void *owner, const void *payload, int fd)
{
    const struct ipc_slot_want *want = payload;
    const struct ipc_slots slots = { .profile = want->profile, .granted = want->count };

    (void)owner;
    (void)fd;
    channel_send(stage.world->master, IPC_SLOTS, &slots);
}

static void stage_on_slots(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    smtp_pool_slots(stage.pool, payload);
}

static inline void stage_on_drained(void *arg)
{
    (void)arg;
    stage.drained++;
}

/* ---- up and down ---- */

static void stage_on_line(struct peer *peer, const char *line)
{
    const size_t used = strlen(stage.visits);

    for (unsigned i = 0; i < STAGE_PEERS && strcmp(line, "(connected)") == 0; i++) {
        if (stage.peers[i] == peer && used + 1 < sizeof(stage.visits))
            stage.visits[used] = (char)('0' + i);
    }
    if (stage.on_line != NULL)
        stage.on_line(peer, line);
}

static void stage_on_retired(struct worker_profile *profile, void *arg)
{
    (void)arg;
    smtp_pool_retire(stage.pool, profile);
}

/* Without a resolver, and without what scans and uploads need. */
static inline struct delivery *stage_make_delivery(void)
{
    return delivery_new(&(struct delivery_parts){ .loop = stage.loop,
                                                  .channel = stage.world->worker,
                                                  .conf = stage.world->conf,
                                                  .directory = stage.directory,
                                                  .cache = stage.cache,
                                                  .spooler = stage.world->spooler,
                                                  .pool = stage.pool });
}

static inline void stage_up(void)
{
    log_set_level(LOG_LEVEL_ALERT);
    stage.world = world_new("");
    stage.loop = stage.world->loop;
    world_open(stage.world, 0);
    stage.cache = segment_cache_new(stage.world->spool_dir, stage.world->worker);
    stage.directory = directory_new();
    stage.pool = smtp_pool_new(stage.loop, stage.world->worker, NULL);
    directory_watch(stage.directory, stage_on_retired, NULL);
    stage.delivery = stage_make_delivery();
    cr_assert(stage.cache != NULL && stage.pool != NULL && stage.delivery != NULL);
    for (unsigned i = 0; i < STAGE_PEERS; i++) {
        stage.peers[i] = peer_new(stage.loop);
        stage.peers[i]->on_line = stage_on_line;
    }
    for (unsigned i = 0; i < STAGE_RCPTS; i++)
        snprintf(stage.names[i], sizeof(stage.names[i]), "r%u@example.net", i);
}

static inline void stage_down(void)
{
    delivery_free(&stage.delivery);
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        peer_free(&stage.peers[i]);
    directory_free(&stage.directory);
    smtp_pool_free(&stage.pool);
    stream_free_closing();
    spooler_free(&stage.world->spooler); /* notes that were under way are told of here */
    segment_cache_free(&stage.cache);
    world_free(stage.world);
    memset(&stage, 0, sizeof(stage)); /* a test may put up another */
}

/* ---- orders ---- */

/* Profile 3, version 1: the peers are its servers; `more` are other properties, or others' values.
 */
static inline void stage_profile(const char *more)
{
    json_t *input = input_of("smtp", "'timeouts': {'end_of_data': 1, 'command': 1}");
    json_t *servers = json_array(), *other, *json;
    struct profile *profile;
    struct reason why = { "" };
    char text[512], *record;

    for (unsigned i = 0; i < STAGE_PEERS; i++)
        json_array_append_new(servers, json_sprintf("127.0.0.1:%u", stage.peers[i]->port));
    json_object_set_new(input, "servers", servers);
    snprintf(text, sizeof(text), "{%s}", more);
    other = json_of(text);
    json_object_update(input, other);
    json_decref(other);
    profile = accept_profile(input, NULL, NULL);
    profile->id = 3;
    profile->version = 1;
    profile->incomplete = stage.is_incomplete;
    json = profile_to_json(profile, PROFILE_FORM_WORKER);
    record = json_dumps(json, 0);
    cr_assert_eq(directory_put_profile(stage.directory, record, strlen(record), &why), 0, "%s",
                 why.text);
    free(record);
    json_decref(json);
    profile_free(&profile);
}

/* Stores a message to r0, r1, ... */
static inline struct ipc_place stage_store_body(unsigned count, unsigned flags, const char *body)
{
    struct world *world = stage.world;
    const unsigned before = world->queued_count;
    const struct spooler_body_facts facts = { .flags = flags, .longest_line = 10 };
    struct envelope_recipient recipients[STAGE_RCPTS] = { 0 };
    struct envelope_group group = { .rule = 0, .profile = 3, .first = 0, .count = count };
    const struct envelope envelope = { .sender = "sender@example.com",
                                       .client = "192.0.2.1",
                                       .helo = "client.example",
                                       .groups = &group,
                                       .recipients = recipients,
                                       .group_count = 1,
                                       .recipient_count = count };
    const size_t bytes = strlen(body);

    for (unsigned i = 0; i < count; i++)
        recipients[i].address = stage.names[i];
    cr_assert_eq(spooler_reserve(world->spooler, bytes), 0);
    spooler_submit(world->spooler, spooler_next_id(world->spooler), &envelope, strdup(body), bytes,
                   &facts, bytes, world_on_done, world);
    WORLD_WAIT(world, world->queued_count == before + 1);
    return world->queued[before].place;
}

static inline struct ipc_place stage_store_flagged(unsigned count, unsigned flags)
{
    return stage_store_body(count, flags, STAGE_BODY);
}

static inline struct ipc_place stage_store(unsigned count)
{
    return stage_store_flagged(count, 0);
}

/* A message for r0 and r1 that was received so long ago, in slot 5. */
static inline struct ipc_place stage_store_old(int64_t seconds)
{
    static struct envelope_recipient recipients[2];
    static struct envelope_group group = { .rule = 0, .profile = 3, .first = 0, .count = 2 };
    const struct envelope envelope = { .sender = "sender@example.com",
                                       .client = "192.0.2.1",
                                       .helo = "client.example",
                                       .groups = &group,
                                       .recipients = recipients,
                                       .group_count = 1,
                                       .recipient_count = 2 };
    struct ipc_place place = { .id = 77, .slot = 5, .segment = 1 };
    struct segment_builder builder;

    recipients[0].address = stage.names[0];
    recipients[1].address = stage.names[1];
    builder_init(&builder, 1 << 16, 42);
    builder.received_ms = clock_wall_ms() - seconds * 1000;
    builder_begin_batch(&builder);
    place.offset = builder_add_message(&builder, 77, &envelope, STAGE_BODY, 21);
    builder_end_batch(&builder);
    builder_store(&builder, stage.world->spool_dir, 5);
    return place;
}

static inline struct ipc_mail_deliver stage_order(struct ipc_place place)
{
    return (struct ipc_mail_deliver){ .stage = STAGE_RELAY,
                                      .place = place,
                                      .job = ++stage.job,
                                      .version = 1,
                                      .profile = 3,
                                      .deadline_ms = 60000 };
}

static inline const struct ipc_mail_outcome *stage_wait(void)
{
    const unsigned before = stage.outcome_count;

    UNTIL(stage.loop, stage.outcome_count > before);
    return &stage.outcomes[before].said;
}

/* Delivers it, and returns the outcome. */
static inline const struct ipc_mail_outcome *stage_run(const struct ipc_mail_deliver *order)
{
    delivery_start(stage.delivery, order);
    return stage_wait();
}

static inline const struct ipc_mail_outcome *stage_deliver(struct ipc_place place)
{
    const struct ipc_mail_deliver order = stage_order(place);

    return stage_run(&order);
}

static inline const struct cell *stage_last_cell(void)
{
    return &stage.outcomes[stage.outcome_count - 1].cell;
}

static inline struct delivery_figures stage_figures(void)
{
    struct delivery_figures figures;

    delivery_figures(stage.delivery, &figures);
    return figures;
}

/* The peers are good again, and have heard nothing; nothing is left of earlier connections. */
static inline void stage_begin_again(void)
{
    for (unsigned i = 0; i < STAGE_PEERS; i++)
        peer_hang_up_all(stage.peers[i]);
    UNTIL(stage.loop, stage_figures().connections == 0);
    memset(stage.visits, 0, sizeof(stage.visits));
    for (unsigned i = 0; i < STAGE_PEERS; i++) {
        stage.peers[i]->rule_count = 0;
        stage.peers[i]->log[0] = '\0';
        stage.peers[i]->connections = stage.peers[i]->messages = 0;
    }
}

#endif
