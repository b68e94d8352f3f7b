#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "common/profile.h"
#include "common/rule_private.h"

struct reading {
    const json_t *input;
    struct rule *rule;
    rule_find_profile *find;
    void *arg;
    struct problems *problems;
};

static void read_name(const struct reading *r)
{
    static const char allowed[] = "1 to 128 characters without control characters";
    const json_t *value = json_object_get(r->input, "name");
    const char *typed = json_string_value(value);
    struct reason why = { "must be a text" };

    if (value == NULL || json_is_null(value)) {
        problem_add(r->problems, "name", NULL, allowed, "is missing");
        return;
    }
    if (typed != NULL && strlen(typed) == json_string_length(value))
        r->rule->name = names_clean(typed, &why);
    if (r->rule->name == NULL)
        problem_add(r->problems, "name", value, allowed, "%s", why.text);
}

/* ---- lists ---- */

/* Puts one text into the rule's list. 0 or negative with the reason. */
typedef int add_item(struct rule *rule, const char *text, struct reason *reterr_why);

struct list {
    const char *name, *allowed;
    const char *fallback[2];
    size_t min, max;
    add_item *add;
};

static int add_client(struct rule *rule, const char *text, struct reason *reterr_why)
{
    int err = rule_network_parse(text, &rule->clients[rule->client_count], reterr_why);

    rule->client_count += err == 0;
    return err;
}

static int add_sender(struct rule *rule, const char *text, struct reason *reterr_why)
{
    int err = rule_pattern_parse(text, true, &rule->senders[rule->sender_count], reterr_why);

    rule->sender_count += err == 0;
    return err;
}

static int add_recipient(struct rule *rule, const char *text, struct reason *reterr_why)
{
    int err = rule_pattern_parse(text, false, &rule->recipients[rule->recipient_count], reterr_why);

    rule->recipient_count += err == 0;
    return err;
}

static int add_share(struct rule *rule, const char *text, struct reason *reterr_why)
{
    char **slot = &rule->upload.share_with[rule->upload.share_with_count];
    size_t length = strlen(text);

    if (length < 1 || length > 512 || !names_is_clean_text(text))
        return reason_set(reterr_why, -EINVAL, "is empty, too long or has a control character");
    *slot = strdup(text);
    rule->upload.share_with_count += *slot != NULL;
    return *slot != NULL ? 0 : -ENOMEM;
}

static const struct list lists[] = {
    { "match.clients",
      "an IP network such as 10.0.0.0/8 or 2001:db8::/32, or an IP address",
      { "0.0.0.0/0", "::/0" },
      1,
      RULE_MAX_CLIENTS,
      add_client },
    { "match.senders",
      "*, *@example.net, user@*, user@example.net or <>",
      { "*" },
      1,
      RULE_MAX_PATTERNS,
      add_sender },
    { "match.recipients",
      "*, *@example.net, user@* or user@example.net",
      { NULL },
      1,
      RULE_MAX_PATTERNS,
      add_recipient },
    { "upload.share_with",
      "a user name or mail address of 1 to 512 bytes",
      { NULL },
      0,
      RULE_MAX_SHARES,
      add_share },
};

static int allocate(const struct list *list, struct rule *rule, size_t count)
{
    void *memory = calloc(count + 1, list->add == add_client  ? sizeof(struct rule_network)
                                     : list->add == add_share ? sizeof(char *)
                                                              : sizeof(struct rule_pattern));

    if (list->add == add_client)
        rule->clients = memory;
    else if (list->add == add_sender)
        rule->senders = memory;
    else if (list->add == add_recipient)
        rule->recipients = memory;
    else
        rule->upload.share_with = memory;
    return memory != NULL ? 0 : -ENOMEM;
}

static void add_item_of(const struct list *list, const struct reading *r, size_t index,
                        const json_t *value)
{
    const char *text = json_string_value(value);
    struct reason why = { "must be a text" };
    char name[64];
    int err = -EINVAL;

    if (text != NULL && strlen(text) == json_string_length(value))
        err = list->add(r->rule, text, &why);
    if (err == -ENOMEM)
        r->problems->out_of_memory = true;
    if (err == 0)
        return;
    (void)snprintf(name, sizeof(name), "%s[%zu]", list->name, index);
    problem_add(r->problems, name, value, list->allowed, "%s", why.text);
}

