/* master/registry_transfer.c: export, and import in two steps (OP07).
 *
 * The check makes every profile, rule and setting of the file as a change of the present state; the
 * store step writes them all in one transaction, if nothing has changed in between. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/registry_private.h"

#define IMPORT_MAX_PROFILES 10000

struct registry_import {
    struct profile **profiles; /* secrets in clear; version: the one they replace */
    size_t count;
    size_t *to_test; /* indices of those that are complete */
    size_t test_count;
    json_t *input;
    uint64_t seen_version; /* of the registry, at the check */
};

json_t *registry_export(const struct registry *registry)
{
    json_t *profiles = json_array(), *rules = json_array(), *settings;

    for (size_t i = 0; i < registry->profile_count; i++)
        (void)json_array_append_new(profiles,
                                    profile_to_json(registry->profiles[i], PROFILE_FORM_SHOWN));
    for (size_t i = 0; i < registry->rules->count; i++)
        (void)json_array_append_new(
            rules, rule_to_shown(registry->rules->rules[i], registry_name_of, (void *)registry));
    settings = registry_settings_shown(registry);
    (void)json_object_del(settings, "version");
    return json_pack("{so so so}", "profiles", profiles, "rules", rules, "settings", settings);
}

void registry_import_free(struct registry_import **import)
{
    struct registry_import *i = *import;

    if (i == NULL)
        return;
    *import = NULL;
    for (size_t k = 0; k < i->count; k++)
        profile_free(&i->profiles[k]);
    free(i->profiles);
    free(i->to_test);
    json_decref(i->input);
    free(i);
}

size_t registry_import_count(const struct registry_import *import)
{
    return import->test_count;
}

const struct profile *registry_import_profile(const struct registry_import *import, size_t index)
{
    return import->profiles[import->to_test[index]];
}

/* ---- the check ---- */

static bool names_a_secret(const char *property)
{
    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        if (strcmp(property, profile_secret_name((enum profile_secret)i)) == 0)
            return true;
    }
    return false;
}

static bool lacks_only_secrets(const struct problems *problems)
{
    size_t index;
    const json_t *error;

    json_array_foreach (problems->errors, index, error) {
        if (!names_a_secret(json_string_value(json_object_get(error, "property"))))
            return false;
    }
    return json_array_size(problems->errors) > 0;
}

/* "oauth.client_secret" names a member of a member. */
static void fill_in(json_t *input, const char *property)
{
    const char *dot = strchr(property, '.');
    json_t *place = dot != NULL ? json_object_get(input, "oauth") : input;

    (void)json_object_set_new(place, dot != NULL ? dot + 1 : property, json_string("absent"));
}

/* The profile as it would be with its missing secrets, which are then taken out again. */
static struct profile *make_incomplete(const json_t *input, const struct profile *stored,
                                       const struct problems *lacking)
{
    json_t *filled = json_deep_copy(input);
    struct profile *profile = NULL;
    struct problems unused;
    size_t index;
    const json_t *error;

    if (filled == NULL || problems_init(&unused) < 0) {
        json_decref(filled);
        return NULL;
    }
    json_array_foreach (lacking->errors, index, error)
        fill_in(filled, json_string_value(json_object_get(error, "property")));
    profile = profile_from_input(filled, stored, &unused);
    for (unsigned i = 0; i < SECRET_COUNT && profile != NULL; i++) {
        if (profile->secrets[i] == NULL || strcmp(profile->secrets[i], "absent") != 0)
            continue;
        secret_free(&profile->secrets[i]);
        profile->secret_set[i] = false;
        profile->incomplete = true;
    }
    problems_done(&unused);
    json_decref(filled);
    return profile;
}

static void pass_on(struct problems *to, const json_t *from, json_t *list, const char *what,
                    size_t number)
{
    size_t index;
    const json_t *entry;

    (void)to;
    json_array_foreach (from, index, entry) {
        json_t *copy = json_copy((json_t *)entry);
        const char *property = json_string_value(json_object_get(entry, "property"));

        (void)json_object_set_new(copy, "property",
                                  json_sprintf("%s[%zu].%s", what, number, property));
        (void)json_array_append_new(list, copy);
    }
}

static struct profile *check_profile(struct registry *registry, const json_t *given, size_t number,
                                     struct problems *problems)
{
    const char *name = json_string_value(json_object_get(given, "name"));
    const struct profile *stored = name != NULL ? registry_profile_named(registry, name) : NULL;
    json_t *input = json_copy((json_t *)given);
    struct profile *profile = NULL;
    struct problems own;

    if (problems_init(&own) < 0) {
        json_decref(input);
        return NULL;
    }
    /* Ids and versions are those of the machine that wrote the file. */
    (void)json_object_del(input, "id");
    (void)json_object_del(input, "version");
    profile_check_digital_id(input, registry->has_digital_id, &own);
    profile = profile_from_input(input, stored, &own);
    if (profile == NULL && lacks_only_secrets(&own))
        profile = make_incomplete(input, stored, &own);
    if (profile == NULL)
        pass_on(problems, own.errors, problems->errors, "profiles", number);
    else {
        profile->id = stored != NULL ? stored->id : 0;
        profile->version = stored != NULL ? stored->version : 0;
    }
    pass_on(problems, own.warnings, problems->warnings, "profiles", number);
    problems_done(&own);
    json_decref(input);
    return profile;
}

