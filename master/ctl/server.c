/* master/ctl/server.c: posternctl server ... */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>

#include "common/auto.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

/* ---- list ---- */

static void add_value(struct table *table, const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    AUTO(free) char *text = value && !json_is_null(value) ? show_value(value) : NULL;

    table_add(table, text);
}

static void add_row(struct table *table, const json_t *row)
{
    const char *state = show_text(row, "state");
    AUTO(free) char *drained = text_format("drained (%s)", state ? state : "-");

    table_add(table, show_text(row, "profile"));
    table_add(table, show_text(row, "server"));
    table_add(table, json_is_true(json_object_get(row, "drained")) ? drained : state);
    add_value(table, row, "since");
    add_value(table, row, "failures");
    add_value(table, row, "next_probe");
    add_value(table, row, "in_flight");
    add_value(table, row, "reason");
}

int server_list(struct ctl *ctl, char **arguments)
{
    static const char *const headings[] = { "PROFILE",  "SERVER",     "STATE",     "SINCE",
                                            "FAILURES", "NEXT PROBE", "IN FLIGHT", "REASON" };
    AUTO(free) char *name = arguments[0] ? text_query(arguments[0]) : NULL;
    AUTO(free)
    char *target = text_format("/servers%s%s", name ? "?profile=" : "", name ? name : "");
    struct transport_reply reply;
    struct table *table;
    const json_t *row;
    size_t i;
    int code = ctl_get(ctl, target, &reply);

    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        table = table_new(ARRAY_LEN(headings));
        for (i = 0; i < ARRAY_LEN(headings); i++)
            table_add(table, headings[i]);
        json_array_foreach (json_object_get(reply.body, "servers"), i, row)
            add_row(table, row);
        table_print(table, ctl->out, 0);
        table_free(&table);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* ---- orders ---- */

static int order(struct ctl *ctl, char **arguments, const char *target, const char *said)
{
    AUTO(json)
    json_t *body = json_pack("{s:s, s:s}", "profile", arguments[0], "server", arguments[1]);
    struct transport_request request = { .method = "POST", .target = target, .body = body };
    struct transport_reply reply;
    int code;

    if (!body)
        return ctl_refuse(ctl, CTL_USAGE, "%s: a name is UTF-8", arguments[0]);
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        const char *server = show_text(reply.body, "server");
        AUTO(free) char *clean = text_clean(server ? server : arguments[1]);

        fprintf(ctl->out, "%s: %s\n", clean, said);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int server_drain(struct ctl *ctl, char **arguments)
{
    return order(ctl, arguments, "/servers/drain",
                 "drained: no new mail goes there; what is under way ends by itself");
}

int server_enable(struct ctl *ctl, char **arguments)
{
    return order(ctl, arguments, "/servers/enable", "enabled: mail goes there again");
}
