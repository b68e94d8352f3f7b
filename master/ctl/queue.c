/* master/ctl/queue.c: posternctl queue ... */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/attempts.h"
#include "master/ctl/order.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

/* ---- list ---- */

static void add_value(struct table *table, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    AUTO(free) char *text = value ? show_value(value) : NULL;

    table_add(table, text);
}

static void add_row(struct table *table, const json_t *row)
{
    const json_t *message = json_object_get(row, "message");
    const char *sender = show_text(message, "sender");

    table_add(table, show_text(row, "id"));
    add_value(table, row, "group");
    table_add(table, show_text(row, "state"));
    table_add(table, show_text(row, "profile"));
    add_value(table, row, "attempts");
    add_value(table, row, "next_attempt");
    add_value(table, row, "bytes");
    table_add(table, sender && !*sender ? "<>" : sender);
    add_value(table, message, "recipients");
}

int queue_list(struct ctl *ctl, char **arguments)
{
    static const char *const headings[] = { "ID",   "GROUP", "STATE", "PROFILE", "ATTEMPTS",
                                            "NEXT", "BYTES", "FROM",  "TO" };
    AUTO(free) char *target = text_format("/queue");
    struct transport_reply reply;
    struct table *table;
    const json_t *row;
    size_t i;
    int code;

    (void)arguments;
    order_add_query(&target, "state", ctl->state);
    order_add_query(&target, "profile", ctl->profile);
    order_add_query(&target, "rule", ctl->rule);
    order_add_query(&target, "limit", ctl->limit);
    order_add_query(&target, "after", ctl->after);
    code = ctl_get(ctl, target, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        const char *next = show_text(reply.body, "next");

        table = table_new(ARRAY_LEN(headings));
        for (i = 0; i < ARRAY_LEN(headings); i++)
            table_add(table, headings[i]);
        json_array_foreach (json_object_get(reply.body, "messages"), i, row)
            add_row(table, row);
        table_print(table, ctl->out, 0);
        table_free(&table);
        if (next) {
            AUTO(free) char *clean = text_clean(next);

            fprintf(ctl->err, "there is more: --after %s\n", clean);
        }
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* ---- one message ---- */

static void show_group(FILE *out, const json_t *group)
{
    json_t *message = json_object_get(group, "message");
    AUTO(json) json_t *attempts = json_incref(json_object_get(message, "attempts"));

    json_object_del(message, "attempts");
    fputc('\n', out);
    show_object(out, group, 2);
    if (json_array_size(attempts) > 0)
        fputc('\n', out);
    attempts_show(out, attempts, 2);
}

int queue_show(struct ctl *ctl, char **arguments)
{
    AUTO(free) char *id = text_query(arguments[0]);
    AUTO(free) char *target = text_format("/queue/%s", id);
    AUTO(json) json_t *groups = NULL;
    struct transport_reply reply;
    const json_t *group;
    size_t i;
    int code = ctl_get(ctl, target, &reply);

    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        groups = json_incref(json_object_get(reply.body, "groups"));
        json_object_del(reply.body, "groups");
        show_object(ctl->out, reply.body, 0);
        json_array_foreach (groups, i, group)
            show_group(ctl->out, group);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* ---- orders ---- */

int queue_retry(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "queue", arguments, "POST", "/retry", "is tried now");
}

int queue_hold(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "queue", arguments, "POST", "/hold", "held");
}

int queue_release(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "queue", arguments, "POST", "/release", "released");
}

int queue_delete(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "queue", arguments, "DELETE", "", "deleted");
}

int queue_reroute(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *body = json_pack("{s:s}", "profile", arguments[1]);

    if (!body)
        return ctl_refuse(ctl, CTL_USAGE, "%s: a name is UTF-8", arguments[1]);
    return order_one(ctl, "queue", arguments[0], "POST", "/reroute", body, "rerouted");
}
