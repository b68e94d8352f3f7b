/* Orders for mail of the appliance's own: stored before they are answered, and read back. */
static void on_composed(void *owner, const void *payload, int fd);
#define WORLD_MORE_AT_MASTER [IPC_COMPOSED] = on_composed

#include "spool_world.h"

#include <jansson.h>

#include "common/log.h"
#include "common/memfd.h"
#include "worker/composer.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

static struct world *world;
static struct segment_cache *cache;
static struct composer *composer;
static struct ipc_composed answers[8];
static unsigned answer_count, queued_before_answer;

static void on_composed(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    queued_before_answer = world->queued_count;
    answers[answer_count++] = *(const struct ipc_composed *)payload;
}

static void begin(const char *more)
{
    log_set_level(LOG_LEVEL_ALERT);
    world = world_new(more);
    world_open(world, 0);
    cache = segment_cache_new(world->spool_dir, world->worker);
    composer = composer_new(world->worker, world->conf, cache, world->spooler);
    cr_assert(cache != NULL && composer != NULL);
}

static void setup(void)
{
    begin("");
}

static void teardown(void)
{
    composer_free(&composer);
    spooler_free(&world->spooler);
    segment_cache_free(&cache);
    world_free(world);
}

TestSuite(composer, .init = setup, .fini = teardown, .timeout = 60);

static void order_text(const char *text, const struct ipc_place *attached)
{
    struct ipc_compose order = { .token = 40 + answer_count };

    if (attached != NULL)
        order.attached = *attached;
    composer_order(composer, &order, memfd_seal("mail", text, strlen(text)));
}

static void order_mail(const struct ipc_place *attached)
{
    order_text("{\"sender\": \"\", \"from\": \"postern@gw.example\", \"profile\": 3, "
               "\"recipients\": [\"a@x.example\", \"b@x.example\"], \"subject\": \"s\", "
               "\"text\": \"See below.\\n\"}",
               attached);
}

static const struct ipc_composed *answer(void)
{
    const unsigned before = answer_count;

    WORLD_WAIT(world, answer_count > before);
    return &answers[before];
}

static struct message *open_last(void)
{
    struct message *message;
    struct reason why = { "" };

    cr_assert_eq(message_open(cache, &world->queued[world->queued_count - 1].place, &message, &why),
                 0, "%s", why.text);
    return message;
}

Test(composer, MQ02_stored_and_reported_before_it_is_answered)
{
    const struct ipc_mail_queued *queued = &world->queued[0];
    const struct ipc_composed *answered;
    struct message *message;

    order_mail(NULL);
    answered = answer();
    cr_assert_eq(answered->err, 0);
    cr_assert_eq(answered->token, 40u);
    cr_assert_eq(queued_before_answer, 1u);
    cr_assert_eq(answered->id, queued->place.id);
    cr_assert_eq(queued->rule, 0u);
    cr_assert_eq(queued->profile, 3u);
    cr_assert_eq(queued->recipients, 2u);
    cr_assert((queued->flags & IPC_QUEUED_OWN) != 0);
    message = open_last();
    cr_assert_str_eq(message->envelope->sender, "");
    cr_assert_str_eq(message->envelope->recipients[1].address, "b@x.example");
    cr_assert_eq(message->body_flags, 0u);
    cr_assert_not_null(memmem(message->body, message->body_bytes, "\r\n\r\nSee below.\r\n", 16));
    message_free(&message);
}

Test(composer, it_may_be_the_mail_of_a_rule)
{
    order_text("{\"sender\": \"s@x.example\", \"from\": \"s@x.example\", \"profile\": 3, "
               "\"rule\": 8, \"recipients\": [\"a@x.example\"], \"subject\": \"s\", "
               "\"text\": \"t\", \"file\": {\"name\": \"f.txt\", \"text\": \"inside\"}}",
               NULL);
    cr_assert_eq(answer()->err, 0);
    cr_assert_eq(world->queued[0].rule, 8u);
    cr_assert_eq(world->queued[0].profile, 3u);
    cr_assert((world->queued[0].flags & IPC_QUEUED_OWN) != 0);
}

