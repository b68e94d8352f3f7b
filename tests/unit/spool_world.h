/* What the tests of the spool share: a temporary state directory, a loop, and a channel whose other
 * end writes down what the worker would tell its master. WORLD_MORE_AT_MASTER may be defined
 * before: more handlers for that end. */
#ifndef TESTS_UNIT_SPOOL_WORLD_H
#define TESTS_UNIT_SPOOL_WORLD_H

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/loop.h"
#include "worker/spooler.h"

#define WORLD_QUEUED_MAX   70000
#define WORLD_SEGMENTS_MAX 256
#define WORLD_MOVED_MAX    4096

struct world {
    char state_dir[64], spool_dir[80];
    struct loop *loop;
    struct channel *worker, *master;
    struct conf *conf;
    struct spooler *spooler;

    struct ipc_mail_queued queued[WORLD_QUEUED_MAX];
    unsigned queued_count;
    struct ipc_segment_sealed sealed[WORLD_SEGMENTS_MAX];
    struct ipc_segment released[WORLD_SEGMENTS_MAX];
    unsigned sealed_count, released_count;
    struct ipc_rescanned rescanned[8];
    unsigned rescanned_count;
    struct ipc_mail_moved moved[WORLD_MOVED_MAX];
    unsigned moved_count;
    struct ipc_segment_compacted compacted;
    unsigned compacted_count;

    unsigned done, stored;
    int last_err;
    uint64_t last_id;
};

static void world_on_queued(void *owner, const void *payload, int fd)
{
    struct world *world = owner;

    (void)fd;
    cr_assert_lt(world->queued_count, WORLD_QUEUED_MAX);
    memcpy(&world->queued[world->queued_count++], payload, sizeof(struct ipc_mail_queued));
}

static void world_on_sealed(void *owner, const void *payload, int fd)
{
    struct world *world = owner;

    (void)fd;
    memcpy(&world->sealed[world->sealed_count++ % WORLD_SEGMENTS_MAX], payload,
           sizeof(struct ipc_segment_sealed));
}

static void world_on_released(void *owner, const void *payload, int fd)
{
    struct world *world = owner;

    (void)fd;
    memcpy(&world->released[world->released_count++ % WORLD_SEGMENTS_MAX], payload,
           sizeof(struct ipc_segment));
}

static void world_on_rescanned(void *owner, const void *payload, int fd)
{
    struct world *world = owner;

    (void)fd;
    memcpy(&world->rescanned[world->rescanned_count++ % 8], payload, sizeof(struct ipc_rescanned));
}

static void world_on_moved(void *owner, const void *payload, int fd)
{
    struct world *world = owner;

    (void)fd;
    cr_assert_lt(world->moved_count, WORLD_MOVED_MAX);
    memcpy(&world->moved[world->moved_count++], payload, sizeof(struct ipc_mail_moved));
}

static void world_on_compacted(void *owner, const void *payload, int fd)
{
    struct world *world = owner;

    (void)fd;
    world->compacted = *(const struct ipc_segment_compacted *)payload;
    world->compacted_count++;
}

static void world_on_end(void *owner, int err)
{
    (void)owner;
    cr_assert_eq(err, 0, "a broken channel");
}

#ifndef WORLD_MORE_AT_MASTER
#define WORLD_MORE_AT_MASTER [0] = NULL
#endif

static channel_handler *const world_at_master[IPC_KIND_COUNT] = {
    [IPC_MAIL_QUEUED] = world_on_queued,
    [IPC_SEGMENT_SEALED] = world_on_sealed,
    [IPC_SEGMENT_RELEASED] = world_on_released,
    [IPC_MAIL_MOVED] = world_on_moved,
    [IPC_SEGMENT_COMPACTED] = world_on_compacted,
    [IPC_RESCANNED] = world_on_rescanned,
    WORLD_MORE_AT_MASTER,
};

#ifndef WORLD_MORE_AT_WORKER
#define WORLD_MORE_AT_WORKER [0] = NULL
#endif

static channel_handler *const world_at_worker[IPC_KIND_COUNT] = { WORLD_MORE_AT_WORKER };

static inline void world_connect(struct world *world)
{
    int raw[2];

    world->loop = loop_new();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, raw), 0);
    world->master =
        channel_new(world->loop, raw[0], IPC_MASTER, world_at_master, world_on_end, world);
    world->worker =
        channel_new(world->loop, raw[1], IPC_WORKER, world_at_worker, world_on_end, world);
}

