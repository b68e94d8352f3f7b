/* Old messages are in memory before the loop reads them where they lie. */
#include "spool_world.h"

#include <sys/mman.h>

#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/message.h"
#include "worker/read_ahead.h"
#include "worker/segment_cache.h"

static struct world *world;
static struct segment_cache *cache;

static void setup(void)
{
    world = world_new("");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
}

static void teardown(void)
{
    segment_cache_free(&cache);
    world_free(world);
}

TestSuite(read_ahead, .init = setup, .fini = teardown, .timeout = 60);

static struct ipc_place store(size_t bytes)
{
    world_submit(world, 1, bytes, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    return world->queued[0].place;
}

static void on_note(int err, struct cell_note_place place, void *arg)
{
    cr_assert_eq(err, 0);
    *(struct cell_note_place *)arg = place;
}

/* A note of 100,000 bytes, in the message's cell. */
static struct cell_note_place add_note(const struct ipc_place *place)
{
    static char text[100000];
    struct cell_note_place at = { 0 };
    struct message *message = NULL;

    memset(text, 'n', sizeof(text));
    spooler_note(world->spooler, place->id, place->group, at, text, sizeof(text), on_note, &at);
    WORLD_WAIT(world, at.segment != 0);
    cr_assert_eq(message_open(cache, place, &message, NULL), 0);
    message->cell.note = at;
    cr_assert_eq(message_record(message), 0);
    message_free(&message);
    return at;
}

/* Forgets the segment, as a restart and other work would. */
static void forget(uint32_t segment)
{
    int fd;

    segment_cache_free(&cache);
    cache = segment_cache_new(world->spool_dir, world->worker);
    fd = spool_open(world->spool_dir, 0, segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    cr_assert_eq(fdatasync(fd), 0);
    cr_assert_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

/* Pages of the range that are not in memory. */
static unsigned missing(uint32_t segment, uint64_t from, uint64_t end)
{
    static unsigned char pages[1024];
    int fd = spool_open(world->spool_dir, 0, segment, SPOOL_FILE_SEGMENT, O_RDONLY);
    void *data = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
    unsigned count = 0;

    cr_assert_neq(data, MAP_FAILED);
    cr_assert_eq(mincore(data, 1 << 20, pages), 0);
    for (uint64_t page = from / SPOOL_BLOCK; page <= (end - 1) / SPOOL_BLOCK; page++)
        count += (pages[page] & 1) == 0;
    munmap(data, 1 << 20);
    close(fd);
    return count;
}

static void on_done(void *arg)
{
    (*(unsigned *)arg)++;
}

Test(read_ahead, record_and_note_are_in_memory_when_it_is_done)
{
    const struct ipc_place place = store(300000);
    const struct cell_note_place note = add_note(&place);
    const uint64_t note_at = (uint64_t)note.offset * SPOOL_ALIGN;
    unsigned done = 0;

    forget(place.segment);
    cr_assert_gt(missing(place.segment, place.offset, place.offset + 300000), 0,
                 "a file system that keeps everything in memory proves nothing");
    cr_assert_not_null(read_ahead_begin(world->spooler, &place, on_done, &done));
    cr_assert_eq(done, 0, "never from inside the call");
    WORLD_WAIT(world, done == 1);
    cr_assert_eq(missing(place.segment, place.offset, place.offset + 300000), 0);
    cr_assert_eq(missing(place.segment, note_at, note_at + 100000), 0);
}

Test(read_ahead, what_cannot_be_read_is_done_as_well)
{
    struct ipc_place place = store(1000);
    unsigned done = 0;

    place.segment = 999;
    cr_assert_not_null(read_ahead_begin(world->spooler, &place, on_done, &done));
    WORLD_WAIT(world, done == 1);
    place = world->queued[0].place;
    place.offset = UINT64_MAX - 7;
    cr_assert_not_null(read_ahead_begin(world->spooler, &place, on_done, &done));
    WORLD_WAIT(world, done == 2);
}

Test(read_ahead, what_is_cancelled_is_not_told)
{
    const struct ipc_place place = store(1000);
    unsigned done = 0, cancelled = 0;
    struct read_ahead *ahead = read_ahead_begin(world->spooler, &place, on_done, &cancelled);

    read_ahead_cancel(&ahead);
    cr_assert_null(ahead);
    cr_assert_not_null(read_ahead_begin(world->spooler, &place, on_done, &done));
    WORLD_WAIT(world, done == 1); /* they come back in order */
    cr_assert_eq(cancelled, 0);
}
