/* worker/ingress/content.c: the message under way: room for it, its bytes, and what became of it.
 *
 *   reserve --> collect in memory --> end of data --> spooler_submit ------> done: 250, 451, 452
 *                     | beyond SPOOLER_SMALL_BYTES, announced or not              ^
 *                     +--> spooler_large_begin, _write ... --> _commit -----------+
 *
 * Refused content is read to its end, in no more memory than a line of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/hook.h"
#include "common/id.h"
#include "common/log.h"
#include "worker/ingress/collector.h"
#include "worker/ingress/ingress_private.h"
#include "worker/ingress/received.h"
#include "worker/spooler.h"
#include "worker/stream.h"

#define FIRST_ROOM  (16U << 10) /* most messages; more is asked for as it comes */
#define WINDOW_ROOM (64U << 10) /* what of a large message is in memory at a time */

struct content {
    struct collector collector;
    struct spooler_large *large; /* NULL: collected in memory */
    size_t reserved;             /* of the spooler, not yet handed on */
    uint64_t id;
    bool is_large; /* will be, or is, more than SPOOLER_SMALL_BYTES */
};

static void on_done(int err, uint64_t id, void *arg);
static void on_room(void *arg);

/* ---- room ---- */

static void give_room_back(struct session *s)
{
    struct content *content = s->content;

    if (content->reserved > 0)
        spooler_unreserve(s->ingress->spooler, content->reserved);
    content->reserved = 0;
    free(content->collector.out);
    content->collector.out = NULL;
    content->collector.out_room = content->collector.out_bytes = 0;
}

void session_drop_content(struct session *s)
{
    struct content *content = s->content;

    if (content == NULL)
        return;
    s->content = NULL;
    s->is_waiting = false;
    if (content->large != NULL)
        spooler_large_abort(content->large);
    if (content->reserved > 0)
        spooler_unreserve(s->ingress->spooler, content->reserved);
    free(content->collector.out);
    free(content);
}

static int enlarge(struct session *s, size_t room)
{
    struct content *content = s->content;
    char *grown;

    if (!content->is_large) { /* one message has one reservation, which is replaced */
        int err = spooler_reserve(s->ingress->spooler, room);

        if (err < 0)
            return err;
        if (content->reserved > 0)
            spooler_unreserve(s->ingress->spooler, content->reserved);
        content->reserved = room;
    }
    grown = realloc(content->collector.out, room);
    if (grown == NULL)
        return -ENOMEM;
    content->collector.out = grown;
    content->collector.out_room = room;
    return 0;
}

static const char *refusal_of_reserve(int err)
{
    if (err == -ENOMEM || err == -ENOSPC || err == -EDQUOT)
        return "452 4.3.1 No room for another message now, try later";
    return "451 4.3.0 No messages can be taken now, try later";
}

static void write_received(struct session *s)
{
    struct content *content = s->content;
    struct collector *c = &content->collector;
    struct received received = {
        .helo = s->helo,
        .client = s->client_text,
        .hostname = s->ingress->conf->top_hostname,
        .is_esmtp = s->is_esmtp,
        .is_secured = s->is_secured,
        .id = content->id,
        .wall_ms = clock_wall_ms(),
    };

    if (!s->ingress->conf->smtp_received_header)
        return;
    if (s->transaction.recipient_count == 1 &&
        strlen(transaction_recipient(&s->transaction, 0)) <= RECEIVED_PART_MAX)
        received.recipient = transaction_recipient(&s->transaction, 0);
    c->out_bytes = c->header_at = received_write(&received, c->out);
}

/* Room for what was announced, or for what most messages need. */
static int reserve_first(struct session *s)
{
    struct content *content = s->content;
    size_t declared = (size_t)s->transaction.declared_bytes + RECEIVED_MAX;
    int err;

    if (declared <= SPOOLER_SMALL_BYTES)
        return enlarge(s, declared > FIRST_ROOM ? declared : FIRST_ROOM);
    content->is_large = true;
    err = spooler_reserve(s->ingress->spooler, declared);
    if (err < 0)
        return err;
    content->reserved = declared;
    return enlarge(s, WINDOW_ROOM);
}