/* `more` are further lines of the configuration's spool section. */
static inline struct world *world_new(const char *more)
{
    struct world *world = calloc(1, sizeof(*world));
    struct reason why = { "" };
    char text[512];

    strcpy(world->state_dir, "/tmp/postern-spool.XXXXXX");
    cr_assert_not_null(mkdtemp(world->state_dir));
    snprintf(world->spool_dir, sizeof(world->spool_dir), "%s/spool", world->state_dir);
    snprintf(text, sizeof(text),
             "state_dir = \"%s\"\nspool { segment_size = 1M\n keep_free = 0\n %s }\n",
             world->state_dir, more);
    cr_assert_eq(conf_parse(text, "test", &world->conf, &why), 0, "%s", why.text);
    world_connect(world);
    return world;
}

static inline void world_open(struct world *world, unsigned slot)
{
    struct reason why = { "" };

    cr_assert_eq(spooler_new(world->loop, world->worker, world->conf, slot, &world->spooler, &why),
                 0, "%s", why.text);
}

static inline void world_turn(struct world *world)
{
    loop_turn(world->loop, 10);
}

#define WORLD_WAIT(world, condition)                        \
    do {                                                    \
        int64_t until_ms_ = clock_mono_ms() + 20000;        \
        while (!(condition) && clock_mono_ms() < until_ms_) \
            world_turn(world);                              \
        cr_assert(condition);                               \
    } while (0)

static inline void world_remove_folder(const char *path)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    cr_assert_eq(system(command), 0);
}

static inline void world_free(struct world *world)
{
    spooler_free(&world->spooler);
    channel_free(&world->worker);
    channel_free(&world->master);
    loop_free(world->loop);
    conf_free(&world->conf);
    world_remove_folder(world->state_dir);
    free(world);
}

/* ---- messages ---- */

static struct envelope_group world_groups[] = {
    { .rule = 7, .profile = 3, .first = 0, .count = 2 },
    { .rule = 8, .profile = 4, .first = 2, .count = 1 }
};
static struct envelope_recipient world_recipients[] = { { .address = "a@example.net" },
                                                        { .address = "b@example.net" },
                                                        { .address = "c@example.org" } };

static inline struct envelope world_envelope(unsigned groups)
{
    return (struct envelope){ .sender = "sender@example.com",
                              .client = "192.0.2.1",
                              .helo = "client.example",
                              .groups = world_groups,
                              .recipients = world_recipients,
                              .group_count = groups,
                              .recipient_count = groups == 1 ? 2 : 3 };
}

static inline void world_on_done(int err, uint64_t id, void *arg)
{
    struct world *world = arg;

    world->done++;
    world->stored += err == 0;
    world->last_err = err;
    world->last_id = id;
}

/* A body that can be told from every other: its first line has the number. */
static inline char *world_body(unsigned number, size_t bytes)
{
    char *body = malloc(bytes + 64);

    memset(body, 'x', bytes);
    for (size_t at = 77; at + 2 < bytes; at += 79)
        memcpy(body + at, "\r\n", 2);
    snprintf(body, 32, "Subject: number %010u\r", number);
    body[27] = '\n';
    return body;
}

static inline uint64_t world_submit(struct world *world, unsigned number, size_t bytes,
                                    unsigned groups)
{
    const struct envelope envelope = world_envelope(groups);
    const struct spooler_body_facts facts = { .flags = BODY_8BIT, .longest_line = 77 };
    const uint64_t id = spooler_next_id(world->spooler);

    cr_assert_eq(spooler_reserve(world->spooler, bytes), 0);
    spooler_submit(world->spooler, id, &envelope, world_body(number, bytes), bytes, &facts, bytes,
                   world_on_done, world);
    return id;
}

/* A small message under many rules: uses up credit in no time. */
static inline void world_submit_wide(struct world *world, unsigned groups)
{
    static struct envelope_group group_list[ENVELOPE_MAX_GROUPS];
    static struct envelope_recipient recipients[ENVELOPE_MAX_GROUPS];
    struct envelope envelope = world_envelope(1);
    const struct spooler_body_facts facts = { 0 };

    for (unsigned i = 0; i < groups; i++) {
        group_list[i] = (struct envelope_group){ .rule = 1, .profile = 1, .first = i, .count = 1 };
        recipients[i].address = "someone@example.net";
    }
    envelope.groups = group_list;
    envelope.recipients = recipients;
    envelope.group_count = envelope.recipient_count = groups;
    cr_assert_eq(spooler_reserve(world->spooler, 10), 0);
    spooler_submit(world->spooler, spooler_next_id(world->spooler), &envelope, world_body(0, 10),
                   10, &facts, 10, world_on_done, world);
}

#endif
