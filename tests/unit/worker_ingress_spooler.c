/* From a client's lines to what delivery will read, through the real rules and the real spooler. */
#include "spool_world.h"

#include "common/log.h"
#include "tests/unit/ingress_client.h"
#include "worker/directory.h"
#include "worker/ingress/ingress.h"
#include "worker/message.h"
#include "worker/segment_cache.h"
#include "worker/stream.h"

static struct world *world;
static struct segment_cache *cache;
static struct directory *directory;
static struct ingress *ingress;
static struct client c;

static void turn(void)
{
    loop_turn(world->loop, 10);
}

static void setup(void)
{
    struct reason why = { "" };
    json_t *json = rule_set_to_json(&rules);
    char *text = json_dumps(json, 0);

    log_set_level(LOG_LEVEL_ERROR);
    world = world_new("");
    world_open(world, 5);
    free(world->conf->top_hostname);
    world->conf->top_hostname = strdup("gw.example");
    cache = segment_cache_new(world->spool_dir, world->worker);
    directory = directory_new();
    cr_assert_eq(directory_put_rules(directory, text, strlen(text), &why), 0, "%s", why.text);
    ingress = ingress_new(world->loop, world->conf, directory, world->spooler);
    cr_assert_eq(ingress_add_listener(ingress, 0, listen_anywhere()), 0);
    free(text);
    json_decref(json);
}

static void teardown(void)
{
    ingress_free(&ingress);
    directory_free(&directory);
    segment_cache_free(&cache);
    stream_free_closing();
    world_free(world);
}

TestSuite(ingress_spooler, .init = setup, .fini = teardown, .timeout = 60);

/* What of the stored body comes after our own line. */
static void expect_stored(unsigned index, const char *content, size_t bytes, const char *recipient)
{
    struct message *message = NULL;
    struct reason why = { "" };
    size_t ours;

    cr_assert_eq(message_open(cache, &world->queued[index].place, &message, &why), 0, "%s",
                 why.text);
    cr_assert_gt(message->body_bytes, bytes);
    ours = message->body_bytes - bytes;
    cr_assert_eq(memcmp(message->body + ours, content, bytes), 0);
    cr_assert_eq(strncmp(message->body, "Received: from client.example ([127.0.0.1])", 43), 0);
    cr_assert_eq(memcmp(message->body + ours - 2, "\r\n", 2), 0);
    cr_assert_str_eq(message->envelope->recipients[message->group->first].address, recipient);
    cr_assert_str_eq(message->envelope->helo, "client.example");
    cr_assert_str_eq(message->envelope->client, "127.0.0.1");
    message_free(&message);
}

Test(ingress_spooler, MQ02_what_was_answered_250_can_be_read_again)
{
    static const char content[] = "From: a\r\nTo: b\r\n\r\nhello\r\n.dot\r\n";
    struct ingress_figures figures;

    client_start(&c);
    say(&c, "MAIL FROM:<s@client.example>", "250 ");
    say(&c, "RCPT TO:<a@one.example>", "250 ");
    say(&c, "RCPT TO:<b@two.example>", "250 ");
    say(&c, "RCPT TO:<c@off.example>", "550 ");
    say(&c, "DATA", "354 ");
    client_send(&c, "From: a\r\nTo: b\r\n\r\nhello\r\n..dot\r\n.\r\n");
    client_expect(&c, "250 2.0.0 Ok: queued as ");
    UNTIL(world->queued_count == 2);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(world->queued[i].rule, 1 + i);
        cr_assert_eq(world->queued[i].profile, 11 + i);
        expect_stored(i, content, sizeof(content) - 1, i == 0 ? "a@one.example" : "b@two.example");
    }
    ingress_figures(ingress, &figures);
    cr_assert_eq(figures.messages, 1);
    cr_assert_eq(figures.bytes, sizeof(content) - 1);
    cr_assert_eq(figures.refused, 1, "a recipient");
    cr_assert_eq(figures.put_off, 0);
    client_close(&c);
}

/* Through a segment of its own, announced or not, at a disk's pace. */
Test(ingress_spooler, MQ02_large_messages_too)
{
    size_t bytes = 3000000;
    char *content = malloc(bytes + 4);

    memset(content, 'x', bytes);
    for (size_t i = 98; i < bytes; i += 100)
        memcpy(content + i, "\r\n", 2);
    memcpy(content, "A: b\r\n\r\n", 8);
    memcpy(content + bytes, ".\r\n", 4);
    client_start(&c);
    for (unsigned i = 0; i < 2; i++) {
        say(&c, i == 0 ? "MAIL FROM:<>" : "MAIL FROM:<> SIZE=3000000", "250 ");
        say(&c, "RCPT TO:<a@one.example>", "250 ");
        say(&c, "DATA", "354 ");
        client_send_bytes(&c, content, bytes + 3);
        client_expect(&c, "250 2.0.0 Ok: queued as ");
        UNTIL(world->queued_count == i + 1);
        expect_stored(i, content, bytes, "a@one.example");
    }
    client_close(&c);
    free(content);
}

Test(ingress_spooler, who_comes_while_the_master_does_not_follow_waits)
{
    const unsigned whole = IPC_QUEUED_CREDIT / ENVELOPE_MAX_GROUPS;
    struct ingress_figures figures;

    for (unsigned i = 0; i < whole; i++)
        world_submit_wide(world, ENVELOPE_MAX_GROUPS);
    world_submit_wide(world, IPC_QUEUED_CREDIT % ENVELOPE_MAX_GROUPS);
    UNTIL(world->done == whole + 1);
    client_connect(&c);
    for (unsigned i = 0; i < 20; i++)
        turn();
    ingress_figures(ingress, &figures);
    cr_assert_eq(figures.sessions, 0);
    spooler_credit(world->spooler, world->queued_count);
    client_expect(&c, "220 gw.example");
    say(&c, "EHLO client.example", "250-gw.example");
    client_data(&c);
    client_send(&c, "A: b\r\n\r\n.\r\n");
    client_expect(&c, "250 2.0.0");
    client_close(&c);
}

Test(ingress_spooler, MQ07_nothing_reserved_is_lost_on_the_way)
{
    static const char block[] =
        "0123456789012345678901234567890123456789012345678901234567890123\r\n";

    /* More than twice what the memory for bodies holds, half of it refused. */
    cr_assert_lt(world->conf->spool_memory, 600000000);
    world->conf->smtp_max_errors = 1000;
    client_start(&c);
    for (unsigned i = 0; i < 600; i++) {
        say(&c, "MAIL FROM:<> SIZE=1000000", "250 ");
        say(&c, "RCPT TO:<a@one.example>", "250 ");
        say(&c, "DATA", "354 ");
        client_send(&c, i % 2 == 0 ? "A: b\r\n\r\nbare\n" : "A: b\r\n\r\n");
        client_send(&c, block);
        client_send(&c, ".\r\n");
        client_expect(&c, i % 2 == 0 ? "550 5.6.0" : "250 2.0.0");
    }
    client_close(&c);
}