bool session_begin_content(struct session *s)
{
    const struct conf *conf = s->ingress->conf;
    int err = -ENOMEM;

    s->content = calloc(1, sizeof(*s->content));
    if (s->content != NULL) {
        collector_init(&s->content->collector, (uint64_t)conf->smtp_max_message_size,
                       (unsigned)conf->smtp_max_hops);
        err = reserve_first(s);
    }
    if (err < 0) {
        session_drop_content(s);
        session_refuse_mail(s, NULL, refusal_of_reserve(err));
        return false;
    }
    s->content->id = spooler_next_id(s->ingress->spooler);
    write_received(s);
    return true;
}

/* ---- content ---- */

static int make_envelope(struct session *s, struct envelope *ret_envelope)
{
    *ret_envelope = (struct envelope){ .client = s->client_text, .helo = s->helo };
    return transaction_envelope(&s->transaction, ret_envelope);
}

/* The header is complete, so nothing that was collected will change any more. */
static int begin_large(struct session *s)
{
    struct content *content = s->content;
    struct envelope envelope;
    int err = make_envelope(s, &envelope);

    if (err < 0)
        return err;
    if (!content->is_large) { /* it was not announced: room on the disk is known to be needed now */
        size_t most = (size_t)s->ingress->conf->smtp_max_message_size + RECEIVED_MAX;

        spooler_unreserve(s->ingress->spooler, content->reserved);
        content->reserved = 0;
        err = spooler_reserve(s->ingress->spooler, most);
        if (err == 0)
            content->reserved = most;
        content->is_large = true;
    }
    if (err == 0) {
        content->large = spooler_large_begin(s->ingress->spooler, content->id, &envelope,
                                             content->reserved, on_room, on_done, s);
        err = content->large != NULL ? 0 : -ENOMEM;
    }
    if (err == 0)
        content->reserved = 0;
    free(envelope.groups);
    return err;
}

/* Hands the window on. Returns whether there is room for more just now. */
static bool write_large(struct content *content)
{
    struct collector *c = &content->collector;
    bool has_room = true;

    if (c->out_bytes > 0)
        has_room = spooler_large_write(content->large, c->out, c->out_bytes);
    c->out_bytes = c->header_at = 0;
    return has_room;
}

/* Makes room in the collector's buffer, one way or the other. Returns false when the spooler wants
 * to be waited for. */
static bool make_room(struct session *s)
{
    struct content *content = s->content;
    struct collector *c = &content->collector;
    int err = 0;

    if (content->large != NULL)
        return write_large(content);
    if ((content->is_large || c->out_room == SPOOLER_SMALL_BYTES) && c->is_past_header) {
        err = begin_large(s);
        if (err == 0)
            return write_large(content);
    } else if (c->out_room == SPOOLER_SMALL_BYTES) {
        collector_refuse(c, COLLECTOR_HEADER_TOO_BIG);
    } else {
        size_t room = c->out_room > FIRST_ROOM ? c->out_room * 2 : (size_t)2 * FIRST_ROOM;

        err = enlarge(s, room < SPOOLER_SMALL_BYTES ? room : SPOOLER_SMALL_BYTES);
    }
    if (err < 0)
        collector_refuse(c, COLLECTOR_NO_ROOM);
    return true;
}

/* As soon as it is clear that it will not be kept. */
static void stop_keeping(struct session *s)
{
    struct content *content = s->content;

    if (content->large != NULL)
        spooler_large_abort(content->large);
    content->large = NULL;
    give_room_back(s);
}

static const char *refusal_of_fault(enum collector_fault fault)
{
    static const char *const refusals[COLLECTOR_FAULT_COUNT] = {
        [COLLECTOR_BARE_CR_LF] = "550 5.6.0 Bare CR or bare LF in the message (RFC 5321, 2.3.8)",
        [COLLECTOR_NUL] = "550 5.6.0 NUL in the message",
        [COLLECTOR_TOO_BIG] = "552 5.3.4 Message too big",
        [COLLECTOR_HEADER_TOO_BIG] = "552 5.3.4 Header of the message too big",
        [COLLECTOR_HOPS] = "554 5.4.6 Too many Received lines: a mail loop",
        [COLLECTOR_NO_ROOM] = "452 4.3.1 No room for this message now, try later",
    };

    return refusals[fault];
}

