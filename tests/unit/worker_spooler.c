/* The spooler as the ingress sees it: what is answered is on the disk and can be read again. */
#include "spool_world.h"

#include "common/id.h"
#include "worker/disk.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

static struct world *world;
static struct segment_cache *cache;

static void setup(void)
{
    world = world_new("");
    cache = segment_cache_new(world->spool_dir, world->worker);
}

static void teardown(void)
{
    segment_cache_free(&cache);
    world_free(world);
}

TestSuite(spooler, .init = setup, .fini = teardown, .timeout = 60);

static void expect_message(const struct ipc_mail_queued *queued, unsigned number, size_t bytes)
{
    struct message *message = NULL;
    struct reason why = { "" };
    char *body = world_body(number, bytes);

    cr_assert_eq(message_open(cache, &queued->place, &message, &why), 0, "%s", why.text);
    cr_assert_eq(message->body_bytes, bytes);
    cr_assert_eq(memcmp(message->body, body, bytes), 0);
    cr_assert_eq(message->body_flags, BODY_8BIT);
    cr_assert_eq(message->longest_line, 77);
    cr_assert_str_eq(message->envelope->sender, "sender@example.com");
    cr_assert_eq(message->group->rule, queued->rule);
    cr_assert_eq(message->group->profile, queued->profile);
    cr_assert_eq(message->group->count, queued->recipients);
    cr_assert_eq(message->cell.stage, CELL_OPEN);
    message_free(&message);
    free(body);
}

Test(spooler, MQ02_a_message_is_told_and_can_be_read)
{
    uint64_t id;

    world_open(world, 3);
    id = world_submit(world, 1, 1000, 2);
    cr_assert_eq(world->done, 0, "not from inside the call");
    WORLD_WAIT(world, world->done == 1);
    WORLD_WAIT(world, world->queued_count == 2);
    cr_assert_eq(world->last_err, 0);
    cr_assert_eq(world->last_id, id);
    cr_assert_eq(id_slot(id), 3);
    for (unsigned i = 0; i < 2; i++) {
        const struct ipc_mail_queued *queued = &world->queued[i];

        cr_assert_eq(queued->place.id, id);
        cr_assert_eq(queued->place.slot, 3);
        cr_assert_eq(queued->place.group, i);
        cr_assert_eq(queued->rule, 7 + i);
        cr_assert_eq(queued->profile, 3 + i);
        cr_assert_eq(queued->recipients, 2 - i);
        cr_assert_eq(queued->body_bytes, 1000);
        cr_assert_eq(queued->flags, i == 1 ? IPC_QUEUED_LAST : 0);
        expect_message(queued, 1, 1000);
    }
}

Test(spooler, MQ02_messages_of_one_turn_share_one_sync)
{
    struct spooler_figures before, after;

    world_open(world, 0);
    world_submit(world, 0, 1000, 1);
    WORLD_WAIT(world, world->done == 1);
    spooler_figures(world->spooler, &before);
    for (unsigned i = 1; i <= 50; i++)
        world_submit(world, i, 100 + i, 1);
    WORLD_WAIT(world, world->done == 51);
    WORLD_WAIT(world, world->queued_count == 51);
    spooler_figures(world->spooler, &after);
    cr_assert_eq(after.messages - before.messages, 50);
    /* One for the batch, and those of the spare if it was not finished. */
    cr_assert_leq(after.syncs - before.syncs, 5);
    for (unsigned i = 1; i <= 50; i++)
        expect_message(&world->queued[i], i, 100 + i);
}

Test(spooler, segments_follow_each_other_and_are_sealed)
{
    world_open(world, 0);
    for (unsigned i = 0; i < 400; i++) {
        world_submit(world, i, 10000, 1);
        if (i % 20 == 0)
            world_turn(world);
    }
    WORLD_WAIT(world, world->done == 400);
    WORLD_WAIT(world, world->queued_count == 400);
    cr_assert_eq(world->stored, 400);
    cr_assert_geq(world->sealed_count, 3, "4 MB in segments of 1 MiB");
    for (unsigned i = 0; i < 400; i++)
        expect_message(&world->queued[i], i, 10000);
    /* A sealed segment gets no more, and is told after everything that is in it. */
    for (unsigned i = 1; i < world->sealed_count; i++)
        cr_assert_neq(world->sealed[i].segment, world->sealed[i - 1].segment);
}

Test(spooler, cells_run_out_before_bytes_do)
{
    world_open(world, 0);
    for (unsigned i = 0; i < 1100; i++)
        world_submit(world, i, 10, 1);
    WORLD_WAIT(world, world->queued_count == 1100);
    cr_assert_eq(world->sealed_count, 1, "1,024 cells in a segment of 1 MiB");
    cr_assert_neq(world->queued[1023].place.segment, world->queued[1024].place.segment);
    cr_assert_eq(world->queued[1024].place.cell, 0);
    expect_message(&world->queued[1024], 1024, 10);
}

