#include "master/alerts_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define REPEAT_MS 3600000

/* Lines about what is a cause of its own. */
static const struct {
    const char *module, *text;
} told_elsewhere[] = {
    { "health", "" },
    { "dispatch", "a message is held" },
};

static void copy(char *out, size_t size, const char *text)
{
    size_t bytes = strnlen(text, size - 1);

    memcpy(out, text, bytes);
    out[bytes] = '\0';
}

/* What is cut, or comes from outside, may be no UTF-8: that would be no JSON. */
static void make_showable(char *text)
{
    json_t *shown = json_string(text);

    for (char *c = text; shown == NULL && *c != '\0'; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    json_decref(shown);
}

static void set_text(struct alert *alert, const char *text)
{
    copy(alert->text, sizeof(alert->text), text);
    make_showable(alert->text);
}

/* ---- the list ---- */

static bool is_standing(const struct alert *alert)
{
    return alert->kind != ALERT_LOG && alert->ended_ms == 0;
}

static struct alert *find_line(const struct alerts *alerts, const struct alert *wanted)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        if (alert->kind == ALERT_LOG && strcmp(alert->process, wanted->process) == 0 &&
            strcmp(alert->module, wanted->module) == 0 && strcmp(alert->text, wanted->text) == 0)
            return alert;
    }
    return NULL;
}

static struct alert *find_cause(const struct alerts *alerts, enum alert_kind kind,
                                const char *object)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        if (alert->kind == kind && strcmp(alert->object, object) == 0)
            return alert;
    }
    return NULL;
}

/* The oldest that nobody waits for. */
static struct alert *find_spare(const struct alerts *alerts)
{
    struct alert *alert;

    TAILQ_FOREACH_REVERSE(alert, &alerts->list, alert_list, link)
    {
        if (!is_standing(alert) && alert->mail.news == ALERT_NO_NEWS)
            return alert;
    }
    return NULL;
}

/* A new entry, in the place of another when there are enough. NULL: all that there are stand, or no
 * memory. */
static struct alert *make(struct alerts *alerts)
{
    struct alert *alert;

    if (alerts->count >= ALERTS_MAX) {
        alert = find_spare(alerts);
        if (alert == NULL)
            return NULL;
        TAILQ_REMOVE(&alerts->list, alert, link);
    } else {
        alert = malloc(sizeof(*alert));
        if (alert == NULL)
            return NULL;
        alerts->count++;
    }
    *alert = (struct alert){ .number = ++alerts->last_number };
    TAILQ_INSERT_HEAD(&alerts->list, alert, link);
    return alert;
}

static void put_first(struct alerts *alerts, struct alert *alert)
{
    TAILQ_REMOVE(&alerts->list, alert, link);
    TAILQ_INSERT_HEAD(&alerts->list, alert, link);
}

/* ---- log lines ---- */

static bool is_told_elsewhere(const struct alert *line)
{
    for (size_t i = 0; i < sizeof(told_elsewhere) / sizeof(told_elsewhere[0]); i++) {
        if (strcmp(line->module, told_elsewhere[i].module) == 0 &&
            strncmp(line->text, told_elsewhere[i].text, strlen(told_elsewhere[i].text)) == 0)
            return true;
    }
    return false;
}

void alerts_take(struct alerts *alerts, const char *process, const char *module, const char *text)
{
    struct alert taken = { .kind = ALERT_LOG }, *alert;

    if (alerts == NULL)
        return;
    copy(taken.process, sizeof(taken.process), process);
    copy(taken.module, sizeof(taken.module), module);
    make_showable(taken.module);
    set_text(&taken, text);
    alert = find_line(alerts, &taken);
    if (alert == NULL) {
        alert = make(alerts);
        if (alert == NULL)
            return;
        memcpy(alert->process, taken.process, sizeof(taken.process));
        memcpy(alert->module, taken.module, sizeof(taken.module));
        memcpy(alert->text, taken.text, sizeof(taken.text));
        alert->first_ms = alert->since_ms = alerts->wall_ms();
        alert->has_cause = is_told_elsewhere(alert);
    }
    alert->count++;
    alert->last_ms = alerts->wall_ms();
    put_first(alerts, alert);
}

static void on_alert(const char *module, const char *text, void *arg)
{
    alerts_take(arg, "master", module, text);
}

/* ---- rounds ---- */

void alerts_round(struct alerts *alerts)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link)
        alert->is_seen = false;
}

static struct alert *begin(struct alerts *alerts, struct alert *alert, enum alert_kind kind,
                           const char *object)
{
    const int64_t now_ms = alerts->wall_ms();

    if (alert == NULL) {
        alert = make(alerts);
        if (alert == NULL)
            return NULL;
        alert->kind = kind;
        copy(alert->object, sizeof(alert->object), object);
        copy(alert->process, sizeof(alert->process), "master");
        copy(alert->module, sizeof(alert->module), "alerts");
        alert->first_ms = now_ms;
    }
    put_first(alerts, alert);
    alert->count++;
    /* Two stories never have the same begin, however fast the one followed on the other. */
    alert->since_ms = now_ms > alert->since_ms ? now_ms : alert->since_ms + 1;
    alert->ended_ms = 0;
    alert->is_owed = false;
    alerts->has_changed = true;
    return alert;
}

void alerts_stands(struct alerts *alerts, enum alert_kind kind, const char *object, int level,
                   const char *text)
{
    char name[sizeof(((struct alert *)0)->object)];
    struct alert *alert;

    copy(name, sizeof(name), object);
    make_showable(name);
    alert = find_cause(alerts, kind, name);
    if (alert == NULL || alert->ended_ms != 0)
        alert = begin(alerts, alert, kind, name);
    if (alert == NULL)
        return;
    alert->is_seen = true;
    alert->is_remembered = false;
    alert->level = level;
    alert->last_ms = alerts->wall_ms();
    set_text(alert, text);
}

