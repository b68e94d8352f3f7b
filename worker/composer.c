#include "worker/composer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/channel.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/oom.h"
#include "worker/composition.h"
#include "worker/message.h"
#include "worker/read_ahead.h"
#include "worker/spooler.h"

#define PIECE_BYTES (64U << 10)

struct compose {
    TAILQ_ENTRY(compose) link; /* until the spooler has all of it */
    struct composer *composer; /* NULL: the spooler has all of it */
    struct channel *channel;   /* lives longer than the composer */
    uint64_t token, id;
    struct ipc_place place; /* of what is attached, id 0: nothing is */
    json_t *json;
    struct composition mail;
    struct composition_bytes bytes;
    struct read_ahead *read_ahead;
    struct message *attached;
    struct spooler_large *large;
    size_t at; /* of what is attached: written so far */
};

TAILQ_HEAD(compose_list, compose);

struct composer {
    struct channel *channel;
    const struct conf *conf;
    struct segment_cache *cache;
    struct spooler *spooler;
    struct compose_list list;
};

/* ---- the end of an order ---- */

static void let_go(struct compose *c)
{
    if (c->composer != NULL)
        TAILQ_REMOVE(&c->composer->list, c, link);
    c->composer = NULL;
    read_ahead_cancel(&c->read_ahead);
    if (c->large != NULL)
        spooler_large_abort(c->large);
    c->large = NULL;
    message_free(&c->attached);
    composition_bytes_done(&c->bytes);
    json_decref(c->json);
    c->json = NULL;
}

static void answer(struct compose *c, int err)
{
    const struct ipc_composed composed = { .token = c->token,
                                           .id = err == 0 ? c->id : 0,
                                           .err = err };

    if (err < 0)
        log_warning("composer", "mail of this gateway's own could not be stored",
                    LOG_STR("reason", strerror(-err)));
    let_go(c);
    channel_flush(c->channel); /* MAIL_QUEUED goes first */
    channel_send(c->channel, IPC_COMPOSED, &composed);
    free(c);
}

static void on_done(int err, uint64_t id, void *arg)
{
    struct compose *c = arg;

    if (err == 0)
        log_info("composer", "stored mail of this gateway's own", LOG_ID(id));
    answer(c, err);
}

/* ---- to the spooler ---- */

static struct spooler_body_facts facts_of(const struct compose *c)
{
    struct spooler_body_facts facts = { .longest_line = c->bytes.longest_line };

    if (c->attached == NULL)
        return facts;
    facts.flags = c->attached->body_flags & (BODY_LEADING_DOT | BODY_8BIT);
    if (c->attached->longest_line > facts.longest_line)
        facts.longest_line = c->attached->longest_line;
    return facts;
}

static size_t bytes_of(const struct compose *c)
{
    return c->bytes.head_bytes + (c->attached != NULL ? c->attached->body_bytes : 0) +
           c->bytes.tail_bytes;
}

/* It cannot fail from here on but in the spooler's words. */
static void submit_small(struct compose *c, const struct envelope *envelope)
{
    const struct spooler_body_facts facts = facts_of(c);
    const size_t bytes = bytes_of(c);
    struct spooler *spooler = c->composer->spooler;
    char *body = malloc(bytes), *p = body;

    if (body == NULL) {
        spooler_unreserve(spooler, bytes);
        answer(c, -ENOMEM);
        return;
    }
    p = mempcpy(p, c->bytes.head, c->bytes.head_bytes);
    if (c->attached != NULL) {
        p = mempcpy(p, c->attached->body, c->attached->body_bytes);
        memcpy(p, c->bytes.tail, c->bytes.tail_bytes);
    }
    spooler_submit(spooler, c->id, envelope, body, bytes, &facts, bytes, on_done, c);
    let_go(c);
}

/* Until the spooler wants to be waited for. */
static void copy_attached(struct compose *c)
{
    const struct spooler_body_facts facts = facts_of(c);

    while (c->at < c->attached->body_bytes) {
        const size_t left = c->attached->body_bytes - c->at,
                     piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        const bool has_room = spooler_large_write(c->large, c->attached->body + c->at, piece);

        c->at += piece;
        if (!has_room)
            return;
    }
    (void)spooler_large_write(c->large, c->bytes.tail, c->bytes.tail_bytes);
    spooler_large_commit(c->large, &facts);
    c->large = NULL;
    let_go(c);
}

static void on_room(void *arg)
{
    struct compose *c = arg;

    if (c->large != NULL)
        copy_attached(c);
}

