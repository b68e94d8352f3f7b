/* master/registry_alerts.c: the setting `alerts`: read from an editor, kept, and shown.
 *
 * It is kept as the object that stands in the store: as the editor's, but with the profile's id and
 * with every threshold. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "master/registry_private.h"

struct threshold {
    const char *name;
    json_int_t fallback, max;
};

static const struct threshold thresholds[] = {
#define X(name, fallback, max) { #name, fallback, max },
    ALERT_THRESHOLDS(X)
#undef X
};

#define THRESHOLDS (sizeof(thresholds) / sizeof(thresholds[0]))

/* ---- from an editor ---- */

static bool is_member(const char *name)
{
    if (strcmp(name, "profile") == 0 || strcmp(name, "to") == 0 || strcmp(name, "from") == 0)
        return true;
    for (size_t i = 0; i < THRESHOLDS; i++) {
        if (strcmp(name, thresholds[i].name) == 0)
            return true;
    }
    return false;
}

static void refuse_unknown(const struct settings_reading *r, const json_t *input)
{
    const char *member;
    const json_t *value;
    char name[128];

    json_object_foreach ((json_t *)input, member, value) {
        if (is_member(member))
            continue;
        (void)snprintf(name, sizeof(name), "alerts.%.64s", member);
        settings_add(r, name, value, "profile, to, from, and thresholds", "is not known");
    }
}

/* As it can stand in a header and in an SMTP command of any server: visible ASCII. */
static bool check_address(const struct settings_reading *r, const char *property,
                          const json_t *value)
{
    static const char allowed[] = "one mailbox in ASCII, such as it@example.net";
    const char *text = json_string_value(value);
    struct reason why = { "must be a text" };
    bool is_good = text != NULL && strlen(text) == json_string_length(value) &&
                   rule_mailbox_check(text, &why) == 0;

    for (; is_good && *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~' || strchr("<>,;()", *text) != NULL)
            is_good = reason_set(&why, 0, "has a character that is not allowed here") != 0;
    }
    if (!is_good)
        settings_add(r, property, value, allowed, value != NULL ? why.text : "is missing");
    return is_good;
}

static void read_to(const struct settings_reading *r, const json_t *list, json_t *record)
{
    char property[64], allowed[64];
    const json_t *value;
    size_t i;

    (void)snprintf(allowed, sizeof(allowed), "a list of 1 to %u mailboxes", ALERT_MAX_TO);
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > ALERT_MAX_TO) {
        settings_add(r, "alerts.to", list, allowed,
                     list == NULL                 ? "is missing"
                     : !json_is_array(list)       ? "must be a list"
                     : json_array_size(list) == 0 ? "is empty"
                                                  : "has too many");
        return;
    }
    json_array_foreach (list, i, value) {
        (void)snprintf(property, sizeof(property), "alerts.to[%zu]", i);
        (void)check_address(r, property, value);
    }
    (void)json_object_set_new(record, "to", json_deep_copy(list));
}

static void read_threshold(const struct settings_reading *r, const struct threshold *threshold,
                           const json_t *value, json_t *record)
{
    const json_int_t number = value != NULL ? json_integer_value(value) : threshold->fallback;
    char property[64], allowed[64];

    if (value != NULL && (!json_is_integer(value) || number < 0 || number > threshold->max)) {
        (void)snprintf(property, sizeof(property), "alerts.%s", threshold->name);
        (void)snprintf(allowed, sizeof(allowed), "0 (never) to %lld", (long long)threshold->max);
        settings_add(r, property, value, allowed,
                     json_is_integer(value) ? "is out of range" : "must be a whole number");
    }
    (void)json_object_set_new(record, threshold->name, json_integer(number));
}

json_t *registry_read_alerts(const struct settings_reading *r, const json_t *input)
{
    const struct profile *profile;
    json_t *record;

    if (input == NULL || json_is_null(input))
        return json_null();
    if (!json_is_object(input)) {
        settings_add(r, "alerts", input, "{\"profile\", \"to\", \"from\"} or null",
                     "must be an object");
        return json_null();
    }
    record = json_object();
    refuse_unknown(r, input);
    profile = settings_profile(r, "alerts.profile", json_object_get(input, "profile"));
    if (profile != NULL)
        (void)json_object_set_new(record, "profile", json_integer(profile->id));
    read_to(r, json_object_get(input, "to"), record);
    if (check_address(r, "alerts.from", json_object_get(input, "from")))
        (void)json_object_set(record, "from", json_object_get(input, "from"));
    for (size_t i = 0; i < THRESHOLDS; i++)
        read_threshold(r, &thresholds[i], json_object_get(input, thresholds[i].name), record);
    return record;
}

/* ---- from the store ---- */

static bool is_text_list(const json_t *list)
{
    const json_t *value;
    size_t i;

    json_array_foreach (list, i, value) {
        if (!json_is_string(value))
            return false;
    }
    return json_array_size(list) > 0 && json_array_size(list) <= ALERT_MAX_TO;
}

bool registry_are_alerts(const json_t *record)
{
    if (json_is_null(record))
        return true;
    for (size_t i = 0; i < THRESHOLDS; i++) {
        if (!json_is_integer(json_object_get(record, thresholds[i].name)))
            return false;
    }
    return json_is_integer(json_object_get(record, "profile")) &&
           json_is_string(json_object_get(record, "from")) &&
           is_text_list(json_object_get(record, "to"));
}

/* ---- for those who go by them, and for people ---- */

uint32_t registry_alerts_profile(const struct registry_state *state)
{
    return (uint32_t)json_integer_value(json_object_get(state->alerts, "profile"));
}

void registry_alerts(const struct registry *registry, struct alert_settings *ret_settings)
{
    const json_t *record = registry->now.alerts, *value;
    size_t i;

    *ret_settings = (struct alert_settings){
#define X(name, fallback, max) .name = (fallback),
        ALERT_THRESHOLDS(X)
#undef X
    };
    if (!json_is_object(record))
        return;
    ret_settings->profile = registry_alerts_profile(&registry->now);
    ret_settings->from = json_string_value(json_object_get(record, "from"));
    json_array_foreach (json_object_get(record, "to"), i, value)
        ret_settings->to[ret_settings->to_count++] = json_string_value(value);
#define X(name, fallback, max) \
    ret_settings->name = (unsigned)json_integer_value(json_object_get(record, #name));
    ALERT_THRESHOLDS(X)
#undef X
}

json_t *registry_alerts_shown(const struct registry_state *state)
{
    json_t *shown = json_is_object(state->alerts) ? json_deep_copy(state->alerts) : json_null();
    const char *name = state_name_of(registry_alerts_profile(state), (void *)state);

    if (json_is_object(shown))
        (void)json_object_set_new(shown, "profile", name != NULL ? json_string(name) : json_null());
    return shown;
}
