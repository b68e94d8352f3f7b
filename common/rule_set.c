#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/rule_private.h"

#define SET_VERSION 1

void rule_set_free(struct rule_set **set)
{
    struct rule_set *s = *set;

    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        rule_free(&s->rules[i]);
    free(s->rules);
    free(s->postmaster);
    free(s);
    *set = NULL;
}

static int read_settings(const json_t *settings, struct rule_set *set, struct reason *reterr_why)
{
    const json_t *mailbox = json_object_get(settings, "postmaster");
    const json_t *profile = json_object_get(settings, "postmaster_profile");

    if (!json_is_integer(profile) || json_integer_value(profile) < 0 ||
        json_integer_value(profile) > UINT32_MAX ||
        !(json_is_string(mailbox) || json_is_null(mailbox)))
        return reason_set(reterr_why, -EBADMSG, "settings: postmaster is not well formed");
    set->postmaster_profile = (uint32_t)json_integer_value(profile);
    if (json_is_null(mailbox))
        return 0;
    set->postmaster = strdup(json_string_value(mailbox));
    return set->postmaster != NULL ? 0 : -ENOMEM;
}

static int read_rules(const json_t *list, struct rule_set *set, struct reason *reterr_why)
{
    size_t count = json_array_size(list);

    if (!json_is_array(list) || count > RULE_MAX_RULES)
        return reason_set(reterr_why, -EBADMSG, "rules is no list of at most %u", RULE_MAX_RULES);
    set->rules = calloc(count + 1, sizeof(struct rule *));
    if (set->rules == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct reason why = { "out of memory" };
        int err = rule_from_record(json_array_get(list, i), &set->rules[i], &why);

        if (err < 0)
            return reason_set(reterr_why, err, "rules[%zu]: %.300s", i, why.text);
        set->count++;
        set->enabled_count += set->rules[i]->enabled && !set->rules[i]->hidden;
    }
    return 0;
}

static int read_set(const json_t *json, struct rule_set *set, struct reason *reterr_why)
{
    const json_t *format = json_object_get(json, "v"), *version = json_object_get(json, "version");
    int err;

    if (!json_is_integer(format) || json_integer_value(format) != SET_VERSION ||
        !json_is_integer(version))
        return reason_set(reterr_why, -EBADMSG,
                          "the rules have format %lld, this version of Postern knows %d",
                          (long long)json_integer_value(format), SET_VERSION);
    set->version = (uint64_t)json_integer_value(version);
    err = read_settings(json_object_get(json, "settings"), set, reterr_why);
    return err < 0 ? err : read_rules(json_object_get(json, "rules"), set, reterr_why);
}

int rule_set_from_json(const json_t *json, struct rule_set **ret_set, struct reason *reterr_why)
{
    struct rule_set *set = calloc(1, sizeof(*set));
    int err = set != NULL ? read_set(json, set, reterr_why) : -ENOMEM;

    if (err < 0)
        rule_set_free(&set);
    else
        *ret_set = set;
    return err;
}

json_t *rule_set_to_json(const struct rule_set *set)
{
    json_t *rules = json_array(), *out;

    for (size_t i = 0; i < set->count; i++) {
        if (json_array_append_new(rules, rule_to_record(set->rules[i])) < 0) {
            json_decref(rules);
            return NULL;
        }
    }
    out = json_pack("{s:i, s:I, s:o, s:{s:s?, s:I}}", "v", SET_VERSION, "version",
                    (json_int_t)set->version, "rules", rules, "settings", "postmaster",
                    set->postmaster, "postmaster_profile", (json_int_t)set->postmaster_profile);
    return out;
}