static bool is_named_twice(const struct registry_import *import, const struct profile *profile)
{
    char *key = profile_name_key(profile->name);
    bool is_twice = false;

    for (size_t i = 0; i < import->count && key != NULL && !is_twice; i++) {
        char *other = profile_name_key(import->profiles[i]->name);

        is_twice = other != NULL && strcmp(key, other) == 0;
        free(other);
    }
    free(key);
    return is_twice;
}

static void check_profiles(struct registry *registry, struct registry_import *import,
                           const json_t *list, struct problems *problems)
{
    size_t index;
    const json_t *given;

    json_array_foreach (list, index, given) {
        struct profile *profile = check_profile(registry, given, index, problems);

        if (profile == NULL)
            continue;
        if (is_named_twice(import, profile)) {
            problem_add(problems, "profiles", json_object_get(given, "name"),
                        "each name once in a file", "named twice in this file");
            profile_free(&profile);
            continue;
        }
        if (!profile->incomplete)
            import->to_test[import->test_count++] = import->count;
        import->profiles[import->count++] = profile;
    }
}

/* References of rules may name profiles that come with the same file. */
struct finder {
    const struct registry *registry;
    const struct registry_import *import;
};

static int find_for_import(const char *name, uint32_t *ret_id, int *ret_type, void *arg)
{
    const struct finder *finder = arg;
    char *key = profile_name_key(name);
    int err = -ENOENT;

    for (size_t i = 0; i < finder->import->count && key != NULL && err != 0; i++) {
        const struct profile *profile = finder->import->profiles[i];
        char *other = profile_name_key(profile->name);

        if (other != NULL && strcmp(key, other) == 0) {
            *ret_id = profile->id != 0 ? profile->id : UINT32_MAX; /* it gets its id when stored */
            *ret_type = (int)profile->type;
            err = 0;
        }
        free(other);
    }
    free(key);
    return err == 0 ? 0 : registry_find_for_rule(name, ret_id, ret_type, (void *)finder->registry);
}

static json_t *own_rule_input(const json_t *given)
{
    json_t *input = json_copy((json_t *)given);

    (void)json_object_del(input, "id");
    (void)json_object_del(input, "version");
    return input;
}

static void check_rules(struct registry *registry, struct registry_import *import,
                        const json_t *list, struct problems *problems)
{
    struct finder finder = { registry, import };
    size_t index;
    const json_t *given;

    json_array_foreach (list, index, given) {
        json_t *input = own_rule_input(given);
        struct problems own;
        struct rule *rule;

        if (problems_init(&own) < 0) {
            json_decref(input);
            return;
        }
        rule = rule_from_input(input, find_for_import, &finder, &own);
        pass_on(problems, own.errors, problems->errors, "rules", index);
        pass_on(problems, own.warnings, problems->warnings, "rules", index);
        rule_free(&rule);
        problems_done(&own);
        json_decref(input);
    }
}

static void check_shape(const json_t *input, struct problems *problems)
{
    static const char *const lists[] = { "profiles", "rules" };
    const json_t *value;
    const char *key;

    if (!json_is_object(input)) {
        problem_add(problems, "import", input, "what export writes", "not an object");
        return;
    }
    json_object_foreach ((json_t *)input, key, value) {
        if (strcmp(key, "profiles") != 0 && strcmp(key, "rules") != 0 &&
            strcmp(key, "settings") != 0)
            problem_add(problems, key, NULL, "profiles, rules, settings", "unknown member");
    }
    for (unsigned i = 0; i < 2; i++) {
        value = json_object_get(input, lists[i]);
        if (value != NULL && !json_is_array(value))
            problem_add(problems, lists[i], value, "an array", "not an array");
        if (json_array_size(value) > IMPORT_MAX_PROFILES)
            problem_add(problems, lists[i], NULL, "at most 10000 entries", "too many entries");
    }
}

struct registry_import *registry_import_check(struct registry *registry, const json_t *input,
                                              struct problems *problems)
{
    const json_t *profiles = json_object_get(input, "profiles");
    struct registry_import *import = calloc(1, sizeof(*import));

    if (import == NULL)
        return NULL;
    check_shape(input, problems);
    import->seen_version = registry->last_version;
    import->input = json_deep_copy(input);
    import->profiles = calloc(json_array_size(profiles) + 1, sizeof(struct profile *));
    import->to_test = calloc(json_array_size(profiles) + 1, sizeof(size_t));
    if (import->profiles == NULL || import->to_test == NULL || import->input == NULL) {
        registry_import_free(&import);
        return NULL;
    }
    if (!problems_any(problems)) {
        check_profiles(registry, import, profiles, problems);
        check_rules(registry, import, json_object_get(input, "rules"), problems);
    }
    if (problems_any(problems))
        registry_import_free(&import);
    return import;
}

