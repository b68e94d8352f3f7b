/* Messages opened where they lie, and segments let go when the master says so. */
#include "spool_world.h"

#include <sys/mman.h>

#include "common/spool_format.h"
#include "common/spool_path.h"
#include "worker/body_work.h"
#include "worker/message.h"
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

TestSuite(message, .init = setup, .fini = teardown, .timeout = 60);

static struct ipc_place store(unsigned number, size_t bytes, unsigned groups)
{
    const unsigned before = world->queued_count;

    world_submit(world, number, bytes, groups);
    WORLD_WAIT(world, world->queued_count == before + groups);
    return world->queued[before].place;
}

static struct message *open_message(const struct ipc_place *place)
{
    struct message *message = NULL;
    struct reason why = { "" };

    cr_assert_eq(message_open(cache, place, &message, &why), 0, "%s", why.text);
    return message;
}

static void expect_refused(const struct ipc_place *place, int err)
{
    struct message *message = NULL;
    struct reason why = { "" };

    cr_assert_eq(message_open(cache, place, &message, &why), err, "%s", why.text);
    cr_assert_null(message);
    cr_assert_neq(why.text[0], '\0');
}

Test(message, only_the_very_message_is_opened)
{
    const struct ipc_place right = store(1, 500, 2);
    struct ipc_place place = right;
    struct message *message = open_message(&right);

    cr_assert_eq(message->group->count, 2);
    message_free(&message);
    place.segment = 999;
    expect_refused(&place, -ENOENT);
    place = right;
    place.slot = 99;
    expect_refused(&place, -ENOENT);
    place = right;
    place.id++;
    expect_refused(&place, -EBADMSG);
    place = right;
    place.group = 2;
    expect_refused(&place, -EBADMSG);
    place = right;
    place.cell++;
    expect_refused(&place, -EBADMSG);
    place = right;
    place.offset += 8;
    expect_refused(&place, -EBADMSG);
    place.offset = UINT64_MAX - 7;
    expect_refused(&place, -EBADMSG);
    place.offset = (1 << 20) - 8;
    expect_refused(&place, -EBADMSG);
}

Test(message, MQ03_what_was_recorded_is_read_by_the_next_holder)
{
    const struct ipc_place place = store(1, 500, 2);
    struct message *message = open_message(&place), *other;
    struct ipc_place second = place;

    message->cell.attempts = 2;
    message->cell.next_attempt_s = 777;
    cell_recipient_set(&message->cell, 1, CELL_RCPT_DELIVERED);
    cr_assert_eq(message_record(message), 0);
    message->cell.attempts = 3;
    cr_assert_eq(message_record(message), 0);
    spooler_state_touched(world->spooler, &message->place, message_state_fd(message));
    other = open_message(&place);
    cr_assert_eq(other->cell.attempts, 3);
    cr_assert_eq(other->cell.next_attempt_s, 777);
    cr_assert_eq(cell_recipient_get(&other->cell, 1), CELL_RCPT_DELIVERED);
    cr_assert_eq(other->cell_sequence, message->cell_sequence);
    message_free(&other);
    second.group++;
    second.cell++;
    other = open_message(&second);
    cr_assert_eq(other->cell.attempts, 0, "the other group is as it was");
    message_free(&other);
    message_free(&message);
}

Test(message, MQ03_touched_states_are_synced_within_a_second)
{
    const struct ipc_place place = store(1, 500, 1);
    struct message *message = open_message(&place);
    struct spooler_figures before, now;
    int64_t began_ms;

    /* Until nothing else syncs: the spare is made. */
    do {
        spooler_figures(world->spooler, &before);
        for (int64_t until_ms = clock_mono_ms() + 300; clock_mono_ms() < until_ms;)
            world_turn(world);
        spooler_figures(world->spooler, &now);
    } while (now.syncs != before.syncs);
    cr_assert_eq(message_record(message), 0);
    for (unsigned i = 0; i < 100; i++)
        spooler_state_touched(world->spooler, &message->place, message_state_fd(message));
    began_ms = clock_mono_ms();
    do {
        world_turn(world);
        spooler_figures(world->spooler, &now);
    } while (now.syncs == before.syncs && clock_mono_ms() - began_ms < 5000);
    cr_assert_eq(now.syncs, before.syncs + 1, "one for all that was written");
    cr_assert_leq(clock_mono_ms() - began_ms, 1000);
    message_free(&message);
}

