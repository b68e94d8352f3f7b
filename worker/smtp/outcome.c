#include "worker/smtp/outcome.h"

#include "worker/smtp/reply.h"

/* One letter per verdict, so that a point is a row and an event a column, and the eye can go down.
 *
 * What the columns of system trouble say before RCPT is no accident: there a 4xx speaks of the
 * server unless its enhanced code says otherwise; at and after RCPT it speaks of the message unless
 * it says otherwise. RSET is only sent on a connection that was used before, so that whatever goes
 * wrong there a fresh one will tell more. At DATA nothing has been sent yet, so that system trouble
 * may still go to the next server; after the end of data it may not: the next might make it two. */
enum {
    o = SMTP_GO_ON,
    h = SMTP_FALL_BACK,
    D = SMTP_DELIVERED,
    R = SMTP_REFUSED,
    L = SMTP_DEFERRED,
    S = SMTP_DEFERRED_BY_SYSTEM,
    F = SMTP_FAILED,
    X = SMTP_LOST,
    P = SMTP_SPLIT, /* after an accepted recipient; before one: deferred */
    N = SMTP_RESTART,
    W = SMTP_NO_ROOM, /* it is not the server that is short of something */
};

/* clang-format off */
static const unsigned char table[SMTP_POINT_COUNT][SMTP_EVENT_COUNT] = {
    /*                    ok  354 odd 421 sys many 452 bare late no  junk unre cut  time unsf shrt */
    [SMTP_AT_CONNECT]  = { F,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_GREETING] = { o,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_EHLO]     = { o,  F,  F,  F,  F,  F,   F,  F,   F,   h,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_HELO]     = { o,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_STARTTLS] = { o,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_TLS] = { F,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_CERTIFICATE] = { F,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_AUTH] = { o,  F,  F,  F,  F,  F,   F,  F,   F,   F,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_RSET]     = { o,  N,  N,  N,  N,  N,   N,  N,   N,   N,  N,   N,   N,   N,   N,   W },
    [SMTP_AT_MAIL]     = { o,  F,  F,  F,  F,  L,   F,  F,   L,   R,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_RCPT]     = { o,  F,  F,  F,  S,  P,   P,  L,   L,   R,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_DATA]     = { F,  o,  F,  F,  F,  L,   L,  L,   L,   R,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_BODY]     = { F,  F,  F,  F,  L,  L,   L,  L,   L,   R,  F,   F,   F,   F,   F,   W },
    [SMTP_AT_END]      = { D,  X,  X,  F,  L,  L,   L,  L,   L,   R,  X,   X,   X,   X,   X,   X },
};
/* clang-format on */

enum smtp_event smtp_event_of(const struct smtp_reply *reply)
{
    unsigned code = reply->code;

    if (code < 300)
        return SMTP_SAID_OK;
    if (code < 400)
        return code == 354 ? SMTP_SAID_GO_AHEAD : SMTP_SAID_ODD;
    if (code == 552 && reply->subject == 5 && reply->detail == 3)
        return SMTP_SAID_TOO_MANY;
    if (code >= 500)
        return SMTP_SAID_NO;
    if (code == 421)
        return SMTP_SAID_CLOSING;
    if (code == 432 || (reply->class_ != 0 && reply->subject == 3) ||
        (code == 451 && smtp_reply_is(reply, 7, 500)))
        return SMTP_SAID_SYSTEM;
    if (code == 452 && smtp_reply_is(reply, 5, 3))
        return SMTP_SAID_TOO_MANY;
    if (reply->class_ != 0)
        return SMTP_SAID_LATER;
    return code == 452 ? SMTP_SAID_452 : SMTP_SAID_LATER_BARE;
}

bool smtp_reply_is_crowding(const struct smtp_reply *reply)
{
    if (reply->code == 421 || reply->code == 432)
        return true;
    return reply->code / 100 == 4 && (smtp_reply_is(reply, 3, 2) || smtp_reply_is(reply, 7, 0));
}

