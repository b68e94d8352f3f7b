#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/rule_private.h"

#define RECORD_VERSION 1

/* ---- out ---- */

static json_t *make_networks(const struct rule *rule)
{
    json_t *list = json_array();
    char text[RULE_TEXT_SIZE];

    for (size_t i = 0; i < rule->client_count; i++)
        (void)json_array_append_new(list, json_string(rule_network_text(&rule->clients[i], text)));
    return list;
}

static json_t *make_patterns(const struct rule_pattern *patterns, size_t count)
{
    json_t *list = json_array();
    char text[RULE_TEXT_SIZE];

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(rule_pattern_text(&patterns[i], text)));
    return list;
}

static json_t *make_shares(const struct rule *rule)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rule->upload.share_with_count; i++)
        (void)json_array_append_new(list, json_string(rule->upload.share_with[i]));
    return list;
}

static bool is_whole(const json_t *list, size_t count)
{
    return list != NULL && json_array_size(list) == count;
}

/* What both forms have. */
static int write_common(const struct rule *rule, json_t *out)
{
    json_t *clients = make_networks(rule);
    json_t *senders = make_patterns(rule->senders, rule->sender_count);
    json_t *recipients = make_patterns(rule->recipients, rule->recipient_count);
    json_t *shares = make_shares(rule);
    bool whole = is_whole(clients, rule->client_count) && is_whole(senders, rule->sender_count) &&
                 is_whole(recipients, rule->recipient_count) &&
                 is_whole(shares, rule->upload.share_with_count);
    int failed = 0;

    failed |= json_object_set_new(out, "id", json_integer(rule->id));
    failed |= json_object_set_new(out, "version", json_integer((json_int_t)rule->version));
    failed |= json_object_set_new(out, "name", json_string(rule->name));
    failed |= property_write(&rule_properties, PROPERTY_ALL_TYPES, rule, out);
    failed |= json_object_set_new(json_object_get(out, "match"), "clients", clients);
    failed |= json_object_set_new(json_object_get(out, "match"), "senders", senders);
    failed |= json_object_set_new(json_object_get(out, "match"), "recipients", recipients);
    failed |= json_object_set_new(json_object_get(out, "upload"), "share_with", shares);
    return whole ? failed : -ENOMEM;
}

static json_t *finish(json_t *out, int failed)
{
    if (failed == 0)
        return out;
    json_decref(out);
    return NULL;
}

json_t *rule_to_record(const struct rule *rule)
{
    json_t *out = json_pack("{s:i, s:b, s:I, s:I, s:I}", "v", RECORD_VERSION, "hidden",
                            rule->hidden, "relay", (json_int_t)rule->relay, "core",
                            (json_int_t)rule->core, "vault", (json_int_t)rule->vault);

    return out != NULL ? finish(out, write_common(rule, out)) : NULL;
}

static int list_not_in_effect(const struct rule *rule, json_t *names)
{
    int failed = 0;

    if (rule->core != 0 && !features[FEATURE_CORE].is_built)
        failed |= json_array_append_new(names, json_string("core"));
    if (rule->vault != 0 && !features[FEATURE_VAULT].is_built)
        failed |= json_array_append_new(names, json_string("vault"));
    return failed | property_list_not_in_effect(&rule_properties, PROPERTY_ALL_TYPES, rule, names);
}

static int set_reference(json_t *out, const char *property, uint32_t id, rule_profile_name *name_of,
                         void *arg)
{
    const char *name = id != 0 ? name_of(id, arg) : NULL;

    return json_object_set_new(out, property, name != NULL ? json_string(name) : json_null());
}

json_t *rule_to_shown(const struct rule *rule, rule_profile_name *name_of, void *arg)
{
    json_t *out = json_object(), *names = json_array();
    int failed;

    if (out == NULL)
        return NULL;
    failed = write_common(rule, out);
    failed |= set_reference(out, "relay", rule->relay, name_of, arg);
    failed |= set_reference(out, "core", rule->core, name_of, arg);
    failed |= set_reference(out, "vault", rule->vault, name_of, arg);
    failed |= json_object_set_new(out, "not_in_effect", names);
    if (failed == 0)
        failed |= list_not_in_effect(rule, names);
    return finish(out, failed);
}

/* ---- in ---- */

static int read_id(const json_t *record, const char *name, uint32_t *ret_id,
                   struct reason *reterr_why)
{
    const json_t *value = json_object_get(record, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > UINT32_MAX)
        return reason_set(reterr_why, -EBADMSG, "%s is no id", name);
    *ret_id = (uint32_t)json_integer_value(value);
    return 0;
}

/* The texts of a list, each put in by `add`; `items` has been allocated for them. */
static int read_texts(const json_t *record, const char *name, size_t max, size_t item_bytes,
                      void **ret_items, struct reason *reterr_why)
{
    const json_t *list = property_value(record, name);

    if (!json_is_array(list) || json_array_size(list) > max)
        return reason_set(reterr_why, -EBADMSG, "%s is no list of at most %zu", name, max);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i)))
            return reason_set(reterr_why, -EBADMSG, "%s[%zu] is no text", name, i);
    }
    *ret_items = calloc(json_array_size(list) + 1, item_bytes);
    return *ret_items != NULL ? (int)json_array_size(list) : -ENOMEM;
}

