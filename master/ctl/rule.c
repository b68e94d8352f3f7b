/* master/ctl/rule.c: posternctl rule ... */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

static void add_rule(struct table *table, size_t position, const json_t *rule)
{
    static const char *const conditions[] = { "clients", "senders", "recipients" };
    const json_t *match = json_object_get(rule, "match");
    AUTO(free) char *number = text_format("%zu", position);

    table_add(table, number);
    table_add(table, show_text(rule, "name"));
    table_add(table, json_is_true(json_object_get(rule, "enabled")) ? "yes" : "no");
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        const json_t *list = json_object_get(match, conditions[i]);
        AUTO(free) char *text = list ? show_value(list) : NULL;

        table_add(table, text);
    }
    table_add(table, show_text(rule, "relay"));
    table_add(table, show_text(rule, "core"));
    table_add(table, show_text(rule, "vault"));
}

int rule_list(struct ctl *ctl, char **arguments)
{
    static const char *const headings[] = { "#",          "NAME",  "ENABLED", "CLIENTS", "SENDERS",
                                            "RECIPIENTS", "RELAY", "CORE",    "VAULT" };
    struct transport_reply reply;
    struct table *table;
    const json_t *rule;
    size_t i;
    int code = ctl_get(ctl, "/rules", &reply);

    (void)arguments;
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        table = table_new(ARRAY_LEN(headings));
        for (i = 0; i < ARRAY_LEN(headings); i++)
            table_add(table, headings[i]);
        json_array_foreach (json_object_get(reply.body, "rules"), i, rule)
            add_rule(table, i + 1, rule);
        table_print(table, ctl->out, 0);
        table_free(&table);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int rule_show(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *rule = NULL;
    int code = ctl_find(ctl, "rules", arguments[0], &rule);

    if (code == CTL_DONE && !ctl_print_json(ctl, rule))
        show_object(ctl->out, rule, 0);
    return code;
}

int rule_put(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *input = NULL;
    struct transport_request request = { .method = "POST", .target = "/rules" };
    struct transport_reply reply;
    int code = ctl_read_file(ctl, arguments[0], &input);

    if (code != CTL_DONE)
        return code;
    request.body = input;
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        const json_t *rule = json_object_get(reply.body, "rule");
        AUTO(free) char *name = text_clean(show_text(rule, "name") ? show_text(rule, "name") : "");

        fprintf(ctl->out, "%s rule \"%s\", version %" JSON_INTEGER_FORMAT "\n",
                json_is_true(json_object_get(reply.body, "created")) ? "created" : "updated", name,
                json_integer_value(json_object_get(rule, "version")));
        ctl_print_warnings(ctl, reply.body);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

/* Finds the rule, then asks for `method` on /rules/<id><behind>. */
static int change_rule(struct ctl *ctl, const char *name, const char *method, const char *behind,
                       const json_t *body, const char *said)
{
    AUTO(json) json_t *rule = NULL;
    AUTO(free) char *target = NULL;
    struct transport_request request = { .method = method, .body = body };
    struct transport_reply reply;
    int code = ctl_find(ctl, "rules", name, &rule);

    if (code != CTL_DONE)
        return code;
    target = text_format("/rules/%" JSON_INTEGER_FORMAT "%s",
                         json_integer_value(json_object_get(rule, "id")), behind);
    request.target = target;
    code = ctl_call(ctl, &request, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body)) {
        AUTO(free) char *clean = text_clean(name);

        fprintf(ctl->out, "%s rule \"%s\"\n", said, clean);
        ctl_print_warnings(ctl, reply.body);
    }
    ctl_reply_done(&reply);
    return CTL_DONE;
}

int rule_delete(struct ctl *ctl, char **arguments)
{
    return change_rule(ctl, arguments[0], "DELETE", "", NULL, "deleted");
}

int rule_move(struct ctl *ctl, char **arguments)
{
    AUTO(json) json_t *body = NULL;
    char *end;
    unsigned long position = strtoul(arguments[1], &end, 10);

    if (*end || end == arguments[1] || arguments[1][0] == '-' || position == 0 ||
        position > 1000000)
        return ctl_refuse(ctl, CTL_USAGE, "%s: a position is a number, 1 is the first",
                          arguments[1]);
    body = json_pack("{s:I}", "position", (json_int_t)position);
    return change_rule(ctl, arguments[0], "POST", "/move", body, "moved");
}

int rule_which(struct ctl *ctl, char **arguments)
{
    AUTO(free) char *client = NULL;
    AUTO(free) char *from = NULL;
    AUTO(free) char *to = NULL;
    AUTO(free) char *target = NULL;
    struct transport_reply reply;
    int code;

    (void)arguments;
    if (!ctl->client || !ctl->from || !ctl->to)
        return ctl_refuse(ctl, CTL_USAGE, "rule which: --client, --from and --to are needed");
    client = text_query(ctl->client);
    from = text_query(ctl->from);
    to = text_query(ctl->to);
    target = text_format("/rules/which?client=%s&from=%s&to=%s", client, from, to);
    code = ctl_get(ctl, target, &reply);
    if (code != CTL_DONE)
        return code;
    if (!ctl_print_json(ctl, reply.body))
        show_object(ctl->out, reply.body, 0);
    ctl_reply_done(&reply);
    return CTL_DONE;
}
