/* master/registry_import.c: import, in two steps (OP07).
 *
 * The check makes the whole draft, in the I/O thread: every profile, rule and setting of the file
 * as a change of the present state. The store step only makes sure that the present state is still
 * the same. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/registry_private.h"

struct registry_import {
    struct draft *draft;
    struct pointers to_test; /* struct profile, secrets in clear */
    uint64_t generation;
    bool has_digital_id;
};

/* ---- the check ---- */

struct checking {
    const struct registry *registry;
    struct registry_import *import;
    struct problems *problems;
};

/* What is wrong with entry `index` of `list`, under the names a reader of the file looks for. */
static void pass_on_list(json_t *to, const json_t *from, const char *list, size_t index)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (from, i, entry) {
        const char *property = json_string_value(json_object_get(entry, "property"));
        json_t *copy = json_copy((json_t *)entry);

        (void)json_object_set_new(copy, "property",
                                  json_sprintf("%s[%zu].%s", list, index, property));
        (void)json_array_append_new(to, copy);
    }
}

static void pass_on(const struct checking *c, const struct problems *own, const char *list,
                    size_t index)
{
    pass_on_list(c->problems->errors, own->errors, list, index);
    pass_on_list(c->problems->warnings, own->warnings, list, index);
    c->problems->out_of_memory |= own->out_of_memory;
}

/* Ids and versions are those of the machine that wrote the file. */
static json_t *without_numbers(const json_t *given)
{
    json_t *input =
        json_is_object(given) ? json_copy((json_t *)given) : json_incref((json_t *)given);

    (void)json_object_del(input, "id");
    (void)json_object_del(input, "version");
    return input;
}

static bool is_made(const struct pointers *made, const void *entry)
{
    for (size_t i = 0; i < made->count; i++) {
        if (made->items[i] == entry)
            return true;
    }
    return false;
}

/* The one that is replaced, in clear; NULL: a new one. */
static bool open_stored(const struct checking *c, const json_t *input, struct profile **ret_stored,
                        struct problems *own)
{
    const json_t *name = json_object_get(input, "name");
    const struct draft *draft = c->import->draft;
    const struct registry_profile *entry =
        json_is_string(name) ? state_profile_named(&draft->next, json_string_value(name)) : NULL;

    *ret_stored = NULL;
    if (entry == NULL)
        return true;
    if (is_made(&draft->made_profiles, entry)) {
        problem_add(own, "name", name, "each name once", "is twice in this import");
        return false;
    }
    if (registry_profile_open(&c->registry->keys, entry, ret_stored, NULL) == 0)
        return true;
    own->out_of_memory = true;
    return false;
}

static void place_profile(const struct checking *c, struct profile *profile)
{
    struct draft *draft = c->import->draft;
    struct pointers *to_test = &c->import->to_test;

    if (profile->id == 0)
        profile->id = draft_next_profile_id(draft);
    profile->version = draft_next_version(draft);
    draft_put_profile(draft, registry_profile_seal(&c->registry->keys, profile));
    if (!profile->incomplete) {
        if (pointers_insert(to_test, to_test->count, profile) == 0)
            return;
        draft->has_failed = true;
    }
    profile_free(&profile);
}

static void check_profile(const struct checking *c, const json_t *given, struct problems *own)
{
    AUTO(json) json_t *input = without_numbers(given);
    struct profile *stored, *profile;

    if (!open_stored(c, input, &stored, own))
        return;
    profile_check_digital_id(input, c->import->has_digital_id, own);
    profile = profile_from_import(input, stored, own);
    profile_free(&stored);
    if (profile != NULL)
        place_profile(c, profile);
}

static void check_rule(const struct checking *c, const json_t *given, struct problems *own)
{
    AUTO(json) json_t *input = without_numbers(given);
    struct draft *draft = c->import->draft;
    struct rule *rule = rule_from_input(input, state_find_for_rule, &draft->next, own);
    size_t at;

    if (rule == NULL)
        return;
    at = state_find_rule_named(&draft->next, rule->name);
    if (at < draft->next.rules.count &&
        is_made(&draft->made_rules, state_rule_at(&draft->next, at))) {
        problem_add(own, "name", json_object_get(input, "name"), "each name once",
                    "is twice in this import");
        rule_free(&rule);
        return;
    }
    rule->id = at < draft->next.rules.count ? state_rule_at(&draft->next, at)->rule->id
                                            : draft_next_rule_id(draft);
    rule->version = draft_next_version(draft);
    draft_put_rule(draft, registry_rule_new(rule));
}

static void check_list(const struct checking *c, const json_t *input, const char *list,
                       void (*check)(const struct checking *, const json_t *, struct problems *))
{
    const json_t *given;
    size_t i;

    json_array_foreach (json_object_get(input, list), i, given) {
        struct problems own;

        if (problems_init(&own) < 0) {
            c->problems->out_of_memory = true;
            return;
        }
        check(c, given, &own);
        pass_on(c, &own, list, i);
        problems_done(&own);
    }
}

static void check_shape(const json_t *input, struct problems *problems)
{
    static const char allowed[] = "what an export holds: profiles, rules, settings";
    const char *member;
    const json_t *value;

    if (!json_is_object(input))
        problem_add(problems, "import", input, allowed, "must be an object");
    json_object_foreach ((json_t *)input, member, value) {
        if (strcmp(member, "profiles") == 0 || strcmp(member, "rules") == 0) {
            if (!json_is_array(value))
                problem_add(problems, member, value, "a list", "must be a list");
            else if (json_array_size(value) > REGISTRY_MAX_PROFILES)
                problem_add(problems, member, NULL, "at most 1000", "has %zu entries",
                            json_array_size(value));
        } else if (strcmp(member, "settings") != 0) {
            problem_add(problems, member, NULL, allowed, "is not known");
        }
    }
}