enum smtp_verdict smtp_judge(enum smtp_point point, enum smtp_event event,
                             const struct smtp_situation *situation)
{
    bool is_loss = event == SMTP_SAID_CLOSING || event == SMTP_CUT || event == SMTP_TIMED_OUT;
    enum smtp_verdict verdict = table[point][event];

    if (is_loss && situation->is_reused && point != SMTP_AT_END)
        return SMTP_RESTART;
    if (situation->is_too_many && situation->is_crowded && !situation->is_reused &&
        point <= SMTP_AT_MAIL && verdict != SMTP_GO_ON)
        return SMTP_NO_ROOM;
    if (verdict == SMTP_SPLIT && !situation->is_after_accepted)
        return SMTP_DEFERRED;
    return verdict;
}

enum smtp_verdict smtp_judge_rcpts(const struct smtp_rcpt_counts *counts)
{
    if (counts->accepted > 0)
        return SMTP_GO_ON;
    return counts->asked > 0 && counts->by_system == counts->asked ? SMTP_FAILED : SMTP_DEFERRED;
}

const char *smtp_point_name(enum smtp_point point)
{
    static const char *const names[SMTP_POINT_COUNT] = {
        [SMTP_AT_CONNECT] = "connect",
        [SMTP_AT_GREETING] = "greeting",
        [SMTP_AT_EHLO] = "EHLO",
        [SMTP_AT_HELO] = "HELO",
        [SMTP_AT_STARTTLS] = "STARTTLS",
        [SMTP_AT_TLS] = "TLS handshake",
        [SMTP_AT_CERTIFICATE] = "certificate",
        [SMTP_AT_AUTH] = "AUTH",
        [SMTP_AT_RSET] = "RSET",
        [SMTP_AT_MAIL] = "MAIL",
        [SMTP_AT_RCPT] = "RCPT",
        [SMTP_AT_DATA] = "DATA",
        [SMTP_AT_BODY] = "content",
        [SMTP_AT_END] = "end of data",
    };

    return names[point];
}

const char *smtp_event_name(enum smtp_event event)
{
    static const char *const names[SMTP_EVENT_COUNT] = {
        [SMTP_SAID_OK] = "accepted",
        [SMTP_SAID_GO_AHEAD] = "go ahead",
        [SMTP_SAID_ODD] = "unexpected reply",
        [SMTP_SAID_CLOSING] = "server closes the connection",
        [SMTP_SAID_SYSTEM] = "server in trouble",
        [SMTP_SAID_TOO_MANY] = "too many recipients",
        [SMTP_SAID_452] = "no room now",
        [SMTP_SAID_LATER_BARE] = "not now",
        [SMTP_SAID_LATER] = "not now",
        [SMTP_SAID_NO] = "refused",
        [SMTP_GARBAGE] = "not an SMTP reply",
        [SMTP_UNREACHABLE] = "cannot be reached",
        [SMTP_CUT] = "connection lost",
        [SMTP_TIMED_OUT] = "timed out",
        [SMTP_UNSAFE] = "not protected as it must be",
        [SMTP_SHORT] = "no memory or descriptors here",
    };

    return names[event];
}

const char *smtp_verdict_name(enum smtp_verdict verdict)
{
    static const char *const names[SMTP_VERDICT_COUNT] = {
        [SMTP_GO_ON] = "accepted",
        [SMTP_FALL_BACK] = "fall back",
        [SMTP_DELIVERED] = "delivered",
        [SMTP_REFUSED] = "refused",
        [SMTP_DEFERRED] = "deferred",
        [SMTP_DEFERRED_BY_SYSTEM] = "deferred by system trouble",
        [SMTP_SPLIT] = "in another transaction",
        [SMTP_FAILED] = "server failed",
        [SMTP_LOST] = "lost after the end of data",
        [SMTP_NO_ROOM] = "no room",
        [SMTP_RESTART] = "again on a fresh connection",
    };

    return names[verdict];
}
