/* master/ctl/stats.c: posternctl stats: what went in and out, a line for each minute. */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>

#include "common/auto.h"
#include "common/clock.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

static const char *const keys[] = { "in",          "out",     "deferred", "failed",
                                    "quarantined", "refused", "put_off",  "queue_length" };
static const char *const headings[] = { "IN",          "OUT",     "DEFERRED", "FAILED",
                                        "QUARANTINED", "REFUSED", "PUT OFF",  "QUEUE" };

static void add_figure(struct table *table, const json_t *value)
{
    AUTO(free) char *text = value ? show_value(value) : NULL;

    table_add(table, text);
}

static void add_row(struct table *table, const json_t *stats, size_t index)
{
    const json_t *time = json_array_get(json_object_get(stats, "time"), index);
    const json_t *series = json_object_get(stats, "series");
    char text[CLOCK_TEXT_SIZE];

    table_add(table, clock_text(json_integer_value(time) * 1000, text));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        add_figure(table, json_array_get(json_object_get(series, keys[i]), index));
}

static void add_totals(struct table *table, const json_t *stats)
{
    const json_t *totals = json_object_get(stats, "totals");
    const char *since = show_text(stats, "since");
    AUTO(free) char *text = text_format("since %s", since ? since : "-");

    table_add(table, text);
    for (size_t i = 0; i < ARRAY_LEN(keys) - 1; i++)
        add_figure(table, json_object_get(totals, keys[i]));
    add_figure(table, json_object_get(json_object_get(stats, "queue"), "length"));
}

static void print(struct ctl *ctl, const json_t *stats)
{
    struct table *table = table_new(1 + ARRAY_LEN(keys));
    size_t count = json_array_size(json_object_get(stats, "time"));

    table_add(table, "TIME");
    for (size_t i = 0; i < ARRAY_LEN(headings); i++)
        table_add(table, headings[i]);
    for (size_t i = 0; i < count; i++)
        add_row(table, stats, i);
    add_totals(table, stats);
    table_print(table, ctl->out, 0);
    table_free(&table);
}

int stats_show(struct ctl *ctl, char **arguments)
{
    AUTO(free) char *limit = ctl->limit ? text_query(ctl->limit) : NULL;
    AUTO(free) char *target = text_format("/stats?minutes=%s", limit ? limit : "15");
    struct transport_reply reply;
    int code = ctl_get(ctl, target, &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        print(ctl, reply.body);
    ctl_reply_done(&reply);
    return CTL_DONE;
}
