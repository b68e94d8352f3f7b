/* worker/smtp/transaction.c: MAIL to the end of data. Read rows[] first.
 *
 * A reply handler returns the next state; go() is the only place that moves; finish() the only one
 * that ends. What a reply means is not decided here but in outcome.c. */
#include "worker/smtp/transaction.h"

#include <string.h>

#include <event2/buffer.h>

#include "common/log.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/transaction_send.h"
#include "worker/spooler.h"

/*   [RSET ->] MAIL -> RCPT (once per recipient) -> DATA -> BODY -> END -> OVER
 *                                                   |
 *             nobody accepted, and still a 354:     +-> EMPTY -> OVER            */
enum state { OVER, RSET, MAIL, RCPT, DATA, BODY, END, EMPTY, STATE_COUNT };

static void go(struct smtp_transaction *t, enum state next);

/* ---- ending ---- */

/* How the session is after this: in step, or in the middle of something. */
static enum smtp_leaves judge_session(const struct smtp_transaction *t)
{
    enum smtp_verdict verdict = t->result.verdict;

    if (t->state == BODY || t->is_cut)
        return SMTP_LEAVES_CUT;
    if (verdict == SMTP_FAILED || verdict == SMTP_RESTART || verdict == SMTP_NO_ROOM ||
        verdict == SMTP_LOST)
        return SMTP_LEAVES_QUIT;
    return t->is_mail_taken && t->state != END && t->state != EMPTY ? SMTP_LEAVES_RSET
                                                                    : SMTP_LEAVES_CLEAN;
}

static enum state finish(struct smtp_transaction *t)
{
    struct smtp_connection *connection = t->connection;
    enum smtp_leaves leaves = judge_session(t);

    t->result.is_usable = leaves == SMTP_LEAVES_CLEAN || leaves == SMTP_LEAVES_RSET;
    t->connection = NULL;
    t->state = OVER;
    smtp_connection_return(connection, leaves);
    t->ops->on_done(&t->result, t->owner);
    return OVER;
}

/* Remembers what decided; the replies that are still to come change nothing any more. */
static void decide(struct smtp_transaction *t, enum smtp_verdict verdict, enum smtp_point point,
                   enum smtp_event event, const struct smtp_reply *reply)
{
    t->has_verdict = true;
    t->result = (struct smtp_result){ .verdict = verdict, .point = point, .event = event };
    if (reply != NULL) {
        t->decided_by = *reply;
        t->result.reply = &t->decided_by;
    }
}

static bool ends_session(enum smtp_verdict verdict)
{
    return verdict == SMTP_FAILED || verdict == SMTP_RESTART || verdict == SMTP_NO_ROOM;
}

static enum smtp_verdict judge(const struct smtp_transaction *t, enum smtp_point point,
                               enum smtp_event event, const struct smtp_reply *reply)
{
    struct smtp_situation situation = {
        .is_reused = t->is_reused,
        .is_crowded = t->is_crowded,
        .is_too_many = reply != NULL && smtp_reply_is_crowding(reply),
        .is_after_accepted = t->counts.accepted > 0,
    };

    return smtp_judge(point, event, &situation);
}

/* ---- what a reply means ---- */

static enum state on_rset(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_event event = smtp_event_of(reply);
    enum smtp_verdict verdict = judge(t, SMTP_AT_RSET, event, reply);

    if (verdict == SMTP_GO_ON)
        return MAIL;
    decide(t, verdict, SMTP_AT_RSET, event, reply);
    return finish(t);
}

static enum state on_mail(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_event event = smtp_event_of(reply);
    enum smtp_verdict verdict = judge(t, SMTP_AT_MAIL, event, reply);

    t->is_mail_taken = verdict == SMTP_GO_ON;
    if (verdict == SMTP_GO_ON)
        return RCPT;
    decide(t, verdict, SMTP_AT_MAIL, event, reply);
    return ends_session(verdict) || !t->is_ahead ? finish(t) : RCPT;
}