void alerts_round_ends(struct alerts *alerts, unsigned known)
{
    const int64_t now_ms = alerts->wall_ms();
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        if (!is_standing(alert) || alert->is_seen || (known & 1U << alert->kind) == 0 ||
            (alert->is_remembered && now_ms < alerts->grace_until_ms))
            continue;
        alert_end(alerts, alert);
        alerts->has_changed = true;
    }
}

bool alerts_is_standing(const struct alerts *alerts, enum alert_kind kind, const char *object)
{
    const struct alert *alert = find_cause(alerts, kind, object);

    return alert != NULL && is_standing(alert);
}

bool alerts_has_changed(struct alerts *alerts)
{
    const bool has_changed = alerts->has_changed;

    alerts->has_changed = false;
    return has_changed;
}

void alerts_forget_news(struct alerts *alerts)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        alert->told_count = alert->count;
        alert->is_owed = false;
        if (alert->ended_ms != 0)
            alert->is_end_told = true;
    }
}

/* ---- life ---- */

struct alerts *alerts_new(void)
{
    struct alerts *alerts = calloc(1, sizeof(*alerts));

    if (alerts == NULL)
        return NULL;
    TAILQ_INIT(&alerts->list);
    alerts->wall_ms = clock_wall_ms;
    alerts->repeat_ms = REPEAT_MS;
    log_on_alert(on_alert, alerts);
    return alerts;
}

void alerts_set_clock(struct alerts *alerts, int64_t (*wall_ms)(void))
{
    alerts->wall_ms = wall_ms;
}

void alerts_set_repeat(struct alerts *alerts, int64_t repeat_ms)
{
    alerts->repeat_ms = repeat_ms;
}

void alerts_free(struct alerts **alerts)
{
    struct alert *alert;

    if (*alerts == NULL)
        return;
    log_on_alert(NULL, NULL);
    while ((alert = TAILQ_FIRST(&(*alerts)->list)) != NULL) {
        TAILQ_REMOVE(&(*alerts)->list, alert, link);
        free(alert);
    }
    free(*alerts);
    *alerts = NULL;
}

/* ---- over a restart ---- */

json_t *alerts_record(const struct alerts *alerts)
{
    json_t *record = json_array();
    const struct alert *alert;

    TAILQ_FOREACH_REVERSE(alert, &alerts->list, alert_list, link)
    {
        if (is_standing(alert))
            (void)json_array_append_new(
                record,
                json_pack("{ss ss ss sI sI sI sI sI sb}", "kind", alert_rows[alert->kind].name,
                          "object", alert->object, "text", alert->text, "count", alert->count,
                          "first", (json_int_t)alert->first_ms, "since",
                          (json_int_t)alert->since_ms, "mailed", (json_int_t)alert->mailed_ms,
                          "level", (json_int_t)alert->told_level, "told",
                          alert->told_since == alert->since_ms));
    }
    return record;
}

static enum alert_kind kind_named(const char *name)
{
    enum alert_kind kind = ALERT_LOG + 1;

    while (kind < ALERT_KIND_COUNT && strcmp(alert_rows[kind].name, name) != 0)
        kind++;
    return kind;
}

static void remember(struct alerts *alerts, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "kind"));
    const char *object = json_string_value(json_object_get(entry, "object"));
    const char *text = json_string_value(json_object_get(entry, "text"));
    const enum alert_kind kind = name != NULL ? kind_named(name) : ALERT_KIND_COUNT;
    struct alert *alert;

    if (kind == ALERT_KIND_COUNT || object == NULL || text == NULL ||
        find_cause(alerts, kind, object) != NULL)
        return;
    alert = begin(alerts, NULL, kind, object);
    if (alert == NULL)
        return;
    set_text(alert, text);
    alert->count = json_integer_value(json_object_get(entry, "count"));
    alert->first_ms = json_integer_value(json_object_get(entry, "first"));
    alert->since_ms = json_integer_value(json_object_get(entry, "since"));
    alert->last_ms = alert->since_ms;
    alert->mailed_ms = json_integer_value(json_object_get(entry, "mailed"));
    alert->level = alert->told_level = (int)json_integer_value(json_object_get(entry, "level"));
    alert->told_since = json_is_true(json_object_get(entry, "told")) ? alert->since_ms : 0;
    alert->is_remembered = true;
}

void alerts_remember(struct alerts *alerts, const json_t *record)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (record, i, entry)
        remember(alerts, entry);
    alerts->grace_until_ms = alerts->wall_ms() + ALERTS_GRACE_MS;
}

/* ---- for people ---- */

static json_t *time_shown(int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];

    return wall_ms != 0 ? json_string(clock_text(wall_ms, text)) : json_null();
}

json_t *alerts_shown(const struct alerts *alerts)
{
    json_t *shown = json_array();
    const struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link)
        (void)json_array_append_new(
            shown,
            json_pack("{sI so so sI ss ss ss ss ss so so so}", "number", alert->number, "time",
                      time_shown(alert->first_ms), "last", time_shown(alert->last_ms), "count",
                      alert->count, "process", alert->process, "module", alert->module, "text",
                      alert->text, "kind", alert_rows[alert->kind].name, "object", alert->object,
                      "since", time_shown(alert->since_ms), "ended", time_shown(alert->ended_ms),
                      "mailed", time_shown(alert->mailed_ms)));
    return shown;
}
