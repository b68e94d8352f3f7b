/* A spool of which one segment is sealed, and what is done to move mail out of it. */
#ifndef TESTS_UNIT_COMPACTION_STAGE_H
#define TESTS_UNIT_COMPACTION_STAGE_H

#include "spool_world.h"

#include "common/memfd.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/disk.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

#define SMALL 3000

static struct world *world;
static struct segment_cache *cache;

static inline void setup(void)
{
    world = world_new("");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
}

static inline void teardown(void)
{
#if POSTERN_HOOKS
    disk_set_fault(NULL);
#endif
    segment_cache_free(&cache);
    world_free(world);
}

/* ---- what the tests do ---- */

static inline void store(unsigned count, size_t bytes, unsigned groups)
{
    const unsigned before = world->done, queued = world->queued_count;

    for (unsigned i = 0; i < count; i++)
        world_submit(world, before + i, bytes, groups);
    WORLD_WAIT(world, world->queued_count == queued + count * groups);
}

/* Fills the segment at hand, so that it is sealed. */
static inline void seal_first(void)
{
    while (world->sealed_count == 0)
        store(20, 30000, 1);
    cr_assert_eq(world->sealed[0].segment, world->queued[0].place.segment);
}

static inline struct message *open_at(const struct ipc_place *place)
{
    struct message *message = NULL;
    struct reason why = { "" };

    cr_assert_eq(message_open(cache, place, &message, &why), 0, "%s", why.text);
    return message;
}

static inline void set_cell(const struct ipc_place *place, const struct cell *cell)
{
    struct message *message = open_at(place);

    message->cell = *cell;
    cr_assert_eq(message_record(message), 0);
    message_free(&message);
}

static inline struct cell cell_at(const struct ipc_place *place)
{
    struct message *message = open_at(place);
    struct cell cell = message->cell;

    message_free(&message);
    return cell;
}

static inline void on_note(int err, struct cell_note_place place, void *arg)
{
    struct cell_note_place *out = arg;

    cr_assert_eq(err, 0);
    *out = place;
}

static inline void add_note(const struct ipc_place *place, const char *text)
{
    struct cell cell = cell_at(place);
    static struct cell_note_place at;

    at = (struct cell_note_place){ 0 };
    spooler_note(world->spooler, place->id, place->group, cell.note, text, strlen(text), on_note,
                 &at);
    WORLD_WAIT(world, at.segment != 0);
    cell.note = at;
    set_cell(place, &cell);
}

static inline void expect_note(const struct ipc_place *place, const char *text)
{
    const struct cell cell = cell_at(place);
    struct message_note note;
    struct reason why = { "" };

    cr_assert_eq(message_note_open(cache, cell.note, place->id, place->group, &note, &why), 0, "%s",
                 why.text);
    cr_assert_eq(note.bytes, strlen(text));
    cr_assert_eq(memcmp(note.text, text, note.bytes), 0);
    message_note_close(&note);
}

static inline void expect_message(const struct ipc_place *place, unsigned number, size_t bytes)
{
    struct message *message = open_at(place);
    char *body = world_body(number, bytes);

    cr_assert_eq(message->body_bytes, bytes);
    cr_assert_eq(memcmp(message->body, body, bytes), 0);
    cr_assert_str_eq(message->envelope->sender, "sender@example.com");
    cr_assert_str_eq(message->envelope->client, "192.0.2.1");
    cr_assert_eq(message->body_flags, BODY_8BIT);
    cr_assert_eq(message->longest_line, 77);
    message_free(&message);
    free(body);
}

static inline void begin(const struct ipc_place *places, unsigned count)
{
    const struct ipc_segment_compact order = { .slot = 0,
                                               .segment = world->sealed[0].segment,
                                               .count = count };

    spooler_compact(world->spooler, &order, memfd_seal("places", places, count * sizeof(*places)));
}

static inline void compact(const struct ipc_place *places, unsigned count)
{
    const unsigned before = world->compacted_count;

    begin(places, count);
    WORLD_WAIT(world, world->compacted_count == before + 1);
}

static inline const struct ipc_mail_moved *find_moved(uint64_t id, unsigned group)
{
    for (unsigned i = 0; i < world->moved_count; i++) {
        if (world->moved[i].from.id == id && world->moved[i].from.group == group)
            return &world->moved[i];
    }
    return NULL;
}

static inline void restart(void)
{
    const unsigned before = world->rescanned_count;

    segment_cache_free(&cache);
    spooler_free(&world->spooler);
    world_turn(world);
    world->queued_count = world->sealed_count = 0;
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    spooler_rescan(world->spooler, 0);
    WORLD_WAIT(world, world->rescanned_count == before + 1);
    WORLD_WAIT(world, world->queued_count == world->rescanned[before % 8].groups);
}

static inline unsigned times_reported(uint64_t id, unsigned group)
{
    unsigned times = 0;

    for (unsigned i = 0; i < world->queued_count; i++)
        times += world->queued[i].place.id == id && world->queued[i].place.group == group;
    return times;
}

#endif
