/* master/ctl/operation.c: posternctl status, worker, audit, alert, key. */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

int status_show(struct ctl *ctl, char **arguments)
{
    struct transport_reply reply;
    int code = ctl_get(ctl, "/status", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        show_object(ctl->out, reply.body, 0);
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* One row per object of `list`, one column per key. */
static void print_columns(struct ctl *ctl, const json_t *list, size_t count,
                          const char *const *headings, const char *const *keys)
{
    struct table *table = table_new(count);
    const json_t *row;
    size_t i;

    for (i = 0; i < count; i++)
        table_add(table, headings[i]);
    json_array_foreach (list, i, row) {
        for (size_t k = 0; k < count; k++) {
            const json_t *value = json_object_get(row, keys[k]);
            AUTO(free) char *text = value ? show_value(value) : NULL;

            table_add(table, text);
        }
    }
    table_print(table, ctl->out, 0);
    table_free(&table);
}

/* Asks for `target` and prints the rows of its `member`. */
static int print_list(struct ctl *ctl, const char *target, const char *member, size_t count,
                      const char *const *headings, const char *const *keys)
{
    struct transport_reply reply;
    int code = ctl_get(ctl, target, &reply);

    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        print_columns(ctl, json_object_get(reply.body, member), count, headings, keys);
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int worker_list(struct ctl *ctl, char **arguments)
{
    static const char *const keys[] = {
        "slot",     "pid",       "state",          "since",           "restarts",        "jobs",
        "accepted", "delivered", "connections_in", "connections_out", "longest_turn_us", "rss_kib",
        "behind"
    };
    static const char *const headings[] = { "SLOT",    "PID",      "STATE",     "SINCE", "RESTARTS",
                                            "JOBS",    "ACCEPTED", "DELIVERED", "IN",    "OUT",
                                            "TURN us", "RSS KiB",  "BEHIND" };

    (void)arguments;
    return print_list(ctl, "/workers", "workers", ARRAY_LEN(keys), headings, keys);
}

int audit_list(struct ctl *ctl, char **arguments)
{
    static const char *const keys[] = { "number", "time", "who", "what", "object", "detail" };
    static const char *const headings[] = { "NUMBER", "TIME", "WHO", "WHAT", "OBJECT", "DETAIL" };
    AUTO(free) char *limit = ctl->limit ? text_query(ctl->limit) : NULL;
    AUTO(free) char *after = ctl->after ? text_query(ctl->after) : NULL;
    AUTO(free)
    char *target = text_format("/audit?limit=%s%s%s", limit ? limit : "100",
                               after ? "&before=" : "", after ? after : "");

    (void)arguments;
    return print_list(ctl, target, "entries", ARRAY_LEN(keys), headings, keys);
}

int ambiguous_list(struct ctl *ctl, char **arguments)
{
    static const char *const keys[] = { "time",    "id",     "group", "attempt",
                                        "profile", "server", "state" };
    static const char *const headings[] = { "TIME",    "ID",     "GROUP", "ATTEMPT",
                                            "PROFILE", "SERVER", "NOW" };
    AUTO(free) char *limit = ctl->limit ? text_query(ctl->limit) : NULL;
    AUTO(free) char *target = text_format("/ambiguous?limit=%s", limit ? limit : "100");

    (void)arguments;
    return print_list(ctl, target, "losses", ARRAY_LEN(keys), headings, keys);
}

int alert_list(struct ctl *ctl, char **arguments)
{
    static const char *const keys[] = { "since", "ended",   "mailed", "count",
                                        "kind",  "process", "text" };
    static const char *const headings[] = { "SINCE", "ENDED",   "MAILED", "COUNT",
                                            "KIND",  "PROCESS", "TEXT" };

    (void)arguments;
    return print_list(ctl, "/alerts", "alerts", ARRAY_LEN(keys), headings, keys);
}

int alert_test(struct ctl *ctl, char **arguments)
{
    struct transport_request request = { .method = "POST", .target = "/alerts/test" };
    struct transport_reply reply;
    int code = ctl_call(ctl, &request, &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        fprintf(ctl->out, "a test alert is on its way: message %s\n",
                json_string_value(json_object_get(reply.body, "id")));
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int key_rotate(struct ctl *ctl, char **arguments)
{
    struct transport_request request = { .method = "POST", .target = "/key/rotate" };
    struct transport_reply reply;
    int code = ctl_call(ctl, &request, &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        fprintf(ctl->out, "all secrets are sealed under a new key\n");
    ctl_reply_done(&reply);
    return CTL_DONE;
}
