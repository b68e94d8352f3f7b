/* SP22: the whole table of outcomes, against a second telling of the same rules. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "worker/smtp/outcome.h"
#include "worker/smtp/reply.h"

static struct smtp_reply reply_of(const char *text)
{
    struct smtp_reply reply = { 0 };

    cr_assert_eq(smtp_reply_add_line(&reply, text, strlen(text), NULL, NULL), 1, "%s", text);
    return reply;
}

static bool is_4xx(enum smtp_event event)
{
    return event == SMTP_SAID_SYSTEM || event == SMTP_SAID_452 || event == SMTP_SAID_LATER_BARE ||
           event == SMTP_SAID_LATER || event == SMTP_SAID_TOO_MANY;
}

/* SP22 told in its own order: what the text says about each kind of event, one after the other. */
static enum smtp_verdict oracle(enum smtp_point point, enum smtp_event event, bool is_reused,
                                bool is_after_accepted)
{
    bool is_loss = event == SMTP_SAID_CLOSING || event == SMTP_CUT || event == SMTP_TIMED_OUT;

    /* "Local trouble": nobody's failure, and after the last octets nobody knows. */
    if (event == SMTP_SHORT)
        return point == SMTP_AT_END ? SMTP_LOST : SMTP_NO_ROOM;
    /* "on a reused connection before the last octets SP48" */
    if (is_reused && is_loss && point < SMTP_AT_END)
        return SMTP_RESTART;
    /* Whatever RSET finds wrong belongs to the connection, not to the server. */
    if (point == SMTP_AT_RSET)
        return event == SMTP_SAID_OK ? SMTP_GO_ON : SMTP_RESTART;
    /* "421 at any point", also "as the reply to the end of data: not accepted, next server" */
    if (event == SMTP_SAID_CLOSING)
        return SMTP_FAILED;
    /* "A connection lost after the end of data was sent and before its reply defers the message" */
    if (point == SMTP_AT_END &&
        (event == SMTP_CUT || event == SMTP_TIMED_OUT || event == SMTP_GARBAGE ||
         event == SMTP_UNREACHABLE || event == SMTP_UNSAFE))
        return SMTP_LOST;
    /* "no address, refused, timed out", "connection lost before the end of data was sent" */
    if (event == SMTP_UNREACHABLE || event == SMTP_CUT || event == SMTP_TIMED_OUT ||
        event == SMTP_GARBAGE || event == SMTP_UNSAFE)
        return SMTP_FAILED;

    /* "greeting other than 220, EHLO/HELO refused" */
    if (point < SMTP_AT_RSET) {
        bool is_reply =
            point != SMTP_AT_CONNECT && point != SMTP_AT_TLS && point != SMTP_AT_CERTIFICATE;

        if (is_reply && event == SMTP_SAID_OK)
            return SMTP_GO_ON;
        return point == SMTP_AT_EHLO && event == SMTP_SAID_NO ? SMTP_FALL_BACK : SMTP_FAILED;
    }
    /* "5xx is final for that recipient" */
    if (event == SMTP_SAID_NO)
        return SMTP_REFUSED;
    /* "452 with 4.5.3 or no enhanced code, or 552 x.5.3, to RCPT after an accepted one" */
    if (point == SMTP_AT_RCPT && (event == SMTP_SAID_TOO_MANY || event == SMTP_SAID_452))
        return is_after_accepted ? SMTP_SPLIT : SMTP_DEFERRED;
    /* "a 4xx to MAIL (or to every RCPT) that speaks of the system ... or (to MAIL only) no enhanced
     * code"; DATA, before which nothing was sent, as MAIL where the code says it. */
    if (point == SMTP_AT_MAIL &&
        (event == SMTP_SAID_SYSTEM || event == SMTP_SAID_452 || event == SMTP_SAID_LATER_BARE))
        return SMTP_FAILED;
    if (point == SMTP_AT_RCPT && event == SMTP_SAID_SYSTEM)
        return SMTP_DEFERRED_BY_SYSTEM;
    if (point == SMTP_AT_DATA && event == SMTP_SAID_SYSTEM)
        return SMTP_FAILED;
    /* "other 4xx to MAIL, RCPT or the end of data defer that recipient" */
    if (is_4xx(event))
        return SMTP_DEFERRED;

    /* What is left are 2xx and 3xx. */
    if (point == SMTP_AT_END)
        return event == SMTP_SAID_OK ? SMTP_DELIVERED : SMTP_LOST;
    if (point == SMTP_AT_BODY)
        return SMTP_FAILED;
    return event == (point == SMTP_AT_DATA ? SMTP_SAID_GO_AHEAD : SMTP_SAID_OK) ? SMTP_GO_ON
                                                                                : SMTP_FAILED;
}

