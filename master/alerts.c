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

static struct alert *find(struct alerts *alerts, const char *module, const char *text)
{
    struct alert *alert;

    TAILQ_FOREACH (alert, &alerts->list, link) {
        if (strcmp(alert->module, module) == 0 && strcmp(alert->text, text) == 0)
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
        memset(alert, 0, sizeof(*alert));
        return alert;
    }
    alert = calloc(1, sizeof(*alert));
    if (alert != NULL)
        alerts->count++;
    return alert;
}

static void on_alert(const char *module, const char *line, void *arg)
{
    struct alerts *alerts = arg;
    char short_module[sizeof(((struct alert *)0)->module)];
    char text[sizeof(((struct alert *)0)->text)];
    struct alert *alert;

    copy(short_module, sizeof(short_module), module);
    copy(text, sizeof(text), line);
    alert = find(alerts, short_module, text);
    if (alert != NULL) {
        TAILQ_REMOVE(&alerts->list, alert, link);
    } else {
        alert = make(alerts);
        if (alert == NULL)
            return;
        memcpy(alert->module, short_module, sizeof(short_module));
        memcpy(alert->text, text, sizeof(text));
        alert->number = ++alerts->last_number;
        alert->first_ms = clock_wall_ms();
    }
    alert->count++;
    alert->last_ms = clock_wall_ms();
    TAILQ_INSERT_HEAD(&alerts->list, alert, link);
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

        json_array_append_new(shown,
                              json_pack("{s:I, s:s, s:s, s:I, s:s, s:s}", "number", alert->number,
                                        "time", clock_text(alert->first_ms, first), "last",
                                        clock_text(alert->last_ms, last), "count", alert->count,
                                        "module", alert->module, "text", alert->text));
    }
    return shown;
}
