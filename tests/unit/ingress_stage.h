/* tests/unit/ingress_stage.h: a whole SMTP server over real loopback sockets, with a spooler that
 * does what the test says in place of the real one. Included once per test executable. */
#ifndef TESTS_UNIT_INGRESS_STAGE_H
#define TESTS_UNIT_INGRESS_STAGE_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/conf.h"
#include "common/log.h"
#include "common/loop.h"
#include "tests/unit/ingress_client.h"
#include "worker/directory.h"
#include "worker/ingress/ingress.h"
#include "worker/spooler.h"
#include "worker/stream.h"

/* ---- the spooler ---- */

#define STORED_MAX 64
#define OVERHEAD   1000 /* of each reservation: one message has one */

struct stored {
    uint64_t id;
    char *body;
    size_t bytes;
    struct spooler_body_facts facts;
    char envelope[512]; /* "sender > 1/11: a@x b@x; 2/12: c@y" */
    char client[64], helo[64];
    bool is_large;
};

struct spooler_large {
    struct stored message;
    spooler_room_cb *on_room;
    spooler_done_cb *done;
    void *arg;
    size_t reserved;
};

struct spooler {
    size_t reserved; /* given out and not yet back */
    uint64_t last_id;
    int reserve_err, done_err;
    bool is_holding;  /* `done` waits until it is not */
    bool has_no_room; /* spooler_large_write() says false */
    unsigned aborted, writes;
    struct {
        spooler_done_cb *done;
        void *arg;
        uint64_t id;
        size_t reserved;
    } waiting[STORED_MAX];
    unsigned waiting_count;
    struct stored stored[STORED_MAX];
    unsigned stored_count;
    struct spooler_large *open_large;
    spooler_credit_cb *credit_changed;
    void *credit_arg;
};

static struct spooler fake;

void spooler_watch_credit(struct spooler *spooler, spooler_credit_cb *changed, void *arg)
{
    spooler->credit_changed = changed;
    spooler->credit_arg = arg;
}

int spooler_reserve(struct spooler *spooler, size_t bytes)
{
    if (spooler->reserve_err != 0)
        return spooler->reserve_err;
    spooler->reserved += bytes + OVERHEAD;
    return 0;
}

void spooler_unreserve(struct spooler *spooler, size_t bytes)
{
    cr_assert_geq(spooler->reserved, bytes + OVERHEAD);
    spooler->reserved -= bytes + OVERHEAD;
}

uint64_t spooler_next_id(struct spooler *spooler)
{
    return ++spooler->last_id;
}

static void note_envelope(const struct envelope *envelope, struct stored *message)
{
    char *out = message->envelope;
    size_t room = sizeof(message->envelope), used;

    used = (size_t)snprintf(out, room, "%s >", envelope->sender);
    for (uint32_t g = 0; g < envelope->group_count; g++) {
        const struct envelope_group *group = &envelope->groups[g];

        used += (size_t)snprintf(out + used, room - used, "%s %u/%u:", g > 0 ? ";" : "",
                                 group->rule, group->profile);
        for (uint32_t i = group->first; i < group->first + group->count; i++)
            used +=
                (size_t)snprintf(out + used, room - used, " %s", envelope->recipients[i].address);
        cr_assert_lt(used, room);
    }
    snprintf(message->client, sizeof(message->client), "%s", envelope->client);
    snprintf(message->helo, sizeof(message->helo), "%s", envelope->helo);
}

static void store(struct stored *message, spooler_done_cb *done, void *arg, size_t reserved)
{
    unsigned n = fake.waiting_count++;

    cr_assert_lt(fake.stored_count, STORED_MAX);
    fake.stored[fake.stored_count++] = *message;
    fake.waiting[n].done = done;
    fake.waiting[n].arg = arg;
    fake.waiting[n].id = message->id;
    fake.waiting[n].reserved = reserved;
}

