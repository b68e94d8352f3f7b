/* Groups with more recipients than a cell has room for: none is written, and those that an older
 * build left behind are still found and opened, with everybody beyond the cell open. */
#include "spool_world.h"

#include "common/spool_path.h"
#include "segment_builder.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

#define MANY  300
#define BYTES (1U << 20)

static struct world *world;
static struct segment_cache *cache;
static struct envelope_recipient recipients[MANY];
static char names[MANY][32];
static struct envelope_group groups[2] = {
    { .rule = 7, .profile = 3, .first = 0, .count = MANY - 1 },
    { .rule = 8, .profile = 4, .first = MANY - 1, .count = 1 },
};
static struct envelope envelope = { .sender = "sender@example.com",
                                    .client = "192.0.2.1",
                                    .helo = "client.example",
                                    .groups = groups,
                                    .recipients = recipients,
                                    .group_count = 2,
                                    .recipient_count = MANY };

static void setup(void)
{
    world = world_new("");
    cache = segment_cache_new(world->spool_dir, world->worker);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "r%u@example.net", i);
        recipients[i].address = names[i];
    }
}

static void teardown(void)
{
    segment_cache_free(&cache);
    world_free(world);
}

TestSuite(big_group, .init = setup, .fini = teardown, .timeout = 60);

/* As an older build would have: it wrote groups of any size. */
static void write_older_segment(const struct cell *cell)
{
    const struct cell_key key = { .incarnation = 42, .id = 5, .group = 0 };
    struct segment_builder builder;
    uint16_t sequence = 0;
    int fd;

    builder_init(&builder, BYTES, key.incarnation);
    builder_begin_batch(&builder);
    builder_add_message(&builder, key.id, &envelope, "Subject: x\r\n\r\n", 14);
    builder_end_batch(&builder);
    builder_store(&builder, world->spool_dir, 0);
    fd = spool_open(world->spool_dir, 0, 1, SPOOL_FILE_STATE, O_RDWR);
    cr_assert_eq(cell_write(fd, 0, &key, cell, &sequence), 0);
    close(fd);
}

Test(big_group, MQ03_one_that_no_cell_has_room_for_is_never_written)
{
    const struct spooler_body_facts facts = { .longest_line = 10 };
    char *body = strdup("Subject: x\r\n\r\n");

    world_open(world, 0);
    cr_assert_eq(spooler_reserve(world->spooler, 14), 0);
    spooler_submit(world->spooler, spooler_next_id(world->spooler), &envelope, body, 14, &facts, 14,
                   world_on_done, world);
    WORLD_WAIT(world, world->done == 1);
    cr_assert_eq(world->last_err, -EINVAL);
    cr_assert_eq(world->queued_count, 0u);
}

Test(big_group, an_older_one_is_found_with_all_beyond_its_cell_open)
{
    struct cell cell = { .attempts = 2 };
    struct message *message = NULL;

    for (unsigned i = 0; i < CELL_RECIPIENTS; i++)
        cell_recipient_set(&cell, i, i == 17 ? CELL_RCPT_OPEN : CELL_RCPT_DELIVERED);
    write_older_segment(&cell);
    world_open(world, 0);
    spooler_rescan(world->spooler, 0);
    WORLD_WAIT(world, world->rescanned_count == 1 && world->queued_count == 2);
    cr_assert_eq(world->rescanned[0].damaged, 0u);
    cr_assert_eq(world->queued[0].attempts, 2u);
    cr_assert_eq(world->queued[0].recipients, 1 + MANY - 1 - CELL_RECIPIENTS);
    cr_assert_eq(world->queued[1].recipients, 1u);

    cr_assert_eq(message_open(cache, &world->queued[0].place, &message, NULL), 0);
    cr_assert_eq(message->group->count, MANY - 1);
    cr_assert_eq(cell_recipient_get(&message->cell, 16), CELL_RCPT_DELIVERED);
    cr_assert_eq(cell_recipient_get(&message->cell, 17), CELL_RCPT_OPEN);
    cr_assert_eq(cell_recipient_get(&message->cell, CELL_RECIPIENTS), CELL_RCPT_OPEN);
    message_free(&message);
}