static const char *refusal_of_store(int err)
{
    if (err == -ENOSPC || err == -EDQUOT)
        return "452 4.3.1 No room for this message now, try later";
    return "451 4.3.0 Message could not be stored, try later";
}

/* The end of the data was seen: to the spooler, or back to the client. */
static enum session_state end_content(struct session *s)
{
    struct content *content = s->content;
    struct collector *c = &content->collector;
    struct spooler_body_facts facts = { .flags = c->flags, .longest_line = c->longest_line };
    struct envelope envelope;

    if (c->fault == COLLECTOR_FINE && content->large == NULL && make_envelope(s, &envelope) < 0)
        collector_refuse(c, COLLECTOR_NO_ROOM);
    if (c->fault != COLLECTOR_FINE) {
        session_refuse_mail(s, NULL, refusal_of_fault(c->fault));
        return SESSION_READY;
    }
    hook_message("receive", c->out, c->out_bytes);
    s->is_storing = true;
    if (content->large != NULL) {
        (void)write_large(content);
        spooler_large_commit(content->large, &facts);
        content->large = NULL;
        return SESSION_STORING;
    }
    spooler_submit(s->ingress->spooler, content->id, &envelope, c->out, c->out_bytes, &facts,
                   content->reserved, on_done, s);
    content->reserved = 0;
    c->out = NULL;
    free(envelope.groups);
    return SESSION_STORING;
}

bool session_take_content(struct session *s, enum session_state *ret_next)
{
    struct evbuffer *in = stream_input(s->stream);
    struct collector *c = &s->content->collector;
    size_t bytes;

    while (!s->is_waiting && (bytes = evbuffer_get_contiguous_space(in)) > 0) {
        const char *data = (const char *)evbuffer_pullup(in, (ev_ssize_t)bytes);
        size_t taken;
        enum collector_result result = collector_feed(c, data, bytes, &taken);

        evbuffer_drain(in, taken);
        if (c->fault != COLLECTOR_FINE && c->out != NULL)
            stop_keeping(s);
        if (result == COLLECTOR_END) {
            *ret_next = end_content(s);
            return true;
        }
        if (result == COLLECTOR_FULL && !make_room(s)) {
            s->is_waiting = true;
            stream_pause(s->stream);
        }
    }
    return false;
}

/* ---- what the spooler calls ---- */

static void on_room(void *arg)
{
    struct session *s = arg;

    if (!s->is_waiting)
        return;
    s->is_waiting = false;
    stream_resume(s->stream);
    session_move_on(s, SESSION_BODY);
}

static void log_accepted(struct session *s, uint64_t id)
{
    const struct collector *c = &s->content->collector;

    log_info("ingress", "accepted", LOG_ID(id), LOG_STR("client", s->client_text),
             LOG_STR("helo", s->helo), LOG_STR("from", transaction_sender(&s->transaction)),
             LOG_INT("size", (int64_t)c->bytes), LOG_INT("rcpts", s->transaction.recipient_count));
}

static void on_done(int err, uint64_t id, void *arg)
{
    struct session *s = arg;
    enum session_state next = SESSION_READY;
    char text[ID_TEXT_SIZE];

    s->is_storing = false;
    if (s->state == SESSION_STORING && s->ingress->is_master_gone) {
        /* Nothing is promised any more; the client will come again. */
    } else if (s->state == SESSION_STORING && err == 0) {
        s->messages++;
        s->ingress->figures.messages++;
        s->ingress->figures.bytes += s->content->collector.bytes;
        log_accepted(s, id);
        session_replyf(s, "250 2.0.0 Ok: queued as %s", id_text(id, text));
    } else if (s->state == SESSION_STORING) {
        session_refuse_mail(s, id_text(id, text), refusal_of_store(err));
    } else if (err == 0) {
        if (s->ingress != NULL)
            s->ingress->figures.messages++;
        log_info("ingress", "accepted, but the client left before it was told", LOG_ID(id),
                 LOG_STR("client", s->client_text));
    }
    if (s->ingress != NULL && s->ingress->is_draining) {
        session_reply(s, INGRESS_SHUTTING_DOWN);
        next = SESSION_CLOSED;
    }
    session_move_on(s, next);
}
