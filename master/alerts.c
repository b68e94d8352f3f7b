#include "master/alerts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"

struct alert {
    TAILQ_ENTRY(alert) link; /* the one that was heard last is first */
    json_int_t number, count;
    int64_t first_ms, last_ms;
    char process[16];
    char module[32];
    char text[512];
};

TAILQ_HEAD(alert_list, alert);

struct alerts {
    struct alert_list list;
    unsigned count;
    json_int_t last_number;
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

static struct alert *find(struct alerts *alerts, const struct alert *wanted)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        if (strcmp(alert->process, wanted->process) == 0 &&
            strcmp(alert->module, wanted->module) == 0 && strcmp(alert->text, wanted->text) == 0)
            return alert;
    }
    return NULL;
}

/* A new entry, in the place of the oldest when there are enough. */
static struct alert *make(struct alerts *alerts)
{
    struct alert *alert;

    if (alerts->count >= ALERTS_MAX) {
        alert = TAILQ_LAST(&alerts->list, alert_list);
        TAILQ_REMOVE(&alerts->list, alert, link);
        return alert;
    }
    alert = calloc(1, sizeof(*alert));
    if (alert != NULL)
        alerts->count++;
    return alert;
}

void alerts_take(struct alerts *alerts, const char *process, const char *module, const char *text)
{
    struct alert taken = { .first_ms = clock_wall_ms() }, *alert;

    if (alerts == NULL)
        return;
    copy(taken.process, sizeof(taken.process), process);
    copy(taken.module, sizeof(taken.module), module);
    copy(taken.text, sizeof(taken.text), text);
    make_showable(taken.module);
    make_showable(taken.text);
    alert = find(alerts, &taken);
    if (alert != NULL) {
        TAILQ_REMOVE(&alerts->list, alert, link);
    } else {
        alert = make(alerts);
        if (alert == NULL)
            return;
        *alert = taken;
        alert->number = ++alerts->last_number;
    }
    alert->count++;
    alert->last_ms = clock_wall_ms();
    TAILQ_INSERT_HEAD(&alerts->list, alert, link);
}

static void on_alert(const char *module, const char *text, void *arg)
{
    alerts_take(arg, "master", module, text);
}

struct alerts *alerts_new(void)
{
    struct alerts *alerts = calloc(1, sizeof(*alerts));

    if (alerts == NULL)
        return NULL;
    TAILQ_INIT(&alerts->list);
    log_on_alert(on_alert, alerts);
    return alerts;
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

json_t *alerts_shown(const struct alerts *alerts)
{
    json_t *shown = json_array();
    const struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        char first[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];

        json_array_append_new(
            shown, json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:s}", "number", alert->number, "time",
                             clock_text(alert->first_ms, first), "last",
                             clock_text(alert->last_ms, last), "count", alert->count, "process",
                             alert->process, "module", alert->module, "text", alert->text));
    }
    return shown;
}
