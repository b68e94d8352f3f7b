/* What is told of causes, and when: with a clock that the test moves. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "master/alert_text.h"
#include "master/alerts.h"

#define MINUTE   60000
#define HOUR     (60 * MINUTE)
#define ALL      (~0U)
#define NO_MAILS ((size_t)0)

static int64_t now_ms;
static struct alerts *alerts;
static char *subject, *text;

static int64_t test_clock(void)
{
    return now_ms;
}

static void make_alerts(void)
{
    alerts = alerts_new();
    alerts_set_clock(alerts, test_clock);
}

static void forget_mail(void)
{
    free(subject);
    free(text);
    subject = text = NULL;
}

static void setup(void)
{
    log_open("test", open("/dev/null", O_WRONLY | O_CLOEXEC));
    now_ms = 1800000000000;
    make_alerts();
}

static void teardown(void)
{
    forget_mail();
    alerts_free(&alerts);
}

TestSuite(alerts, .init = setup, .fini = teardown, .timeout = 30);

/* A round in which these servers are down. */
static void look(const char *first, const char *second)
{
    alerts_round(alerts);
    if (first != NULL)
        alerts_stands(alerts, ALERT_SERVER_DOWN, first, 0, "it is down");
    if (second != NULL)
        alerts_stands(alerts, ALERT_SERVER_DOWN, second, 0, "it is down, too");
    alerts_round_ends(alerts, ALL);
}

/* Sends what is news; how many causes it was. */
static size_t mail(void)
{
    const size_t count = alert_text_count(alerts);

    forget_mail();
    if (count == 0) {
        cr_assert_eq(alert_text_write(alerts, "gw", &subject, &text), -2);
        return 0;
    }
    cr_assert_eq(alert_text_write(alerts, "gw", &subject, &text), 0);
    alert_text_ended(alerts, true);
    return count;
}

static void pass(int64_t ms)
{
    now_ms += ms;
}

static void expect_in(const char *what, const char *in)
{
    cr_assert_not_null(strstr(in, what), "no \"%s\" in:\n%s", what, in);
}

Test(alerts, OP08_its_begin_once_an_hour_and_its_end)
{
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] server down: a");
    expect_in("NEW    server down: it is down\n  since 2027-01-15T08:00:00.000Z (0 seconds)\n",
              text);
    for (unsigned minute = 1; minute < 60; minute++) {
        pass(MINUTE);
        look("a", NULL);
        cr_assert_eq(mail(), NO_MAILS, "after %u minutes", minute);
    }
    pass(MINUTE);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] still: server down: a");
    expect_in("(60 minutes)", text);
    pass(14 * MINUTE);
    look(NULL, NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] over: server down: a");
    expect_in("it is over after 74 minutes, from 2027-01-15T08:00:00.000Z to "
              "2027-01-15T09:14:00.000Z",
              text);
    pass(2 * HOUR);
    look(NULL, NULL);
    cr_assert_eq(mail(), NO_MAILS);
}

Test(alerts, OP08_what_comes_and_goes_is_told_once_an_hour)
{
    unsigned mails = 0;

    for (unsigned minute = 0; minute < 60; minute++) {
        look(minute % 2 == 0 ? "a" : NULL, NULL);
        mails += mail() > 0;
        pass(MINUTE);
    }
    cr_assert_eq(mails, 2u, "its begin and its end"); /* told later, its end is told again */
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] server down: a");
}

Test(alerts, OP08_several_are_one_mail)
{
    look("a", "b");
    cr_assert_eq(mail(), 2u);
    cr_assert_str_eq(subject, "[gw] server down: b (and 1 more)");
    expect_in("it is down\n", text);
    expect_in("it is down, too\n", text);
    pass(MINUTE);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] over: server down: b");
}

Test(alerts, OP08_so_many_are_one_mail_and_the_rest_another)
{
    alerts_round(alerts);
    for (unsigned i = 0; i < ALERT_TEXT_MAX + 7; i++) {
        char object[16];

        snprintf(object, sizeof(object), "s%u", i);
        alerts_stands(alerts, ALERT_SERVER_DOWN, object, 0, "it is down");
    }
    alerts_round_ends(alerts, ALL);
    cr_assert_eq(mail(), ALERT_TEXT_MAX + 7);
    expect_in("(and 49 more)", subject);
    cr_assert_eq(mail(), 7u);
    cr_assert_eq(mail(), NO_MAILS);
}