static void check_room(const struct checking *c)
{
    const struct registry_state *next = &c->import->draft->next;

    if (next->profiles.count > REGISTRY_MAX_PROFILES)
        problem_add(c->problems, "profiles", NULL, "at most 1000 profiles",
                    "with the present ones there would be %zu", next->profiles.count);
    if (next->rules.count + next->hidden.count > RULE_MAX_RULES)
        problem_add(c->problems, "rules", NULL, "at most 1000 rules",
                    "with the present ones there would be %zu",
                    next->rules.count + next->hidden.count);
}

/* A file that names every rule sets their order: made_rules is in the order of the file. */
static void order_rules(struct draft *draft)
{
    const struct pointers *made = &draft->made_rules;

    if (made->count != draft->next.rules.count)
        return;
    for (size_t to = 0; to < made->count; to++) {
        const struct registry_rule *entry = made->items[to];

        draft_move_rule(draft, state_find_rule(&draft->next, entry->rule->id), to);
    }
}

static void check_all(const struct checking *c, const json_t *input)
{
    const json_t *settings = json_object_get(input, "settings");

    check_list(c, input, "profiles", check_profile);
    check_list(c, input, "rules", check_rule);
    if (settings != NULL)
        registry_read_settings(c->import->draft, settings, "settings.", c->problems);
    check_room(c);
    if (!problems_any(c->problems) && c->import->draft->made_rules.count > 0)
        order_rules(c->import->draft);
    c->problems->out_of_memory |= c->import->draft->has_failed;
}

/* In the I/O thread. */
static int check(struct request *request)
{
    struct problems *problems = &request->answer.problems;
    const struct checking c = { request->registry, request->import, problems };

    request->import->draft = draft_new(request->registry);
    check_shape(request->input, problems);
    if (request->import->draft == NULL)
        problems->out_of_memory = true;
    else if (!problems_any(problems))
        check_all(&c, request->input);
    if (problems_any(problems))
        request->answer.result = REGISTRY_INVALID;
    return 0;
}

static void hand_over(struct registry *registry, struct request *request)
{
    (void)registry;
    if (request->answer.result == REGISTRY_OK)
        request->answer.import = TAKE_PTR(request->import);
}

static enum registry_result prepare_check(struct registry *registry, struct request *request)
{
    struct registry_import *import = request->import = calloc(1, sizeof(*import));

    if (import == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    import->generation = registry->generation;
    import->has_digital_id = registry->has_digital_id;
    request->work = check;
    request->after = hand_over;
    return REGISTRY_OK;
}

void registry_import_check(struct registry *registry, json_t *input, registry_done_cb *done,
                           void *arg)
{
    struct request *request = request_new(registry, prepare_check, NULL, done, arg);

    request->input = json_incref(input);
    request_submit(request);
}

size_t registry_import_count(const struct registry_import *import)
{
    return import->to_test.count;
}

const struct profile *registry_import_profile(const struct registry_import *import, size_t index)
{
    return index < import->to_test.count ? import->to_test.items[index] : NULL;
}

json_t *registry_import_incomplete(const struct registry_import *import)
{
    const struct pointers *made = &import->draft->made_profiles;
    json_t *names = json_array();

    for (size_t i = 0; i < made->count; i++) {
        const struct registry_profile *entry = made->items[i];

        if (entry->profile->incomplete)
            (void)json_array_append_new(names, json_string(entry->profile->name));
    }
    return names;
}

void registry_import_free(struct registry_import **import)
{
    struct registry_import *i = *import;

    if (i == NULL)
        return;
    draft_free(&i->draft, false);
    for (size_t k = 0; k < i->to_test.count; k++) {
        struct profile *profile = i->to_test.items[k];

        profile_free(&profile);
    }
    free(i->to_test.items);
    free(i);
    *import = NULL;
}

/* ---- the store step ---- */

static void audit_all(struct request *request)
{
    const struct draft *draft = request->draft;

    for (size_t i = 0; i < draft->made_profiles.count; i++) {
        const struct registry_profile *entry = draft->made_profiles.items[i];

        request_audit(request, "profile imported", entry->profile->name,
                      entry->profile->incomplete ? "incomplete, not tested" : request->how);
    }
    for (size_t i = 0; i < draft->made_rules.count; i++) {
        const struct registry_rule *entry = draft->made_rules.items[i];

        request_audit(request, "rule imported", entry->rule->name, NULL);
    }
    if (draft->settings_changed)
        request_audit(request, "settings imported", "postmaster",
                      draft->postmaster != NULL ? draft->postmaster : "unset");
}

static enum registry_result prepare(struct registry *registry, struct request *request)
{
    if (request->import->generation != registry->generation)
        return REGISTRY_STALE;
    request->draft = TAKE_PTR(request->import->draft);
    audit_all(request);
    return REGISTRY_OK;
}

void registry_import_store(struct registry *registry, struct registry_import *import,
                           const char *how, const struct registry_actor *actor,
                           registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare, actor, done, arg);

    request->import = import;
    (void)snprintf(request->how, sizeof(request->how), "%s", how);
    request_submit(request);
}
