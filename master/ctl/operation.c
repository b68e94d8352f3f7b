/* master/ctl/operation.c: posternctl status, worker, audit, key. */
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
    struct transport_reply reply;
    struct table *table;
    const json_t *worker;
    size_t i;
    int code = ctl_get(ctl, "/workers", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        table = table_new(ARRAY_LEN(keys));
        for (i = 0; i < ARRAY_LEN(keys); i++)
            table_add(table, headings[i]);
        json_array_foreach (json_object_get(reply.body, "workers"), i, worker) {
            for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
                const json_t *value = json_object_get(worker, keys[k]);
                AUTO(free) char *text = value ? show_value(value) : NULL;

                table_add(table, text);
            }
        }
        table_print(table, ctl->out, 0);
        table_free(&table);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int audit_list(struct ctl *ctl, char **arguments)
{
    AUTO(free) char *limit = ctl->limit ? text_query(ctl->limit) : NULL;
    AUTO(free) char *after = ctl->after ? text_query(ctl->after) : NULL;
    AUTO(free)
    char *target = text_format("/audit?limit=%s%s%s", limit ? limit : "100",
                               after ? "&before=" : "", after ? after : "");
    struct transport_reply reply;
    int code = ctl_get(ctl, target, &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        show_list(ctl->out, json_object_get(reply.body, "entries"), 0);
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