Test(outcome, SP22_every_point_and_event)
{
    unsigned checked = 0;

    for (unsigned point = 0; point < SMTP_POINT_COUNT; point++) {
        for (unsigned event = 0; event < SMTP_EVENT_COUNT; event++) {
            for (unsigned bits = 0; bits < 4; bits++) {
                struct smtp_situation situation = { .is_reused = bits & 1,
                                                    .is_after_accepted = bits & 2 };
                enum smtp_verdict verdict = smtp_judge(point, event, &situation);

                cr_expect_eq(verdict, oracle(point, event, bits & 1, bits & 2),
                             "%s at %s, reused %u, after accepted %u: %s", smtp_event_name(event),
                             smtp_point_name(point), bits & 1, bits >> 1,
                             smtp_verdict_name(verdict));
                checked++;
            }
        }
    }
    cr_assert_eq(checked, SMTP_POINT_COUNT * SMTP_EVENT_COUNT * 4U);
}

Test(outcome, SP22_after_the_last_octets_only_a_reply_leads_to_another_server)
{
    for (unsigned event = 0; event < SMTP_EVENT_COUNT; event++) {
        for (unsigned bits = 0; bits < 16; bits++) {
            struct smtp_situation situation = { bits & 1, bits & 2, bits & 4, bits & 8 };
            enum smtp_verdict verdict = smtp_judge(SMTP_AT_END, event, &situation);

            cr_assert_neq(verdict, SMTP_RESTART);
            cr_assert_neq(verdict, SMTP_NO_ROOM);
            if (verdict == SMTP_FAILED)
                cr_assert_eq(event, SMTP_SAID_CLOSING);
            if (verdict == SMTP_DELIVERED)
                cr_assert_eq(event, SMTP_SAID_OK);
        }
    }
}

Test(outcome, SP49_too_many_connections_on_a_fresh_one_while_another_is_open)
{
    static const struct {
        const char *reply;
        bool is_crowding;
    } rows[] = {
        { "421 too many", true },           { "421 4.3.2 too many", true },
        { "421 4.7.0 too many", true },     { "451 4.3.2 system not accepting", true },
        { "432 4.3.2 concurrent", true },   { "432 thread limit", true },
        { "450 4.7.0 too many", true },     { "450 4.7.1 greylisted", false },
        { "451 4.3.0 local error", false }, { "554 5.7.0 no", false },
        { "554 5.3.2 no", false },          { "220 ready", false },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_reply reply = reply_of(rows[i].reply);
        enum smtp_event event = smtp_event_of(&reply);

        cr_expect_eq(smtp_reply_is_crowding(&reply), rows[i].is_crowding, "%s", rows[i].reply);
        for (unsigned point = SMTP_AT_GREETING; point <= SMTP_AT_END; point++) {
            struct smtp_situation fresh = { .is_crowded = true, .is_too_many = true };
            struct smtp_situation alone = { .is_too_many = true };
            struct smtp_situation reused = { .is_reused = true,
                                             .is_crowded = true,
                                             .is_too_many = true };

            if (!rows[i].is_crowding)
                fresh.is_too_many = alone.is_too_many = reused.is_too_many = false;
            if (rows[i].is_crowding && point <= SMTP_AT_MAIL)
                cr_expect_eq(smtp_judge(point, event, &fresh), SMTP_NO_ROOM, "%s at %s",
                             rows[i].reply, smtp_point_name(point));
            else
                cr_expect_neq(smtp_judge(point, event, &fresh), SMTP_NO_ROOM);
            cr_expect_neq(smtp_judge(point, event, &alone), SMTP_NO_ROOM);
            cr_expect_neq(smtp_judge(point, event, &reused), SMTP_NO_ROOM);
        }
    }
}

