/* master/control/which.c: which rule would take this mail, and why (SR06).
 *
 * The answer is the match that workers run at RCPT. Why the rules before it were passed over is
 * found by asking that same match again with one condition at a time. */
#include "master/control/which.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <string.h>

#include "common/address.h"
#include "common/auto.h"

/* Addresses may come with the angle brackets of SMTP. */
static const char *strip_brackets(const char *text, char *out, size_t room)
{
    size_t length = strlen(text);

    if (length < 2 || text[0] != '<' || text[length - 1] != '>' || length - 1 > room)
        return text;
    memcpy(out, text + 1, length - 2);
    out[length - 2] = '\0';
    return out;
}

static bool matches_alone(const struct rule *rule, const struct which *which)
{
    struct rule copy = *rule;
    struct rule *list[] = { &copy };
    const struct rule_set set = { .rules = list, .count = 1, .enabled_count = 1 };
    const struct rule *found;

    copy.enabled = true;
    return rule_set_match(&set, which->client, which->sender, which->recipient, &found) ==
           RULE_MATCH;
}

/* The conditions in the order in which a person reads them. */
static const char *why_passed_over(const struct rule *rule, const struct which *which)
{
    struct rule_pattern any = { 0 };
    struct rule clients = *rule, senders = *rule;

    if (!rule->enabled)
        return "disabled";
    clients.senders = clients.recipients = &any;
    clients.sender_count = clients.recipient_count = 1;
    if (!matches_alone(&clients, which))
        return "the client does not match";
    senders.recipients = &any;
    senders.recipient_count = 1;
    if (!matches_alone(&senders, which))
        return "the sender does not match";
    return "the recipient does not match";
}

static json_t *list_passed_over(const struct rule_set *set, const struct rule *found,
                                const struct which *which)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->count && set->rules[i] != found; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "rule", set->rules[i]->name, "because",
                                              why_passed_over(set->rules[i], which)));
    return list;
}

static size_t position_of(const struct rule_set *set, const struct rule *rule)
{
    size_t i = 0;

    while (i < set->count && set->rules[i] != rule)
        i++;
    return i + 1;
}

/* The profile, and the server that the next delivery would start with. */
static void add_way(json_t *answer, const struct control *control, uint32_t id)
{
    const struct profile *profile = registry_profile(control->registry, id);
    int start = control->backend.next_start(control->backend.self, id);

    if (!profile)
        return;
    json_object_set_new(answer, "profile", json_string(profile->name));
    if (start >= 0 && (size_t)start < profile->server_count)
        json_object_set_new(answer, "server", json_string(profile->servers[start].text));
}

json_t *which_answer(const struct control *control, const struct which *which)
{
    const struct rule_set *set = registry_rules(control->registry);
    const struct rule *rule = NULL;
    enum rule_verdict verdict =
        rule_set_match(set, which->client, which->sender, which->recipient, &rule);
    json_t *answer = NULL;

    switch (verdict) {
    case RULE_MATCH:
        answer = json_pack("{s:s, s:s, s:I}", "verdict", "match", "rule", rule->name, "position",
                           (json_int_t)position_of(set, rule));
        add_way(answer, control, rule->relay);
        json_object_set_new(answer, "why", json_string("the first enabled rule that matches wins"));
        break;
    case RULE_POSTMASTER:
        answer = json_pack("{s:s, s:s, s:s?}", "verdict", "postmaster", "why",
                           "mail for postmaster goes where the setting says, before all rules",
                           "mailbox", set->postmaster);
        add_way(answer, control, set->postmaster_profile);
        return answer;
    case RULE_NO_POSTMASTER:
        return json_pack("{s:s, s:s, s:s}", "verdict", "refused", "reply", "451 4.3.5", "why",
                         "the setting postmaster is not set");
    case RULE_NONE_ENABLED:
        answer = json_pack("{s:s, s:s, s:s}", "verdict", "refused", "reply", "451 4.3.5", "why",
                           "no rule is enabled");
        break;
    case RULE_NO_MATCH:
    default:
        answer = json_pack("{s:s, s:s, s:s}", "verdict", "refused", "reply", "550 5.7.1", "why",
                           "no rule matches");
        break;
    }
    json_object_set_new(answer, "passed_over", list_passed_over(set, rule, which));
    return answer;
}

void serve_rule_which(struct call *call)
{
    const char *client = http_request_query(call->request, "client");
    const char *from = http_request_query(call->request, "from");
    const char *to = http_request_query(call->request, "to");
    char sender[1024], recipient[1024];
    struct address address;
    struct which which;

    if (!client || !from || !to || !*to) {
        call_refuse(call, 400, "query", "client, from (empty: the null sender) and to are needed");
        return;
    }
    if (address_parse(client, 25, &address) < 0) {
        call_refuse(call, 422, "invalid", "client: %.64s is no IP address", client);
        return;
    }
    which = (struct which){ .client = &address.sa,
                            .sender = strip_brackets(from, sender, sizeof(sender)),
                            .recipient = strip_brackets(to, recipient, sizeof(recipient)) };
    call_answer(call, 200, which_answer(call->control, &which));
}