static void submit_large(struct compose *c, const struct envelope *envelope)
{
    struct spooler *spooler = c->composer->spooler;

    c->large = spooler_large_begin(spooler, c->id, envelope, bytes_of(c), on_room, on_done, c);
    if (c->large == NULL) {
        spooler_unreserve(spooler, bytes_of(c));
        answer(c, -ENOMEM);
        return;
    }
    (void)spooler_large_write(c->large, c->bytes.head, c->bytes.head_bytes);
    copy_attached(c);
}

static void submit(struct compose *c)
{
    struct envelope_recipient recipients[COMPOSITION_MAX_RECIPIENTS] = { 0 };
    struct envelope_group group = { .rule = c->mail.rule,
                                    .profile = c->mail.profile,
                                    .count = (uint32_t)c->mail.recipient_count };
    const struct envelope envelope = { .sender = c->mail.sender,
                                       .client = "",
                                       .helo = "",
                                       .groups = &group,
                                       .recipients = recipients,
                                       .group_count = 1,
                                       .recipient_count = group.count };
    int err;

    for (uint32_t i = 0; i < group.count; i++)
        recipients[i].address = c->mail.recipients[i];
    err = spooler_reserve_own(c->composer->spooler, bytes_of(c));
    if (err < 0)
        answer(c, err);
    else if (bytes_of(c) <= SPOOLER_SMALL_BYTES)
        submit_small(c, &envelope);
    else
        submit_large(c, &envelope);
}

/* ---- building ---- */

static enum composition_attached kind_of(const struct message *attached)
{
    if (attached == NULL)
        return COMPOSITION_ALONE;
    return (attached->body_flags & BODY_8BIT) != 0 ? COMPOSITION_WITH_8BIT : COMPOSITION_WITH_7BIT;
}

static void build(struct compose *c)
{
    const struct composition_stamp stamp = { .id = c->id,
                                             .wall_ms = clock_wall_ms(),
                                             .hostname = c->composer->conf->top_hostname };
    int err = composition_write(&c->mail, &stamp, kind_of(c->attached), &c->bytes);

    if (err < 0)
        answer(c, err);
    else
        submit(c);
}

static void on_read(void *arg)
{
    struct compose *c = arg;
    struct reason why = { "" };
    int err;

    c->read_ahead = NULL;
    err = message_open(c->composer->cache, &c->place, &c->attached, &why);
    if (err < 0) {
        log_warning("composer", "cannot read the message that is to be attached",
                    LOG_ID(c->place.id), LOG_STR("reason", why.text));
        answer(c, err);
        return;
    }
    build(c);
}

/* ---- orders ---- */

static int read_order(struct compose *c, int fd)
{
    struct reason why = { "" };
    AUTO(free) char *text = NULL;
    size_t bytes;
    int err = memfd_read(fd, &text, &bytes);

    if (err < 0)
        return err;
    c->json = json_loadb(text, bytes, 0, NULL);
    if (c->json == NULL)
        return -EINVAL;
    err = composition_read(c->json, &c->mail, &why);
    if (err < 0)
        log_error("composer", "the master asks for mail that makes no sense",
                  LOG_STR("reason", why.text));
    return err;
}

void composer_order(struct composer *composer, const struct ipc_compose *order, int fd)
{
    struct compose *c = calloc(1, sizeof(*c));
    int err;

    if (c == NULL)
        oom_exit("composer", "an order"); /* the master waits for an answer: the end is one */
    *c = (struct compose){ .composer = composer,
                           .channel = composer->channel,
                           .token = order->token,
                           .place = order->attached };
    TAILQ_INSERT_TAIL(&composer->list, c, link);
    err = read_order(c, fd);
    close(fd);
    if (err < 0) {
        answer(c, err);
        return;
    }
    c->id = spooler_next_id(composer->spooler);
    if (c->place.id == 0) {
        build(c);
        return;
    }
    c->read_ahead = read_ahead_begin(composer->spooler, &c->place, on_read, c);
    if (c->read_ahead == NULL)
        answer(c, -ENOMEM);
}

/* ---- life ---- */

struct composer *composer_new(struct channel *channel, const struct conf *conf,
                              struct segment_cache *cache, struct spooler *spooler)
{
    struct composer *composer = calloc(1, sizeof(*composer));

    if (composer == NULL)
        return NULL;
    *composer =
        (struct composer){ .channel = channel, .conf = conf, .cache = cache, .spooler = spooler };
    TAILQ_INIT(&composer->list);
    return composer;
}

void composer_free(struct composer **composer)
{
    struct compose *c;

    if (*composer == NULL)
        return;
    while ((c = TAILQ_FIRST(&(*composer)->list)) != NULL)
        answer(c, -ECANCELED);
    free(*composer);
    *composer = NULL;
}