Test(alerts, OP08_what_could_not_be_sent_is_news_still)
{
    look("a", NULL);
    cr_assert_eq(alert_text_write(alerts, "gw", &subject, &text), 0);
    alert_text_ended(alerts, false);
    pass(20 * MINUTE);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    expect_in("(20 minutes)", text);
}

Test(alerts, OP08_what_ended_while_nothing_could_be_sent_is_told_as_over)
{
    look("a", NULL);
    pass(20 * MINUTE);
    look(NULL, "b");
    pass(2000);
    look(NULL, NULL); /* b was there for a moment: nobody needs to know */
    pass(MINUTE);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] over: server down: a");
    expect_in("it is over after 20 minutes", text);
    cr_assert_eq(mail(), NO_MAILS);
}

Test(alerts, OP08_it_ends_and_begins_again_while_a_mail_is_under_way)
{
    look("a", NULL);
    cr_assert_eq(alert_text_write(alerts, "gw", &subject, &text), 0);
    pass(1000);
    look(NULL, NULL);
    look("a", NULL);
    alert_text_ended(alerts, true);
    cr_assert_eq(mail(), NO_MAILS, "within the hour");
    pass(HOUR);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] server down: a");
}

/* The second story is owed, too, an hour after the first. */
Test(alerts, OP08_what_was_is_told_while_it_was_again)
{
    look("a", NULL);
    pass(MINUTE);
    look(NULL, NULL);
    cr_assert_eq(alert_text_write(alerts, "gw", &subject, &text), 0);
    look("a", NULL);
    pass(MINUTE);
    look(NULL, NULL);
    alert_text_ended(alerts, true);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] over: server down: a");
    cr_assert_eq(mail(), NO_MAILS);
}

Test(alerts, OP08_an_end_during_its_mail_is_told_next)
{
    look("a", NULL);
    cr_assert_eq(alert_text_write(alerts, "gw", &subject, &text), 0);
    pass(1000);
    look(NULL, NULL);
    alert_text_ended(alerts, true);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] over: server down: a");
}

Test(alerts, OP08_a_queue_is_too_long_only_if_it_stays_so)
{
    for (unsigned i = 0; i < 30; i++) {
        alerts_round(alerts);
        alerts_stands(alerts, ALERT_QUEUE_LENGTH, "queue", 0, "1000");
        alerts_round_ends(alerts, ALL);
        cr_assert_eq(mail(), NO_MAILS, "after %u s", i);
        pass(1000);
    }
    cr_assert_eq(mail(), 1u);
}

Test(alerts, OP08_a_certificate_is_told_of_when_it_gets_worse)
{
    static const struct {
        int level;
        size_t mails;
    } days[] = { { 1, 1 }, { 1, 0 }, { 2, 1 }, { 2, 0 }, { 3, 1 }, { 4, 1 }, { 4, 0 } };

    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        alerts_round(alerts);
        alerts_stands(alerts, ALERT_CERTIFICATE, "c", days[i].level, "it ends");
        alerts_round_ends(alerts, ALL);
        cr_assert_eq(mail(), days[i].mails, "day %zu", i);
        pass(24 * HOUR);
    }
}

Test(alerts, OP08_a_line_of_the_log_is_told_once_an_hour_with_its_count)
{
    alerts_take(alerts, "worker[1]", "spooler", "disk n=1");
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] alert: disk n=1");
    expect_in("NEW    spooler (worker[1]): disk n=1\n  at 2027", text);
    for (unsigned i = 0; i < 5; i++)
        alerts_take(alerts, "worker[1]", "spooler", "disk n=1");
    cr_assert_eq(mail(), NO_MAILS);
    pass(HOUR);
    cr_assert_eq(mail(), 1u);
    expect_in("5 times, last at", text);
    pass(3 * HOUR);
    look(NULL, NULL);
    cr_assert_eq(mail(), NO_MAILS, "it does not stand");
}

