#include "master/alert_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "master/alerts_private.h"

size_t alert_text_count(const struct alerts *alerts)
{
    const struct alert *alert;
    size_t count = 0;

    TAILQ_FOREACH (alert, &alerts->list, link)
        count += alert_news(alerts, alert) != ALERT_NO_NEWS;
    return count;
}

/* ---- words ---- */

/* "14 minutes", in the largest unit of which there are two. */
static void put_duration(FILE *out, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = { { 86400000, "days" }, { 3600000, "hours" }, { 60000, "minutes" } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms >= 2 * units[i].ms) {
            fprintf(out, "%" PRId64 " %s", ms / units[i].ms, units[i].name);
            return;
        }
    }
    fprintf(out, "%" PRId64 " second%s", ms / 1000, ms / 1000 == 1 ? "" : "s");
}

static void put_line(FILE *out, const struct alert *alert)
{
    char time[CLOCK_TEXT_SIZE];

    fprintf(out, "%s (%s): %s\n", alert->module, alert->process, alert->text);
    if (alert->count - alert->told_count > 1)
        fprintf(out, "  %" JSON_INTEGER_FORMAT " times, last at %s\n",
                alert->count - alert->told_count, clock_text(alert->last_ms, time));
    else
        fprintf(out, "  at %s\n", clock_text(alert->last_ms, time));
}

static void put_standing(FILE *out, const struct alert *alert, int64_t now_ms)
{
    char time[CLOCK_TEXT_SIZE];

    fprintf(out, "%s: %s\n  since %s (", alert_rows[alert->kind].subject, alert->text,
            clock_text(alert->since_ms, time));
    put_duration(out, now_ms - alert->since_ms);
    fputs(")\n", out);
}

static void put_ended(FILE *out, const struct alert *alert)
{
    char since[CLOCK_TEXT_SIZE], ended[CLOCK_TEXT_SIZE];

    fprintf(out, "%s: %s\n  it is over after ", alert_rows[alert->kind].subject, alert->text);
    put_duration(out, alert->ended_ms - alert->since_ms);
    fprintf(out, ", from %s to %s\n", clock_text(alert->since_ms, since),
            clock_text(alert->ended_ms, ended));
}

static void put_alert(FILE *out, const struct alert *alert, int64_t now_ms)
{
    static const char *const words[] = {
        [ALERT_NEW] = "NEW", [ALERT_STILL] = "STILL", [ALERT_OVER] = "OVER", [ALERT_WAS] = "OVER"
    };

    fprintf(out, "%-5s  ", words[alert->mail.news]);
    if (alert->kind == ALERT_LOG)
        put_line(out, alert);
    else if (alert->ended_ms != 0)
        put_ended(out, alert);
    else
        put_standing(out, alert, now_ms);
    fputs("\n", out);
}

static const char *subject_word(enum alert_news news)
{
    if (news == ALERT_STILL)
        return "still: ";
    return news == ALERT_OVER || news == ALERT_WAS ? "over: " : "";
}

/* The first one in so many words, and how many there are besides. */
static int put_subject(char **ret_subject, const char *hostname, const struct alert *first,
                       size_t count)
{
    const bool is_line = first->kind == ALERT_LOG;
    char others[48] = "";
    int length;

    if (count > 1)
        (void)snprintf(others, sizeof(others), " (and %zu more)", count - 1);
    length =
        asprintf(ret_subject, "[%s] %s%s: %.100s%s", hostname, subject_word(first->mail.news),
                 alert_rows[first->kind].subject, is_line ? first->text : first->object, others);
    return length < 0 ? -ENOMEM : 0;
}

/* ---- the mail ---- */

/* What is worse comes first. */
static const enum alert_news order[] = { ALERT_NEW, ALERT_STILL, ALERT_WAS, ALERT_OVER };

static size_t choose(struct alerts *alerts, const struct alert **ret_first)
{
    struct alert *alert;
    size_t count = 0;

    *ret_first = NULL;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        TAILQ_FOREACH (alert, &alerts->list, link) {
            if (count == ALERT_TEXT_MAX || alert_news(alerts, alert) != order[i])
                continue;
            alert_put_in_mail(alert, order[i]);
            if (count++ == 0)
                *ret_first = alert;
        }
    }
    return count;
}

static void put_all(FILE *out, const struct alerts *alerts, const char *hostname)
{
    const struct alert *alert;

    fprintf(out, "Postern on %s reports:\n\n", hostname);
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        TAILQ_FOREACH (alert, &alerts->list, link) {
            if (alert->mail.news == order[i])
                put_alert(out, alert, alerts->wall_ms());
        }
    }
    fprintf(out, "What stands is told at most once in ");
    put_duration(out, alerts->repeat_ms);
    fputs(
        ", also when it is over for a while and begins again.\n"
        "\"posternctl alert list\" shows all of it, \"posternctl server list\" how servers are.\n",
        out);
}

int alert_text_write(struct alerts *alerts, const char *hostname, char **ret_subject,
                     char **ret_text)
{
    const struct alert *first;
    const size_t count = choose(alerts, &first);
    char *text = NULL, *subject = NULL;
    size_t bytes;
    FILE *out;
    int err = count > 0 ? put_subject(&subject, hostname, first, count) : -ENOENT;

    if (err < 0)
        return err;
    out = open_memstream(&text, &bytes);
    if (out != NULL)
        put_all(out, alerts, hostname);
    if (out == NULL || fclose(out) != 0) {
        free(subject);
        free(text);
        return -ENOMEM;
    }
    *ret_subject = subject;
    *ret_text = text;
    return 0;
}

void alert_text_ended(struct alerts *alerts, bool has_left)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link)
        alert_mail_ended(alerts, alert, has_left);
    alerts->has_changed = true;
}
