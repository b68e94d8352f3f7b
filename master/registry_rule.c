/* master/registry_rule.c: rules: put, moved, deleted; and what a worker is given of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memfd.h"
#include "master/registry_private.h"

int registry_find_for_rule(const char *name, uint32_t *ret_id, int *ret_type, void *arg)
{
    const struct profile *profile = registry_profile_named(arg, name);

    if (profile == NULL)
        return -ENOENT;
    *ret_id = profile->id;
    *ret_type = (int)profile->type;
    return 0;
}

const char *registry_name_of(uint32_t id, void *arg)
{
    const struct profile *profile = registry_profile(arg, id);

    return profile != NULL ? profile->name : NULL;
}

const struct rule_set *registry_rules(const struct registry *registry)
{
    return registry->rules;
}

static size_t find_rule(const struct rule_set *rules, uint32_t id)
{
    size_t i = 0;

    while (i < rules->count && rules->rules[i]->id != id)
        i++;
    return i;
}

static const struct rule *find_named(const struct rule_set *rules, const char *name)
{
    const struct rule *found = NULL;
    char *key = profile_name_key(name);

    for (size_t i = 0; i < rules->count && key != NULL && found == NULL; i++) {
        char *other = profile_name_key(rules->rules[i]->name);

        if (other != NULL && strcmp(key, other) == 0)
            found = rules->rules[i];
        free(other);
    }
    free(key);
    return found;
}

const struct rule *registry_rule_named(const struct registry *registry, const char *name)
{
    return find_named(registry->rules, name);
}

const struct rule *registry_rule(const struct registry *registry, uint32_t id)
{
    size_t at = find_rule(registry->rules, id);

    if (at < registry->rules->count)
        return registry->rules->rules[at];
    for (size_t i = 0; i < registry->hidden_count; i++) {
        if (registry->hidden[i]->id == id)
            return registry->hidden[i];
    }
    return NULL;
}

/* A copy by way of the stored form: what is current is never edited in place. */
static struct rule *copy_rule(const struct rule *rule)
{
    json_t *record = rule_to_record(rule);
    struct rule *copy = NULL;

    if (record != NULL)
        (void)rule_from_record(record, &copy, NULL);
    json_decref(record);
    return copy;
}

static int append_rule(struct rule_set *rules, struct rule *rule)
{
    struct rule **grown = realloc(rules->rules, (rules->count + 1) * sizeof(struct rule *));

    if (grown == NULL || rule == NULL) {
        if (grown != NULL)
            rules->rules = grown;
        rule_free(&rule);
        return -ENOMEM;
    }
    rules->rules = grown;
    rules->rules[rules->count++] = rule;
    rules->enabled_count += rule->enabled;
    return 0;
}

struct rule_set *registry_copy_rules(const struct registry *registry)
{
    const struct rule_set *from = registry->rules;
    struct rule_set *copy = calloc(1, sizeof(*copy));
    int err = copy != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; i < from->count && err == 0; i++)
        err = append_rule(copy, copy_rule(from->rules[i]));
    if (err == 0 && from->postmaster != NULL) {
        copy->postmaster = strdup(from->postmaster);
        copy->postmaster_profile = from->postmaster_profile;
        err = copy->postmaster != NULL ? 0 : -ENOMEM;
    }
    if (err < 0)
        rule_set_free(&copy);
    return copy;
}

void request_write_rule(struct request *request, const struct rule *rule)
{
    request_write_number(request, STORE_RULES, rule->id, rule_to_record(rule));
}

void request_write_order(struct request *request, const struct rule_set *rules)
{
    const struct registry *registry = request->registry;
    json_t *order = json_array(), *hidden = json_array();

    for (size_t i = 0; i < rules->count; i++)
        (void)json_array_append_new(order, json_integer(rules->rules[i]->id));
    for (size_t i = 0; i < registry->hidden_count; i++)
        (void)json_array_append_new(hidden, json_integer(registry->hidden[i]->id));
    if (request->is_gone && request->position != 0)
        (void)json_array_append_new(hidden, json_integer(request->id));
    request_write(request, STORE_META, "rules",
                  json_pack("{si so so}", "v", REGISTRY_FORMAT, "order", order, "hidden", hidden));
}

void registry_become_rules(struct registry *registry, struct request *request)
{
    if (request->rules == NULL)
        return;
    request->rules->version = registry->last_version;
    rule_set_free(&registry->rules);
    registry->rules = request->rules;
    request->rules = NULL;
}

