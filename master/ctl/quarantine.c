/* master/ctl/quarantine.c: posternctl quarantine ... */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include "common/auto.h"
#include "master/ctl/order.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

static void add_value(struct table *table, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    AUTO(free) char *text = value ? show_value(value) : NULL;

    table_add(table, text);
}

/* In detail the recipients are objects; the first stands for all. */
static const char *first_recipient(const json_t *message)
{
    return show_text(json_array_get(json_object_get(message, "recipients"), 0), "address");
}

static void add_row(struct table *table, const json_t *row)
{
    const json_t *message = json_object_get(row, "message");
    const char *sender = show_text(message, "sender");

    table_add(table, show_text(row, "id"));
    add_value(table, row, "group");
    table_add(table, show_text(row, "received"));
    table_add(table, show_text(row, "rule"));
    table_add(table, sender && !*sender ? "<>" : sender);
    table_add(table, first_recipient(message));
    table_add(table, show_text(json_object_get(message, "scan"), "reason"));
}

static void print_rows(struct ctl *ctl, const json_t *body)
{
    static const char *const headings[] = { "ID",   "GROUP", "RECEIVED", "RULE",
                                            "FROM", "TO",    "REASON" };
    struct table *table = table_new(ARRAY_LEN(headings));
    const char *next = show_text(body, "next");
    const json_t *row;
    size_t i;

    for (i = 0; i < ARRAY_LEN(headings); i++)
        table_add(table, headings[i]);
    json_array_foreach (json_object_get(body, "messages"), i, row)
        add_row(table, row);
    table_print(table, ctl->out, 0);
    table_free(&table);
    if (next) {
        AUTO(free) char *clean = text_clean(next);

        fprintf(ctl->err, "there is more: --after %s\n", clean);
    }
}

int quarantine_list(struct ctl *ctl, char **arguments)
{
    AUTO(free) char *target = text_format("/quarantine");
    struct transport_reply reply;
    int code;

    (void)arguments;
    order_add_query(&target, "limit", ctl->limit);
    order_add_query(&target, "after", ctl->after);
    code = ctl_get(ctl, target, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        print_rows(ctl, reply.body);
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* The way of a message is the same wherever it waits. */
int quarantine_show(struct ctl *ctl, char **arguments)
{
    return queue_show(ctl, arguments);
}

int quarantine_release(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "quarantine", arguments, "POST", "/release", "released");
}

int quarantine_rescan(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "quarantine", arguments, "POST", "/rescan", "is scanned again");
}

int quarantine_forward(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *body = json_pack("{s:s}", "to", arguments[1]);

    if (!body)
        return ctl_refuse(ctl, CTL_USAGE, "%s: a mailbox is UTF-8", arguments[1]);
    return order_one(ctl, "quarantine", arguments[0], "POST", "/forward", body, "forwarded");
}

int quarantine_delete(struct ctl *ctl, char **arguments)
{
    return order_each(ctl, "quarantine", arguments, "DELETE", "", "deleted");
}