/* All recipients are through. Nobody accepted: the DATA that was sent ahead is still answered. */
static enum state after_rcpts(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_verdict verdict = smtp_judge_rcpts(&t->counts);

    if (verdict == SMTP_GO_ON)
        return DATA;
    decide(t, verdict == SMTP_FAILED ? SMTP_FAILED : SMTP_GO_ON, SMTP_AT_RCPT, smtp_event_of(reply),
           reply);
    return verdict == SMTP_FAILED || !t->is_ahead ? finish(t) : DATA;
}

static enum state on_rcpt(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_event event = smtp_event_of(reply);
    enum smtp_verdict verdict = judge(t, SMTP_AT_RCPT, event, reply);
    unsigned index = t->asked++;

    if (t->has_verdict) /* MAIL was not taken: these only have to be read */
        return t->asked < t->rcpt_count ? RCPT : DATA;
    if (ends_session(verdict)) {
        decide(t, verdict, SMTP_AT_RCPT, event, reply);
        return finish(t);
    }
    t->counts.asked++;
    t->counts.accepted += verdict == SMTP_GO_ON;
    t->counts.by_system += verdict == SMTP_DEFERRED_BY_SYSTEM;
    t->rcpts[index].verdict = verdict;
    if (verdict != SMTP_GO_ON)
        t->ops->on_rcpt(index, reply, t->owner);
    return t->asked < t->rcpt_count ? RCPT : after_rcpts(t, reply);
}

static enum state on_data(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_event event = smtp_event_of(reply);
    enum smtp_verdict verdict = judge(t, SMTP_AT_DATA, event, reply);

    if (t->has_verdict) {
        /* A server that says 354 to nobody wants to see an end (RFC 2920 3.1). */
        t->is_cut |= event == SMTP_SAID_CLOSING;
        return event == SMTP_SAID_GO_AHEAD ? EMPTY : finish(t);
    }
    if (verdict == SMTP_GO_ON) {
        t->content_ms = smtp_connection_now_ms(t->connection);
        return BODY;
    }
    decide(t, verdict, SMTP_AT_DATA, event, reply);
    return finish(t);
}

/* Before the content has left: a server that cannot wait. */
static enum state on_body(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_event event = smtp_event_of(reply);

    decide(t, judge(t, SMTP_AT_BODY, event, reply), SMTP_AT_BODY, event, reply);
    return finish(t);
}

static enum state on_end(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum smtp_event event = smtp_event_of(reply);

    /* While the last octets still wait here, no reply can be about them. */
    if (!smtp_transaction_is_past_end(t)) {
        t->state = BODY;
        return on_body(t, reply);
    }
    decide(t, judge(t, SMTP_AT_END, event, reply), SMTP_AT_END, event, reply);
    return finish(t);
}

static enum state on_empty(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    t->is_cut |= smtp_event_of(reply) == SMTP_SAID_CLOSING;
    return finish(t);
}

/* ---- what each state sends ---- */

static void enter_rset(struct smtp_transaction *t)
{
    if (!t->is_ahead)
        smtp_send_rset(t);
}

static void enter_mail(struct smtp_transaction *t)
{
    if (!t->is_ahead)
        smtp_send_mail(t);
}

static void enter_rcpt(struct smtp_transaction *t)
{
    if (!t->is_ahead)
        smtp_send_rcpt(t, t->asked);
}

static void enter_data(struct smtp_transaction *t)
{
    if (!t->is_ahead)
        smtp_send_data(t);
}

static void enter_body(struct smtp_transaction *t)
{
    int sent = smtp_send_body(t);

    if (sent == 1) {
        go(t, END);
    } else if (sent < 0) {
        smtp_transaction_loss(t, SMTP_SHORT);
    }
}

static void enter_empty(struct smtp_transaction *t)
{
    smtp_send_end(t);
}