static enum registry_result out_of_memory(struct request *request)
{
    (void)reason_set(&request->answer.why, -ENOMEM, "out of memory");
    return REGISTRY_STORE;
}

/* ---- put ---- */

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    struct problems *problems = &request->answer.problems;
    const json_t *given_id = json_object_get(request->input, "id");
    const json_t *given_version = json_object_get(request->input, "version");
    const char *name = json_string_value(json_object_get(request->input, "name"));
    const struct rule *stored = NULL, *namesake;
    struct rule *rule;
    size_t at;

    if (request->id == 0 && json_is_integer(given_id))
        request->id = (uint32_t)json_integer_value(given_id);
    if (request->id == 0 && name != NULL && (stored = registry_rule_named(registry, name)) != NULL)
        request->id = stored->id;
    at = find_rule(registry->rules, request->id);
    if (request->id != 0 && at == registry->rules->count)
        return REGISTRY_NOT_FOUND;
    stored = request->id != 0 ? registry->rules->rules[at] : NULL;
    if (request->if_match == 0 && stored != NULL && json_is_integer(given_version))
        request->if_match = (uint64_t)json_integer_value(given_version);
    if (stored != NULL && request->if_match != 0 && request->if_match != stored->version)
        return REGISTRY_STALE;
    rule = rule_from_input(request->input, registry_find_for_rule, registry, problems);
    if (rule == NULL)
        return REGISTRY_INVALID;
    namesake = registry_rule_named(registry, rule->name);
    if (namesake != NULL && namesake != stored) {
        problem_add(problems, "name", json_object_get(request->input, "name"),
                    "a name that no other rule has", "there is a rule of this name already");
        rule_free(&rule);
        return REGISTRY_INVALID;
    }
    request->rules = registry_copy_rules(registry);
    rule->id = stored != NULL ? stored->id : request_next_id(request);
    rule->version = request_next_version(request);
    request->answer.id = rule->id;
    request->answer.version = rule->version;
    request->watch_rules = true;
    request_write_rule(request, rule);
    request_audit(request, stored != NULL ? "rule changed" : "rule created", rule->name, NULL);
    if (request->rules == NULL) {
        rule_free(&rule);
        return out_of_memory(request);
    }
    if (stored == NULL) {
        if (append_rule(request->rules, rule) < 0)
            return out_of_memory(request);
        request_write_order(request, request->rules);
        return REGISTRY_OK;
    }
    request->rules->enabled_count -= request->rules->rules[at]->enabled;
    request->rules->enabled_count += rule->enabled;
    rule_free(&request->rules->rules[at]);
    request->rules->rules[at] = rule;
    return REGISTRY_OK;
}

static struct request *rule_request(struct registry *registry, request_prepare *prepare,
                                    request_apply *apply, const struct registry_actor *actor,
                                    registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare, apply, actor, done, arg);

    if (request == NULL)
        abort(); /* a few hundred bytes: nothing would work any more */
    return request;
}

void registry_rule_put(struct registry *registry, const json_t *input, uint32_t id,
                       uint64_t if_match, const struct registry_actor *actor,
                       registry_done_cb *done, void *arg)
{
    struct request *request =
        rule_request(registry, prepare_put, registry_become_rules, actor, done, arg);

    request->input = json_deep_copy(input);
    request->id = id;
    request->if_match = if_match;
    request_submit(request);
}

/* ---- move ---- */

static enum registry_result prepare_move(struct registry *registry, struct request *request)
{
    size_t at = find_rule(registry->rules, request->id), to = request->position - 1;
    struct rule *rule;

    if (at == registry->rules->count)
        return REGISTRY_NOT_FOUND;
    if (request->position == 0 || to >= registry->rules->count) {
        char allowed[64];
        json_t *value = json_integer(request->position);

        (void)snprintf(allowed, sizeof(allowed), "1 to %zu", registry->rules->count);
        problem_add(&request->answer.problems, "position", value, allowed, "no such position");
        json_decref(value);
        return REGISTRY_INVALID;
    }
    request->rules = registry_copy_rules(registry);
    if (request->rules == NULL)
        return out_of_memory(request);
    rule = request->rules->rules[at];
    if (to > at)
        memmove(&request->rules->rules[at], &request->rules->rules[at + 1],
                (to - at) * sizeof(struct rule *));
    else
        memmove(&request->rules->rules[to + 1], &request->rules->rules[to],
                (at - to) * sizeof(struct rule *));
    request->rules->rules[to] = rule;
    request->answer.id = rule->id;
    request->answer.version = rule->version;
    request->watch_rules = true;
    (void)request_next_version(request);
    request_write_order(request, request->rules);
    request_audit(request, "rule moved", rule->name, NULL);
    return REGISTRY_OK;
}