Test(composer, mail_from_outside_is_not_its_own)
{
    world_submit(world, 1, 100, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    cr_assert_eq(world->queued[0].flags & IPC_QUEUED_OWN, 0);
}

Test(composer, MQ0A_a_scan_still_knows_that_it_is_its_own)
{
    order_mail(NULL);
    cr_assert_eq(answer()->err, 0);
    world_submit(world, 1, 100, 1);
    WORLD_WAIT(world, world->queued_count == 2);
    spooler_free(&world->spooler);
    composer_free(&composer);
    world_open(world, 0);
    world->queued_count = 0;
    spooler_rescan(world->spooler, 0);
    WORLD_WAIT(world, world->rescanned_count == 1);
    cr_assert_eq(world->queued_count, 2u);
    cr_assert((world->queued[0].flags & IPC_QUEUED_OWN) != 0);
    cr_assert_eq(world->queued[1].flags & IPC_QUEUED_OWN, 0);
}

/* The stored message stands in it byte for byte. */
static void check_attached(const char *body, size_t bytes)
{
    struct message *message = open_last();
    const char *found = memmem(message->body, message->body_bytes, body, bytes);

    cr_assert_not_null(found);
    cr_assert_eq(memcmp(found + bytes, "\r\n--=_postern_", 14), 0);
    cr_assert_eq(memcmp(message->body + message->body_bytes - 4, "--\r\n", 4), 0);
    cr_assert_eq(message->body_flags, BODY_8BIT);
    message_free(&message);
}

static void forward(size_t bytes)
{
    char *body = world_body(9, bytes);

    world_submit(world, 9, bytes, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    order_mail(&world->queued[0].place);
    cr_assert_eq(answer()->err, 0);
    cr_assert_eq(world->queued_count, 2u);
    check_attached(body, bytes);
    free(body);
}

Test(composer, a_small_message_is_attached)
{
    forward(5000);
}

Test(composer, a_message_that_gets_large_by_what_is_added)
{
    forward(SPOOLER_SMALL_BYTES - 100);
}

Test(composer, a_large_message_is_attached_piece_by_piece)
{
    forward((size_t)9 << 20);
}

Test(composer, what_cannot_be_read_is_not_attached)
{
    struct ipc_place place;

    world_submit(world, 1, 100, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    place = world->queued[0].place;
    place.id++;
    order_mail(&place);
    cr_assert_eq(answer()->err, -EBADMSG);
    place.segment = 999;
    order_mail(&place);
    cr_assert_eq(answer()->err, -ENOENT);
    cr_assert_eq(world->queued_count, 1u);
}

Test(composer, what_makes_no_sense_is_refused)
{
    order_text("{\"sender\": \"\", \"from\": \"a@x\\r\\nBcc: v@x\", \"profile\": 3, "
               "\"recipients\": [\"a@x\"], \"subject\": \"s\", \"text\": \"t\"}",
               NULL);
    cr_assert_eq(answer()->err, -EINVAL);
    order_text("no JSON", NULL);
    cr_assert_eq(answer()->err, -EINVAL);
    cr_assert_eq(world->queued_count, 0u);
}

/* As much as there is, in such pieces; returns how many. */
static unsigned fill(size_t bytes)
{
    unsigned count = 0;

    while (spooler_reserve(world->spooler, bytes) == 0)
        count++;
    return count;
}

static void empty(size_t bytes, unsigned count)
{
    while (count-- > 0)
        spooler_unreserve(world->spooler, bytes);
}

TestSuite(composer_room, .fini = teardown, .timeout = 60);

Test(composer_room, MQ0A_when_mail_from_outside_has_no_memory)
{
    unsigned reserved;

    begin("memory = 1M");
    reserved = fill(16384);
    order_mail(NULL);
    cr_assert_eq(answer()->err, 0);
    cr_assert_eq(spooler_reserve(world->spooler, 1), -ENOMEM);
    empty(16384, reserved);
}

/* A spool of two small segments: what others have to leave free for emptying is enough. */
Test(composer_room, MQ0A_on_a_disk_that_is_full_for_others)
{
    unsigned reserved, small;

    begin("limit = 3M");
    world_submit(world, 1, 100, 1); /* the first segment is there */
    WORLD_WAIT(world, world->queued_count == 1);
    reserved = fill(30000);
    small = fill(1);
    cr_assert_eq(spooler_reserve(world->spooler, 1), -ENOSPC);
    order_mail(NULL);
    cr_assert_eq(answer()->err, 0);
    cr_assert_eq(spooler_reserve(world->spooler, 1), -ENOSPC);
    empty(30000, reserved);
    empty(1, small);
}

Test(composer, the_end_answers_what_is_under_way)
{
    struct ipc_place place;

    world_submit(world, 9, (size_t)9 << 20, 1);
    WORLD_WAIT(world, world->queued_count == 1);
    place = world->queued[0].place;
    order_mail(&place); /* is being read */
    composer_free(&composer);
    WORLD_WAIT(world, answer_count == 1);
    cr_assert_eq(answers[0].err, -ECANCELED);
    cr_assert_eq(answers[0].id, 0u);
}

Test(composer, the_spooler_still_answers_when_the_composer_is_gone)
{
    order_mail(NULL); /* the spooler has it */
    composer_free(&composer);
    WORLD_WAIT(world, answer_count == 1);
    cr_assert_eq(answers[0].err, 0);
    cr_assert_eq(world->queued_count, 1u);
}