static const char *text_at(const json_t *record, const char *name, int index)
{
    return json_string_value(json_array_get(property_value(record, name), (size_t)index));
}

static int read_networks(const json_t *record, struct rule *rule, struct reason *reterr_why)
{
    static const char name[] = "match.clients";
    void *items = NULL;
    int count =
        read_texts(record, name, RULE_MAX_CLIENTS, sizeof(struct rule_network), &items, reterr_why);

    rule->clients = items;
    for (int i = 0; i < count; i++) {
        if (rule_network_parse(text_at(record, name, i), &rule->clients[i], NULL) < 0)
            return reason_set(reterr_why, -EBADMSG, "%s[%d] is no network", name, i);
        rule->client_count++;
    }
    return count < 0 ? count : 0;
}

static int read_patterns(const json_t *record, const char *name, struct rule_pattern **ret_patterns,
                         size_t *ret_count, struct reason *reterr_why)
{
    void *items = NULL;
    int count = read_texts(record, name, RULE_MAX_PATTERNS, sizeof(struct rule_pattern), &items,
                           reterr_why);

    *ret_patterns = items;
    for (int i = 0; i < count; i++) {
        if (rule_pattern_parse(text_at(record, name, i), true, &(*ret_patterns)[i], NULL) < 0)
            return reason_set(reterr_why, -EBADMSG, "%s[%d] is no pattern", name, i);
        (*ret_count)++;
    }
    return count < 0 ? count : 0;
}

static int read_shares(const json_t *record, struct rule *rule, struct reason *reterr_why)
{
    static const char name[] = "upload.share_with";
    void *items = NULL;
    int count = read_texts(record, name, RULE_MAX_SHARES, sizeof(char *), &items, reterr_why);

    rule->upload.share_with = items;
    for (int i = 0; i < count; i++) {
        rule->upload.share_with[i] = strdup(text_at(record, name, i));
        if (rule->upload.share_with[i] == NULL)
            return -ENOMEM;
        rule->upload.share_with_count++;
    }
    return count < 0 ? count : 0;
}

static int read_head(const json_t *record, struct rule *rule, struct reason *reterr_why)
{
    const json_t *version = json_object_get(record, "v");
    const char *name = json_string_value(json_object_get(record, "name"));

    if (!json_is_integer(version) || json_integer_value(version) != RECORD_VERSION)
        return reason_set(reterr_why, -EBADMSG,
                          "the record has format %lld, this version of Postern knows %d",
                          (long long)json_integer_value(version), RECORD_VERSION);
    if (name == NULL || !json_is_integer(json_object_get(record, "version")) ||
        !json_is_boolean(json_object_get(record, "hidden")))
        return reason_set(reterr_why, -EBADMSG, "name, version or hidden is missing");
    rule->version = (uint64_t)json_integer_value(json_object_get(record, "version"));
    rule->hidden = json_is_true(json_object_get(record, "hidden"));
    rule->name = strdup(name);
    return rule->name != NULL ? 0 : -ENOMEM;
}

static int read_record(const json_t *record, struct rule *rule, struct reason *reterr_why)
{
    AUTO(json) json_t *rest = NULL;
    int err = read_head(record, rule, reterr_why);

    if (err == 0)
        err = read_id(record, "id", &rule->id, reterr_why);
    if (err == 0)
        err = read_id(record, "relay", &rule->relay, reterr_why);
    if (err == 0)
        err = read_id(record, "core", &rule->core, reterr_why);
    if (err == 0)
        err = read_id(record, "vault", &rule->vault, reterr_why);
    if (err == 0)
        err = read_networks(record, rule, reterr_why);
    if (err == 0)
        err =
            read_patterns(record, "match.senders", &rule->senders, &rule->sender_count, reterr_why);
    if (err == 0)
        err = read_patterns(record, "match.recipients", &rule->recipients, &rule->recipient_count,
                            reterr_why);
    if (err == 0)
        err = read_shares(record, rule, reterr_why);
    if (err < 0)
        return err;
    rest = json_copy((json_t *)record);
    if (rest == NULL)
        return -ENOMEM;
    (void)json_object_del(rest, "v");
    (void)json_object_del(rest, "hidden");
    return property_read_record(&rule_properties, PROPERTY_ALL_TYPES, rest, rule, reterr_why);
}

int rule_from_record(const json_t *record, struct rule **ret_rule, struct reason *reterr_why)
{
    struct rule *rule = calloc(1, sizeof(*rule));
    int err = rule != NULL ? read_record(record, rule, reterr_why) : -ENOMEM;

    if (err < 0)
        rule_free(&rule);
    else
        *ret_rule = rule;
    return err;
}