void registry_rule_move(struct registry *registry, uint32_t id, unsigned position,
                        const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request =
        rule_request(registry, prepare_move, registry_become_rules, actor, done, arg);

    request->id = id;
    request->position = position;
    request_submit(request);
}

/* ---- delete: mail that still needs the rule keeps it alive, out of sight (SP53) ---- */

static bool is_needed(const struct registry *registry, uint32_t rule)
{
    return registry->mail_count != NULL &&
           registry->mail_count(0, rule, registry->mail_count_arg) > 0;
}

static void write_gone(struct request *request, uint32_t id)
{
    char key[STORE_KEY_MAX + 1];

    store_number_key(id, key);
    request_write(request, STORE_RULES, key, NULL);
}

static enum registry_result prepare_delete(struct registry *registry, struct request *request)
{
    size_t at = find_rule(registry->rules, request->id);
    struct rule *rule;

    if (at == registry->rules->count)
        return REGISTRY_NOT_FOUND;
    if (request->if_match != 0 && request->if_match != registry->rules->rules[at]->version)
        return REGISTRY_STALE;
    request->rules = registry_copy_rules(registry);
    if (request->rules == NULL)
        return out_of_memory(request);
    rule = request->rules->rules[at];
    request->rules->count--;
    request->rules->enabled_count -= rule->enabled;
    memmove(&request->rules->rules[at], &request->rules->rules[at + 1],
            (request->rules->count - at) * sizeof(struct rule *));
    request->answer.id = request->id;
    request->watch_rules = true;
    request->is_gone = true;
    request->position = is_needed(registry, request->id); /* 1: goes into hiding */
    (void)request_next_version(request);
    request_audit(request, "rule deleted", rule->name,
                  request->position != 0 ? "kept hidden: queued mail needs it" : NULL);
    if (request->position == 0)
        write_gone(request, request->id);
    request_write_order(request, request->rules);
    rule_free(&rule);
    return REGISTRY_OK;
}

/* Those that no mail needs any longer leave with the next change. */
static void forget_unneeded(struct registry *registry)
{
    for (size_t i = 0; i < registry->hidden_count;) {
        if (is_needed(registry, registry->hidden[i]->id)) {
            i++;
            continue;
        }
        rule_free(&registry->hidden[i]);
        registry->hidden[i] = registry->hidden[--registry->hidden_count];
    }
}

static void apply_delete(struct registry *registry, struct request *request)
{
    size_t at = find_rule(registry->rules, request->id);

    forget_unneeded(registry);
    if (request->position != 0 && at < registry->rules->count) {
        struct rule **grown =
            realloc(registry->hidden, (registry->hidden_count + 1) * sizeof(struct rule *));
        struct rule *rule = copy_rule(registry->rules->rules[at]);

        if (grown != NULL)
            registry->hidden = grown;
        if (grown != NULL && rule != NULL) {
            rule->enabled = false;
            registry->hidden[registry->hidden_count++] = rule;
        }
    }
    registry_become_rules(registry, request);
}

void registry_rule_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request =
        rule_request(registry, prepare_delete, apply_delete, actor, done, arg);

    request->id = id;
    request->if_match = if_match;
    request_submit(request);
}

/* ---- for a worker ---- */

int registry_rules_memfd(struct registry *registry)
{
    struct rule_set *set = registry_copy_rules(registry);
    json_t *json = NULL;
    char *text = NULL;
    int fd = -ENOMEM, err = set != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; i < registry->hidden_count && err == 0; i++) {
        struct rule *rule = copy_rule(registry->hidden[i]);

        if (rule != NULL)
            rule->enabled = false;
        err = append_rule(set, rule);
    }
    if (err == 0) {
        set->version = registry->rules->version;
        json = rule_set_to_json(set);
    }
    if (json != NULL)
        text = json_dumps(json, JSON_COMPACT);
    if (text != NULL)
        fd = memfd_seal("rules", text, strlen(text));
    free(text);
    json_decref(json);
    rule_set_free(&set);
    return fd;
}