/* ---- the store step ---- */

static void write_profiles(struct registry *registry, struct request *request)
{
    for (size_t i = 0; i < request->import->count; i++) {
        struct profile *profile = request->import->profiles[i];

        if (profile->id == 0)
            profile->id = request_next_id(request);
        profile->version = request_next_version(request);
        request_write_number(request, STORE_PROFILES, profile->id,
                             registry_seal_profile(registry, &registry->keys, profile));
        request_audit(request, "profile imported", profile->name,
                      profile->incomplete ? "incomplete" : request->how);
    }
}

static size_t find_by_name(const struct rule_set *rules, const char *name)
{
    char *key = profile_name_key(name);
    size_t at = rules->count;

    for (size_t i = 0; i < rules->count && key != NULL; i++) {
        char *other = profile_name_key(rules->rules[i]->name);
        bool is_it = other != NULL && strcmp(key, other) == 0;

        free(other);
        if (is_it) {
            at = i;
            break;
        }
    }
    free(key);
    return at;
}

static int place_rule(struct request *request, struct rule *rule)
{
    struct rule_set *rules = request->rules;
    size_t at = find_by_name(rules, rule->name);
    struct rule **grown;

    rule->id = at < rules->count ? rules->rules[at]->id : request_next_id(request);
    rule->version = request_next_version(request);
    rules->enabled_count += rule->enabled;
    if (at < rules->count) {
        rules->enabled_count -= rules->rules[at]->enabled;
        rule_free(&rules->rules[at]);
        rules->rules[at] = rule;
        return 0;
    }
    grown = realloc(rules->rules, (rules->count + 1) * sizeof(struct rule *));
    if (grown == NULL) {
        rule_free(&rule);
        return -ENOMEM;
    }
    rules->rules = grown;
    rules->rules[rules->count++] = rule;
    return 0;
}

static void write_rules(struct registry *registry, struct request *request)
{
    const json_t *list = json_object_get(request->import->input, "rules");
    struct finder finder = { registry, request->import };
    size_t index;
    const json_t *given;

    json_array_foreach (list, index, given) {
        json_t *input = own_rule_input(given);
        struct rule *rule =
            rule_from_input(input, find_for_import, &finder, &request->answer.problems);

        json_decref(input);
        if (rule == NULL || place_rule(request, rule) < 0) {
            request->change_err = -ENOMEM;
            return;
        }
        request_write_rule(request, rule);
        request_audit(request, "rule imported", rule->name, NULL);
    }
    request_write_order(request, request->rules);
}

static enum registry_result prepare(struct registry *registry, struct request *request)
{
    const json_t *settings = json_object_get(request->import->input, "settings");

    if (request->import->seen_version != registry->last_version)
        return REGISTRY_STALE;
    request->rules = registry_copy_rules(registry);
    if (request->rules == NULL) {
        (void)reason_set(&request->answer.why, -ENOMEM, "out of memory");
        return REGISTRY_STORE;
    }
    write_profiles(registry, request);
    write_rules(registry, request);
    if (json_is_object(settings)) {
        struct finder finder = { registry, request->import };
        const json_t *postmaster = json_object_get(settings, "postmaster");
        const char *name = json_string_value(json_object_get(postmaster, "profile"));
        const char *mailbox = json_string_value(json_object_get(postmaster, "mailbox"));
        uint32_t id = 0;
        int type = PROFILE_VAULT;

        if (mailbox != NULL && name != NULL && find_for_import(name, &id, &type, &finder) == 0 &&
            type == PROFILE_SMTP) {
            free(request->rules->postmaster);
            request->rules->postmaster = strdup(mailbox);
            request->rules->postmaster_profile = id;
        }
        (void)request_next_version(request);
        request_write_settings(request, request->rules);
    }
    request->watch_rules = true;
    return REGISTRY_OK;
}

static void apply(struct registry *registry, struct request *request)
{
    struct registry_import *import = request->import;

    for (size_t i = 0; i < import->count; i++) {
        uint32_t id = import->profiles[i]->id;

        if (registry_place_profile(registry, import->profiles[i]) < 0)
            continue;
        import->profiles[i] = NULL;
        for (unsigned w = 0; w < registry->watcher_count; w++)
            registry->watchers[w].cb(id, false, registry->watchers[w].arg);
    }
    registry->settings_version = registry->last_version;
    registry_become_rules(registry, request);
}

void registry_import_store(struct registry *registry, struct registry_import *import,
                           const char *how, const struct registry_actor *actor,
                           registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare, apply, actor, done, arg);

    if (request == NULL)
        abort(); /* a few hundred bytes: nothing would work any more */
    request->import = import;
    (void)snprintf(request->how, sizeof(request->how), "%s", how);
    request_submit(request);
}