static const struct row {
    const char *name;
    void (*enter)(struct smtp_transaction *);
    enum state (*reply)(struct smtp_transaction *, const struct smtp_reply *);
    enum smtp_point point;
    size_t limit; /* offset in struct profile_timeouts */
} rows[STATE_COUNT] = {
#define LIMIT(timeout) offsetof(struct profile_timeouts, timeout)
    [RSET] = { "rset", enter_rset, on_rset, SMTP_AT_RSET, LIMIT(command_s) },
    [MAIL] = { "mail", enter_mail, on_mail, SMTP_AT_MAIL, LIMIT(command_s) },
    [RCPT] = { "rcpt", enter_rcpt, on_rcpt, SMTP_AT_RCPT, LIMIT(command_s) },
    [DATA] = { "data", enter_data, on_data, SMTP_AT_DATA, LIMIT(command_s) },
    [BODY] = { "body", enter_body, on_body, SMTP_AT_BODY, LIMIT(data_block_s) },
    [END] = { "end", NULL, on_end, SMTP_AT_END, LIMIT(end_of_data_s) },
    [EMPTY] = { "empty", enter_empty, on_empty, SMTP_AT_END, LIMIT(end_of_data_s) },
};

static void go(struct smtp_transaction *t, enum state next)
{
    unsigned limit_s;

    memcpy(&limit_s, (const char *)smtp_connection_timeouts(t->connection) + rows[next].limit,
           sizeof(limit_s));
    t->state = next;
    smtp_connection_limit_s(t->connection, limit_s);
    if (rows[next].enter != NULL)
        rows[next].enter(t); /* last: it may lead back into go() */
}

/* ---- what others call ---- */

const char *smtp_transaction_lacks(const struct smtp_extensions *extensions, unsigned body_flags)
{
    if ((body_flags & BODY_UTF8_ENVELOPE) != 0 && (extensions->flags & SMTP_HAS_SMTPUTF8) == 0)
        return "SMTPUTF8";
    if ((body_flags & BODY_8BIT) != 0 && (extensions->flags & SMTP_HAS_8BITMIME) == 0)
        return "8BITMIME";
    return NULL;
}

void smtp_transaction_start(struct smtp_transaction *t, struct smtp_connection *connection)
{
    enum state first = smtp_connection_needs_rset(connection) ? RSET : MAIL;

    t->connection = connection;
    t->is_reused = smtp_connection_transactions(connection) > 0;
    t->is_mail_taken = t->has_verdict = t->is_cut = false;
    t->asked = 0;
    t->counts = (struct smtp_rcpt_counts){ 0 };
    t->result = (struct smtp_result){ .verdict = SMTP_GO_ON };
    t->body_at = 0;
    t->content_ms = 0;
    for (unsigned i = 0; i < t->rcpt_count; i++)
        t->rcpts[i].verdict = SMTP_GO_ON;
    smtp_connection_lend(connection, t);

    t->is_ahead = (smtp_connection_extensions(connection)->flags & SMTP_HAS_PIPELINING) != 0;
    if (t->is_ahead)
        smtp_send_ahead(t, first == RSET);
    go(t, first);
}

bool smtp_transaction_is_past_end(const struct smtp_transaction *t)
{
    return t->state == END && evbuffer_get_length(smtp_connection_output(t->connection)) == 0;
}

void smtp_transaction_reply(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    enum state now = t->state, next = rows[now].reply(t, reply);

    /* After OVER the owner may have started it again already: then it has moved by itself. */
    if (next != OVER)
        go(t, next);
}

void smtp_transaction_loss(struct smtp_transaction *t, enum smtp_event event)
{
    enum smtp_point point = rows[t->state].point;

    if (point == SMTP_AT_END && t->state == END && !smtp_transaction_is_past_end(t))
        point = SMTP_AT_BODY;
    if (!t->has_verdict)
        decide(t, judge(t, point, event, NULL), point, event, NULL);
    t->is_cut = true;
    (void)finish(t);
}

void smtp_transaction_drained(struct smtp_transaction *t)
{
    if (t->state == BODY)
        go(t, BODY);
}