Test(spooler, a_message_too_large_for_the_segment_gets_its_own)
{
    world_open(world, 0);
    world_submit(world, 5, 900000, 2);
    WORLD_WAIT(world, world->queued_count == 2);
    WORLD_WAIT(world, world->sealed_count == 1);
    cr_assert_eq(world->sealed[0].segment, world->queued[0].place.segment);
    expect_message(&world->queued[0], 5, 900000);
    expect_message(&world->queued[1], 5, 900000);
}

Test(spooler, an_envelope_beyond_the_limits_is_not_stored)
{
    struct envelope envelope = world_envelope(1);
    const struct spooler_body_facts facts = { 0 };
    char *sender = malloc(5000);

    memset(sender, 'x', 5000);
    sender[4999] = '\0';
    envelope.sender = sender;
    world_open(world, 0);
    cr_assert_eq(spooler_reserve(world->spooler, 10), 0);
    spooler_submit(world->spooler, spooler_next_id(world->spooler), &envelope, world_body(0, 10),
                   10, &facts, 10, world_on_done, world);
    cr_assert_eq(world->done, 0, "not from inside the call");
    WORLD_WAIT(world, world->done == 1);
    cr_assert_eq(world->last_err, -EINVAL);
    free(sender);
}

Test(spooler, OP02_a_second_one_in_the_slot_is_refused)
{
    struct spooler *second = NULL;
    struct reason why = { "" };

    world_open(world, 0);
    cr_assert_eq(spooler_new(world->loop, world->worker, world->conf, 0, &second, &why), -EBUSY);
    cr_assert_not_null(strstr(why.text, "lock"));
    cr_assert_eq(spooler_new(world->loop, world->worker, world->conf, 1, &second, &why), 0);
    spooler_free(&second);
}

Test(spooler, messages_not_yet_synced_are_cancelled_at_the_end)
{
    world_open(world, 0);
    for (unsigned i = 0; i < 10; i++)
        world_submit(world, i, 100, 1);
    spooler_free(&world->spooler); /* the turn that would have handed them over never ended */
    cr_assert_eq(world->done, 10);
    cr_assert_eq(world->stored, 0);
    cr_assert_eq(world->last_err, -ECANCELED);
}

struct noted {
    unsigned count;
    int err;
    struct cell_note_place place;
};

static void on_noted(int err, struct cell_note_place place, void *arg)
{
    struct noted *noted = arg;

    noted->count++;
    noted->err = err;
    noted->place = place;
}

Test(spooler, notes_are_stored_and_chained)
{
    static const char first[] = "{\"reply\":\"451 later\"}", second[] = "{\"reply\":\"250\"}";
    struct noted noted = { 0 };
    struct message_note note;
    struct reason why = { "" };
    char *huge = calloc(1, 1 << 20);

    world_open(world, 2);
    spooler_note(world->spooler, 42, 1, noted.place, first, sizeof(first) - 1, on_noted, &noted);
    WORLD_WAIT(world, noted.count == 1);
    cr_assert_eq(noted.err, 0);
    cr_assert_eq(noted.place.slot, 2);
    spooler_note(world->spooler, 42, 1, noted.place, second, sizeof(second) - 1, on_noted, &noted);
    WORLD_WAIT(world, noted.count == 2);
    cr_assert_eq(message_note_open(cache, noted.place, 42, 1, &note, &why), 0, "%s", why.text);
    cr_assert_eq(note.bytes, sizeof(second) - 1);
    cr_assert_eq(memcmp(note.text, second, note.bytes), 0);
    noted.place = note.previous;
    message_note_close(&note);
    cr_assert_eq(message_note_open(cache, noted.place, 42, 1, &note, &why), 0, "%s", why.text);
    cr_assert_eq(memcmp(note.text, first, note.bytes), 0);
    cr_assert_eq(note.previous.segment, 0);
    message_note_close(&note);
    cr_assert_eq(message_note_open(cache, noted.place, 42, 2, &note, &why), -EBADMSG);
    cr_assert_eq(message_note_open(cache, noted.place, 43, 1, &note, &why), -EBADMSG);
    spooler_note(world->spooler, 42, 1, noted.place, huge, 1 << 20, on_noted, &noted);
    WORLD_WAIT(world, noted.count == 3);
    cr_assert_eq(noted.err, -EMSGSIZE);
    cr_assert_eq(noted.place.segment, 0);
    free(huge);
}