void spooler_submit(struct spooler *spooler, uint64_t id, const struct envelope *envelope,
                    char *body, size_t bytes, const struct spooler_body_facts *facts,
                    size_t reserved, spooler_done_cb *done, void *arg)
{
    struct stored message = { .id = id, .body = body, .bytes = bytes, .facts = *facts };

    (void)spooler;
    cr_assert_leq(bytes, SPOOLER_SMALL_BYTES);
    cr_assert_geq(reserved, bytes, "every byte of it was reserved");
    note_envelope(envelope, &message);
    store(&message, done, arg, reserved);
}

struct spooler_large *spooler_large_begin(struct spooler *spooler, uint64_t id,
                                          const struct envelope *envelope, size_t reserved,
                                          spooler_room_cb *on_room, spooler_done_cb *done,
                                          void *arg)
{
    struct spooler_large *large = calloc(1, sizeof(*large));

    large->message.id = id;
    large->message.is_large = true;
    note_envelope(envelope, &large->message);
    large->on_room = on_room;
    large->done = done;
    large->arg = arg;
    large->reserved = reserved;
    spooler->open_large = large;
    return large;
}

bool spooler_large_write(struct spooler_large *large, const void *data, size_t bytes)
{
    struct stored *message = &large->message;

    message->body = realloc(message->body, message->bytes + bytes);
    memcpy(message->body + message->bytes, data, bytes);
    message->bytes += bytes;
    cr_assert_leq(message->bytes, large->reserved, "room on the disk was reserved");
    fake.writes++;
    return !fake.has_no_room;
}

void spooler_large_commit(struct spooler_large *large, const struct spooler_body_facts *facts)
{
    large->message.facts = *facts;
    store(&large->message, large->done, large->arg, large->reserved);
    fake.open_large = NULL;
    free(large);
}

void spooler_large_abort(struct spooler_large *large)
{
    fake.aborted++;
    fake.open_large = NULL;
    fake.reserved -= large->reserved + OVERHEAD;
    free(large->message.body);
    free(large);
}

/* What the sync thread would report. */
static void fake_run(void)
{
    while (fake.waiting_count > 0 && !fake.is_holding) {
        unsigned n = --fake.waiting_count;

        fake.reserved -= fake.waiting[n].reserved + OVERHEAD;
        fake.waiting[n].done(fake.done_err, fake.waiting[n].id, fake.waiting[n].arg);
    }
}

/* ---- the rules ---- */

const struct rule_set *directory_rules(const struct directory *directory)
{
    (void)directory;
    return &rules;
}

/* ---- the stage ---- */

static struct loop *loop;
static struct conf *conf;
static struct ingress *ingress;
static int listener;

static void stage_up(void)
{
    struct reason why = { "" };

    log_set_level(LOG_LEVEL_ERROR);
    loop = loop_new();
    cr_assert_eq(conf_parse("hostname = \"gw.example\"\nsmtp { max_message_size = 8M }\n", "test",
                            &conf, &why),
                 0, "%s", why.text);
    ingress = ingress_new(loop, conf, NULL, &fake);
    cr_assert_not_null(ingress);
    listener = listen_anywhere();
    cr_assert_eq(ingress_add_listener(ingress, 7, listener), 0);
}

static void forget_stored(void)
{
    for (unsigned i = 0; i < fake.stored_count; i++)
        free(fake.stored[i].body);
    fake.stored_count = 0;
}

static void stage_down(void)
{
    ingress_free(&ingress);
    fake.is_holding = false;
    fake_run();
    cr_assert_eq(fake.reserved, 0, "%zu bytes of room were never given back", fake.reserved);
    cr_assert_null(fake.open_large);
    forget_stored();
    stream_free_closing();
    conf_free(&conf);
    loop_free(loop);
}

static void turn(void)
{
    loop_turn(loop, 1);
    fake_run();
}

static uint32_t connections(void)
{
    struct ingress_figures figures;

    ingress_figures(ingress, &figures);
    return figures.connections;
}

#endif