Test(outcome, SP22_replies_are_sorted_by_what_they_speak_of)
{
    static const struct {
        const char *reply;
        enum smtp_event event;
    } rows[] = {
        { "250 ok", SMTP_SAID_OK },
        { "220 mx.example.net", SMTP_SAID_OK },
        { "354 go ahead", SMTP_SAID_GO_AHEAD },
        { "334 more", SMTP_SAID_ODD },
        { "421 bye", SMTP_SAID_CLOSING },
        { "421 4.3.2 shutting down", SMTP_SAID_CLOSING },
        { "450 4.3.0 trouble", SMTP_SAID_SYSTEM },
        { "451 4.3.5 misconfigured", SMTP_SAID_SYSTEM },
        { "452 4.3.1 disk full", SMTP_SAID_SYSTEM },
        { "432 concurrent", SMTP_SAID_SYSTEM },
        { "432 4.7.1 concurrent", SMTP_SAID_SYSTEM },
        { "451 4.7.500 server busy", SMTP_SAID_SYSTEM },
        { "450 4.7.500 busy", SMTP_SAID_LATER },
        { "451 4.7.1 greylisted", SMTP_SAID_LATER },
        { "451 4.7.50 x", SMTP_SAID_LATER },
        { "452 4.5.3 too many recipients", SMTP_SAID_TOO_MANY },
        { "552 5.5.3 too many recipients", SMTP_SAID_TOO_MANY },
        { "552 4.5.3 too many recipients", SMTP_SAID_TOO_MANY },
        { "452 too many recipients", SMTP_SAID_452 },
        { "452 5.5.3 wrong class", SMTP_SAID_452 },
        { "452 4.2.2 mailbox full", SMTP_SAID_LATER },
        { "450 try again", SMTP_SAID_LATER_BARE },
        { "451 5.3.0 wrong class", SMTP_SAID_LATER_BARE },
        { "550 5.1.1 no such user", SMTP_SAID_NO },
        { "552 too large", SMTP_SAID_NO },
        { "552 5.3.4 too large", SMTP_SAID_NO },
        { "550 5.3.0 for good all the same", SMTP_SAID_NO },
        { "521 does not accept mail", SMTP_SAID_NO },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_reply reply = reply_of(rows[i].reply);

        cr_expect_eq(smtp_event_of(&reply), rows[i].event, "%s: %s", rows[i].reply,
                     smtp_event_name(smtp_event_of(&reply)));
    }
}

Test(outcome, SP22_the_server_failed_only_if_every_recipient_met_system_trouble)
{
    static const struct {
        struct smtp_rcpt_counts counts;
        enum smtp_verdict verdict;
    } rows[] = {
        { { .asked = 1, .accepted = 1 }, SMTP_GO_ON },
        { { .asked = 3, .accepted = 1, .by_system = 2 }, SMTP_GO_ON },
        { { .asked = 3, .by_system = 3 }, SMTP_FAILED },
        { { .asked = 3, .by_system = 2 }, SMTP_DEFERRED },
        { { .asked = 3 }, SMTP_DEFERRED },
        { { .asked = 0 }, SMTP_DEFERRED },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(smtp_judge_rcpts(&rows[i].counts), rows[i].verdict, "row %u", i);
}