Test(message, segments_are_shared_and_kept)
{
    const struct ipc_place a = store(1, 500, 1), b = store(2, 500, 1);
    struct message *first = open_message(&a), *second = open_message(&b);
    struct segment *held;

    cr_assert_eq(first->segment, second->segment);
    held = message_hold_segment(first);
    message_free(&first);
    message_free(&second);
    cr_assert_eq(memcmp((const char *)segment_data(held) + b.offset, "PSTNREC1", 8), 0);
    segment_release(held);
}

Test(message, a_segment_that_nobody_has_open_is_released_at_once)
{
    segment_cache_gone(cache, 3, 17);
    WORLD_WAIT(world, world->released_count == 1);
    cr_assert_eq(world->released[0].slot, 3);
    cr_assert_eq(world->released[0].segment, 17);
}

Test(message, a_segment_is_released_when_its_last_holder_lets_go)
{
    const struct ipc_place place = store(1, 500, 1);
    struct message *message = open_message(&place);
    struct segment *held = message_hold_segment(message);

    segment_cache_gone(cache, place.slot, place.segment);
    message_free(&message);
    for (unsigned i = 0; i < 10; i++)
        loop_turn(world->loop, 1);
    cr_assert_eq(world->released_count, 0);
    segment_release(held);
    WORLD_WAIT(world, world->released_count == 1);
    cr_assert_eq(world->released[0].segment, place.segment);
}

Test(message, an_idle_segment_is_let_go_when_it_is_gone)
{
    const struct ipc_place place = store(1, 500, 1);
    struct message *message = open_message(&place);

    message_free(&message);
    segment_cache_gone(cache, place.slot, place.segment);
    WORLD_WAIT(world, world->released_count == 1);
}

Test(message, a_new_life_of_the_file_is_seen_after_its_release)
{
    struct ipc_place old = store(0, 100000, 1), place = old;
    struct message *message = open_message(&old);
    unsigned number = 1;

    message_free(&message);
    while (place.segment == old.segment)
        place = store(number++, 100000, 1);
    WORLD_WAIT(world, world->sealed_count == 1);
    cr_assert_eq(world->sealed[0].segment, old.segment);
    segment_cache_gone(cache, 0, old.segment);
    WORLD_WAIT(world, world->released_count == 1);
    spooler_segment_reuse(world->spooler, 0, old.segment);
    do {
        place = store(number++, 100000, 1);
    } while (place.segment != old.segment);
    expect_refused(&old, -EBADMSG);
    message = open_message(&place);
    cr_assert_eq(message->body_bytes, 100000);
    message_free(&message);
}

Test(message, few_idle_segments_stay_mapped)
{
    struct segment *held[SEGMENT_CACHE_OPEN + 8];
    char from[160], to[160], number_name[SPOOL_NAME_SIZE];
    const struct ipc_place place = store(1, 100, 1);
    FILE *maps;
    char line[512];
    unsigned mapped = 0;

    for (unsigned i = 0; i < SEGMENT_CACHE_OPEN + 8; i++) { /* the same file under many numbers */
        static const enum spool_file files[] = { SPOOL_FILE_SEGMENT, SPOOL_FILE_STATE };

        for (unsigned f = 0; f < 2; f++) {
            snprintf(from, sizeof(from), "%s/0/%s", world->spool_dir,
                     spool_name(place.segment, files[f], number_name));
            snprintf(to, sizeof(to), "%s/0/%s", world->spool_dir,
                     spool_name(1000 + i, files[f], number_name));
            cr_assert_eq(link(from, to), 0);
        }
        cr_assert_eq(segment_hold(cache, 0, 1000 + i, &held[i], NULL), 0);
    }
    for (unsigned i = 0; i < SEGMENT_CACHE_OPEN + 8; i++)
        segment_release(held[i]);
    maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), maps) != NULL)
        mapped += strstr(line, ".seg") != NULL;
    fclose(maps);
    cr_assert_eq(mapped, SEGMENT_CACHE_OPEN);
}