static void read_list(const struct list *list, const struct reading *r)
{
    const json_t *value = property_value(r->input, list->name);
    size_t count = json_array_size(value);
    char allowed[64];

    (void)snprintf(allowed, sizeof(allowed), "a list of %zu to %zu texts", list->min, list->max);
    if (value == NULL || json_is_null(value)) {
        if (list->min > 0 && list->fallback[0] == NULL)
            problem_add(r->problems, list->name, NULL, list->allowed, "is missing");
        else if (allocate(list, r->rule, 2) < 0)
            r->problems->out_of_memory = true;
        else
            for (size_t i = 0; i < 2 && list->fallback[i] != NULL; i++)
                (void)list->add(r->rule, list->fallback[i], NULL);
        return;
    }
    if (!json_is_array(value)) {
        problem_add(r->problems, list->name, value, allowed, "must be a list");
    } else if (count < list->min || count > list->max) {
        problem_add(r->problems, list->name, value, allowed, "has %zu entries", count);
    } else if (allocate(list, r->rule, count) < 0) {
        r->problems->out_of_memory = true;
    } else {
        for (size_t i = 0; i < count; i++)
            add_item_of(list, r, i, json_array_get(value, i));
    }
}

/* ---- references ---- */

static uint32_t read_reference(const struct reading *r, const char *property,
                               enum profile_type type, bool is_required)
{
    const json_t *value = json_object_get(r->input, property);
    const char *name = json_string_value(value);
    uint32_t id = 0;
    int found = -1;
    char allowed[64];

    (void)snprintf(allowed, sizeof(allowed), "the name of a profile of type %s",
                   profile_type_name(type));
    if (value == NULL || json_is_null(value)) {
        if (is_required)
            problem_add(r->problems, property, NULL, allowed, "is missing");
        return 0;
    }
    if (name == NULL)
        problem_add(r->problems, property, value, allowed, "must be a text");
    else if (r->find(name, &id, &found, r->arg) < 0)
        problem_add(r->problems, property, value, allowed, "there is no such profile");
    else if (found != (int)type)
        problem_add(r->problems, property, value, allowed, "is a profile of type %s",
                    found >= 0 && found < PROFILE_TYPE_COUNT
                        ? profile_type_name((enum profile_type)found)
                        : "unknown");
    else
        return id;
    return 0;
}

/* ---- the whole ---- */

/* SR03. Senders do not count: anybody can claim to be one. All of IPv4, or all of IPv6, is all
 * clients for this purpose. */
static bool is_open_relay(const struct rule *rule)
{
    bool is_any_domain = false;

    for (size_t i = 0; i < rule->recipient_count; i++)
        is_any_domain = is_any_domain || rule->recipients[i].domain == NULL;
    return is_any_domain && rule_networks_are_everybody(rule->clients, rule->client_count);
}

static void check_open_relay(const struct reading *r)
{
    const json_t *value = json_object_get(r->input, "allow_open_relay");

    if (!is_open_relay(r->rule))
        return;
    if (r->rule->allow_open_relay)
        warning_add(r->problems, "allow_open_relay", value, "false",
                    "with this rule anybody can send mail to anybody through this gateway");
    else
        problem_add(r->problems, "allow_open_relay", value,
                    "narrower match.clients, recipients of named domains, or true",
                    "the rule is open to all clients and all recipient domains");
}

static void warn_unbuilt(const struct reading *r)
{
    const char *protection = rule_unbuilt_protection(r->rule);

    if (protection != NULL)
        warning_add(r->problems, protection, json_object_get(r->input, protection), NULL,
                    "mail under this rule waits: this version of Postern does not have %s yet",
                    protection);
}

static void read_all(const struct reading *r)
{
    property_read(&rule_properties, PROPERTY_ALL_TYPES, r->input, r->rule, r->problems);
    read_name(r);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        read_list(&lists[i], r);
    r->rule->relay = read_reference(r, "relay", PROFILE_SMTP, true);
    r->rule->core = read_reference(r, "core", PROFILE_CORE, false);
    r->rule->vault = read_reference(r, "vault", PROFILE_VAULT, false);
    check_open_relay(r);
    if (!problems_any(r->problems))
        warn_unbuilt(r);
}

struct rule *rule_from_input(const json_t *input, rule_find_profile *find, void *arg,
                             struct problems *problems)
{
    struct rule *rule;
    struct reading reading = { input, NULL, find, arg, problems };

    if (!json_is_object(input)) {
        problem_add(problems, "rule", input, "a JSON object", "must be an object");
        return NULL;
    }
    rule = calloc(1, sizeof(*rule));
    if (rule == NULL)
        return NULL;
    reading.rule = rule;
    read_all(&reading);
    if (problems_any(problems))
        rule_free(&rule);
    return rule;
}