Test(spooler, MQ01_memory_is_reserved_up_to_its_limit)
{
    unsigned held = 0;

    teardown();
    world = world_new("memory = 4M");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    while (spooler_reserve(world->spooler, 100000) == 0)
        held++;
    cr_assert_eq(held, (4 << 20) / 100000);
    cr_assert_eq(spooler_reserve(world->spooler, 100000), -ENOMEM);
    spooler_unreserve(world->spooler, 100000);
    cr_assert_eq(spooler_reserve(world->spooler, 100000), 0);
    while (held-- > 0)
        spooler_unreserve(world->spooler, 100000);
    /* A large message is written as it comes: it holds no more than a small one. */
    for (held = 0; spooler_reserve(world->spooler, 10 << 20) == 0; held++)
        ;
    cr_assert_eq(held, 4);
}

struct heard {
    unsigned count;
    bool has_credit;
};

static void on_credit_changed(bool has_credit, void *arg)
{
    struct heard *heard = arg;

    heard->count++;
    heard->has_credit = has_credit;
}

Test(spooler, credit_that_is_used_up_is_told_and_so_is_its_return)
{
    const unsigned whole = IPC_QUEUED_CREDIT / ENVELOPE_MAX_GROUPS;
    struct heard heard = { 0 };

    world_open(world, 0);
    spooler_watch_credit(world->spooler, on_credit_changed, &heard);
    for (unsigned i = 0; i < whole; i++)
        world_submit_wide(world, ENVELOPE_MAX_GROUPS);
    WORLD_WAIT(world, world->done == whole);
    cr_assert_eq(heard.count, 0, "there is some left");
    world_submit_wide(world, IPC_QUEUED_CREDIT % ENVELOPE_MAX_GROUPS);
    cr_assert_eq(spooler_reserve(world->spooler, 10), -EAGAIN);
    cr_assert_eq(heard.count, 0, "not from inside a call");
    world_turn(world);
    cr_assert_eq(heard.count, 1, "before the disk has answered");
    cr_assert_not(heard.has_credit);
    WORLD_WAIT(world, world->done == whole + 1);
    cr_assert_eq(heard.count, 1, "what is stored and not taken in still counts");
    spooler_credit(world->spooler, 1);
    world_turn(world);
    cr_assert_eq(heard.count, 2);
    cr_assert(heard.has_credit);
    cr_assert_eq(spooler_reserve(world->spooler, 10), 0);
    spooler_unreserve(world->spooler, 10);
    spooler_watch_credit(world->spooler, NULL, NULL);
    world_submit_wide(world, 1);
    WORLD_WAIT(world, world->done == whole + 2);
    cr_assert_eq(heard.count, 2, "nobody watches");
}

/* What the disk refused is no longer on its way to the master. */
Test(spooler, credit_of_messages_that_are_not_stored_returns)
{
    const unsigned whole = IPC_QUEUED_CREDIT / ENVELOPE_MAX_GROUPS;
    struct heard heard = { 0 };

    world_open(world, 0);
    spooler_watch_credit(world->spooler, on_credit_changed, &heard);
    for (unsigned i = 0; i < whole; i++)
        world_submit_wide(world, ENVELOPE_MAX_GROUPS);
    WORLD_WAIT(world, world->done == whole);
    world_submit_wide(world, ENVELOPE_MAX_GROUPS); /* more than is left: bounced */
    world_turn(world);
    WORLD_WAIT(world, world->done == whole + 1);
    cr_assert_eq(world->last_err, -EAGAIN);
    WORLD_WAIT(world, heard.count == 2);
    cr_assert(heard.has_credit);
}

Test(spooler, MQ07_what_is_to_be_kept_free_is_no_room)
{
    teardown();
    world = world_new("keep_free = 1048576G");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    cr_assert_eq(spooler_reserve(world->spooler, 100), -ENOSPC);
}

Test(spooler, MQ07_at_the_limit_mail_is_refused_and_intake_resumes_by_itself)
{
    unsigned stored;

    teardown();
    world = world_new("limit = 4M");
    cache = segment_cache_new(world->spool_dir, world->worker);
    world_open(world, 0);
    for (unsigned i = 0; spooler_reserve(world->spooler, 100000) == 0; i++) {
        cr_assert_lt(i, 40, "4 MiB are full");
        spooler_unreserve(world->spooler, 100000);
        world_submit(world, i, 100000, 1);
        WORLD_WAIT(world, world->done == i + 1);
    }
    stored = world->stored;
    cr_assert_geq(stored, 15);
    cr_assert_eq(spooler_reserve(world->spooler, 100000), -ENOSPC);
    cr_assert_geq(world->sealed_count, 1);
    /* Its mail was delivered. */
    for (unsigned i = 0; i < world->sealed_count; i++)
        spooler_segment_reuse(world->spooler, 0, world->sealed[i].segment);
    WORLD_WAIT(world, spooler_reserve(world->spooler, 100000) == 0);
    spooler_unreserve(world->spooler, 100000);
    world_submit(world, 999, 100000, 1);
    WORLD_WAIT(world, world->stored == stored + 1);
}