Test(message, a_message_outlives_the_cache)
{
    const struct ipc_place place = store(1, 500, 1);
    struct message *message = open_message(&place);

    segment_cache_free(&cache);
    cr_assert_eq(message->body[0], 'S');
    message_free(&message);
}

/* ---- large bodies ---- */

struct looked {
    int err;
    unsigned calls;
    char why[100];
};

static void on_checked(int err, const char *why, void *arg)
{
    struct looked *looked = arg;

    looked->err = err;
    looked->calls++;
    (void)snprintf(looked->why, sizeof(looked->why), "%s", why);
}

static struct looked look_at(struct message *message, struct body_work *work)
{
    struct message_check *check = NULL;
    struct looked looked = { .err = -ECANCELED };
    struct reason why = { "" };

    cr_assert_eq(message_check(message, work, on_checked, &looked, &check, &why), 0, "%s",
                 why.text);
    cr_assert_eq(looked.calls, 0u, "never from inside the call");
    WORLD_WAIT(world, looked.calls > 0);
    return looked;
}

static void damage(const struct ipc_place *place, uint64_t offset)
{
    int fd = spool_open(world->spool_dir, place->slot, place->segment, SPOOL_FILE_SEGMENT, O_RDWR);
    char byte;

    cr_assert_eq(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

Test(message, a_large_body_is_looked_at_once_and_not_in_the_loop)
{
    const size_t bytes = (9U << 20) + 7; /* more than one piece */
    const struct ipc_place place = store(1, bytes, 2);
    struct ipc_place second = place;
    struct message *message = open_message(&place), *other;
    struct body_work *work = body_work_new(world->loop);

    second.group++;
    second.cell++;
    other = open_message(&second);
    cr_assert_not(message_is_checked(message));
    cr_assert_eq(look_at(message, work).err, 0);
    cr_assert(message_is_checked(message));
    cr_assert(message_is_checked(other), "the same body");
    segment_forget(message->body, message->body_bytes);
    cr_assert_eq(message->body[bytes / 2], other->body[bytes / 2], "it is there again");
    message_free(&message);
    message_free(&other);
    body_work_free(&work);
}

Test(message, a_large_body_that_is_damaged_is_found_out)
{
    const size_t bytes = 9U << 20;
    const struct ipc_place place = store(1, bytes, 1);
    struct body_work *work = body_work_new(world->loop);
    struct message *message;
    struct looked looked;

    damage(&place, place.offset + bytes);
    message = open_message(&place);
    looked = look_at(message, work);
    cr_assert_eq(looked.err, -EBADMSG);
    cr_assert_str_eq(looked.why, "the body is damaged");
    cr_assert_not(message_is_checked(message));
    message_free(&message);
    body_work_free(&work);
}

Test(message, a_look_that_is_cancelled_tells_nobody)
{
    const struct ipc_place place = store(1, 9U << 20, 1);
    struct body_work *work = body_work_new(world->loop);
    struct message *message = open_message(&place);
    struct message_check *check = NULL;
    struct looked looked = { 0 };

    cr_assert_eq(message_check(message, work, on_checked, &looked, &check, NULL), 0);
    message_check_cancel(&check);
    message_free(&message);
    body_work_free(&work);
    cr_assert_eq(looked.calls, 0u);
}