Test(alerts, OP08_a_line_about_what_is_a_cause_of_its_own_is_listed_only)
{
    json_t *shown;

    alerts_take(alerts, "master", "health", "no server of a profile takes mail: it waits");
    alerts_take(alerts, "master", "dispatch", "a message is held: workers died");
    cr_assert_eq(mail(), NO_MAILS);
    alerts_take(alerts, "master", "dispatch", "something else");
    cr_assert_eq(mail(), 1u);
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), 3u);
    json_decref(shown);
}

Test(alerts, OP08_while_nobody_is_told_only_what_stands_stays_news)
{
    look("a", "b");
    pass(MINUTE);
    look("a", NULL);
    alerts_take(alerts, "master", "spooler", "disk");
    alerts_forget_news(alerts);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] server down: a");
}

Test(alerts, a_kind_that_was_not_looked_for_stands_on)
{
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    alerts_round(alerts);
    alerts_round_ends(alerts, ALL & ~(1U << ALERT_SERVER_DOWN));
    cr_assert(alerts_is_standing(alerts, ALERT_SERVER_DOWN, "a"));
    alerts_round(alerts);
    alerts_round_ends(alerts, ALL);
    cr_assert(!alerts_is_standing(alerts, ALERT_SERVER_DOWN, "a"));
}

Test(alerts, a_clock_that_is_set_back_silences_nothing)
{
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    pass(-24 * HOUR);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
}

static void restart(void)
{
    json_t *record = alerts_record(alerts);

    alerts_free(&alerts);
    make_alerts();
    alerts_remember(alerts, record);
    json_decref(record);
}

Test(alerts, OP08_after_a_restart_what_is_so_still_is_no_news)
{
    json_t *shown;

    look("a", "b");
    cr_assert_eq(mail(), 2u);
    pass(MINUTE);
    restart();
    look(NULL, NULL); /* nothing is known of servers yet */
    cr_assert_eq(mail(), NO_MAILS);
    pass(5 * MINUTE);
    look("a", NULL); /* found again */
    cr_assert_eq(mail(), NO_MAILS);
    shown = alerts_shown(alerts);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(shown, 0), "since")),
                     "2027-01-15T08:00:00.000Z");
    json_decref(shown);
    pass(6 * MINUTE);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] over: server down: b");
    pass(HOUR);
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] still: server down: a");
}

Test(alerts, OP08_what_was_not_told_before_a_restart_is_told_after_it)
{
    look("a", NULL);
    restart();
    look("a", NULL);
    cr_assert_eq(mail(), 1u);
    cr_assert_str_eq(subject, "[gw] server down: a");
}

Test(alerts, a_record_that_is_none_is_left_alone)
{
    json_t *record = json_loads("[1, {}, {\"kind\": \"log\", \"object\": \"\", \"text\": \"\"}, "
                                "{\"kind\": \"no such\", \"object\": \"x\", \"text\": \"t\"}]",
                                0, NULL);
    json_t *shown;

    alerts_remember(alerts, record);
    alerts_remember(alerts, NULL);
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), 0u);
    json_decref(shown);
    json_decref(record);
}

Test(alerts, what_is_over_makes_room_and_what_stands_does_not)
{
    json_t *shown;

    for (unsigned i = 0; i < 3 * ALERTS_MAX; i++) {
        char line[32];

        look("a", NULL);
        snprintf(line, sizeof(line), "line %u", i);
        alerts_take(alerts, "master", "test", line);
    }
    cr_assert(alerts_is_standing(alerts, ALERT_SERVER_DOWN, "a"));
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), (size_t)ALERTS_MAX);
    json_decref(shown);
}

/* As servers write it, and longer than there is room for: found again in the next round. */
Test(alerts, whatever_an_object_is_called_it_is_one_cause)
{
    char name[400];
    json_t *shown;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    look(name, "\xff no UTF-8");
    look(name, "\xff no UTF-8");
    shown = alerts_shown(alerts);
    cr_assert_eq(json_array_size(shown), 2u);
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(shown, 0), "count")), 1);
    json_decref(shown);
    cr_assert_eq(mail(), 2u);
}
