/* master/registry_rule.c: rules: found, put, moved, deleted, forgotten. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/loop.h"
#include "master/registry_private.h"

#define FORGET_EVERY_MS 60000

/* ---- reading ---- */

const struct rule_set *registry_rules(const struct registry *registry)
{
    return registry->now.set;
}

const struct rule *registry_rule(const struct registry *registry, uint32_t id)
{
    const struct registry_state *now = &registry->now;
    size_t at = state_find_rule(now, id);

    if (at < now->rules.count)
        return state_rule_at(now, at)->rule;
    for (size_t i = 0; i < now->hidden.count; i++) {
        if (state_hidden_at(now, i)->rule->id == id)
            return state_hidden_at(now, i)->rule;
    }
    return NULL;
}

const struct rule *registry_rule_named(const struct registry *registry, const char *name)
{
    size_t at = state_find_rule_named(&registry->now, name);

    return at < registry->now.rules.count ? state_rule_at(&registry->now, at)->rule : NULL;
}

/* ---- put ---- */

/* By `id`, by the input's own, by its name unless its id is null; the count of rules: a new one. */
static enum registry_result find_target(const struct registry *registry, struct request *request,
                                        size_t *ret_at)
{
    const struct registry_state *now = &registry->now;
    struct problems *problems = &request->answer.problems;
    const json_t *given = json_object_get(request->input, "id");
    const char *name = json_string_value(json_object_get(request->input, "name"));
    uint64_t version;
    uint32_t named;

    *ret_at = now->rules.count;
    if (!registry_read_numbers(request->input, &named, &version, problems))
        return REGISTRY_INVALID;
    if (request->id != 0 && named != 0 && named != request->id) {
        problem_add(problems, "id", given, "the one that is changed, or left out",
                    "is not the id of the rule that is changed (%" PRIu32 ")", request->id);
        return REGISTRY_INVALID;
    }
    request->id = request->id != 0 ? request->id : named;
    if (request->id != 0) {
        *ret_at = state_find_rule(now, request->id);
        return *ret_at < now->rules.count ? REGISTRY_OK : REGISTRY_NOT_FOUND;
    }
    if (name != NULL && !json_is_null(given))
        *ret_at = state_find_rule_named(now, name);
    return REGISTRY_OK;
}

static void check_name_and_room(const struct registry *registry, const json_t *input, size_t at,
                                const struct rule *rule, struct problems *problems)
{
    const struct registry_state *now = &registry->now;
    size_t other = state_find_rule_named(now, rule->name);

    if (other < now->rules.count && other != at)
        problem_add(problems, "name", json_object_get(input, "name"),
                    "a name that no other rule has", "is the name of another rule (id %" PRIu32 ")",
                    state_rule_at(now, other)->rule->id);
    if (at == now->rules.count && now->rules.count + now->hidden.count >= RULE_MAX_RULES)
        problem_add(problems, "name", NULL, "at most 1000 rules",
                    "there are %zu already (%zu of them deleted ones that mail may still need)",
                    now->rules.count + now->hidden.count, now->hidden.count);
}

static void audit_put(struct request *request, const struct rule *old, const struct rule *fresh)
{
    AUTO(json) json_t *before = NULL, *after = NULL;
    char changes[512] = "";

    if (old != NULL) {
        before = rule_to_record(old);
        after = rule_to_record(fresh);
        audit_describe(before, after, changes, sizeof(changes));
    }
    request_audit(request, old != NULL ? "rule changed" : "rule created", fresh->name, changes);
}

static enum registry_result prepare_put(struct registry *registry, struct request *request)
{
    struct problems *problems = &request->answer.problems;
    const struct rule *stored = NULL;
    struct draft *draft;
    struct rule *rule;
    size_t at;
    enum registry_result result = find_target(registry, request, &at);

    if (result == REGISTRY_OK && at < registry->now.rules.count)
        stored = state_rule_at(&registry->now, at)->rule;
    if (result == REGISTRY_OK)
        result = request_check_version(request, stored != NULL ? stored->version : 0);
    if (result != REGISTRY_OK)
        return result;
    draft = request->draft = draft_new(registry);
    if (draft == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    rule = rule_from_input(request->input, state_find_for_rule, &registry->now, problems);
    if (rule != NULL)
        check_name_and_room(registry, request->input, at, rule, problems);
    if (rule == NULL || problems_any(problems)) {
        rule_free(&rule);
        return REGISTRY_INVALID;
    }
    rule->id = stored != NULL ? stored->id : draft_next_rule_id(draft);
    rule->version = draft_next_version(draft);
    request->answer.id = rule->id;
    request->answer.version = rule->version;
    audit_put(request, stored, rule);
    draft_put_rule(draft, registry_rule_new(rule));
    return REGISTRY_OK;
}

void registry_rule_put(struct registry *registry, const json_t *input, uint32_t id,
                       uint64_t if_match, const struct registry_actor *actor,
                       registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_put, actor, done, arg);

    request->input = json_incref((json_t *)input);
    request->id = id;
    request->if_match = if_match;
    request_submit(request);
}

/* ---- move ---- */

static enum registry_result prepare_move(struct registry *registry, struct request *request)
{
    const struct registry_state *now = &registry->now;
    size_t at = state_find_rule(now, request->id);
    const struct rule *rule;
    char text[64];

    if (at == now->rules.count)
        return REGISTRY_NOT_FOUND;
    rule = state_rule_at(now, at)->rule;
    if (request->position < 1 || request->position > now->rules.count) {
        AUTO(json) json_t *value = json_integer(request->position);

        (void)snprintf(text, sizeof(text), "1 to %zu", now->rules.count);
        problem_add(&request->answer.problems, "position", value, text,
                    "there is no such position");
        return REGISTRY_INVALID;
    }
    request->answer.id = rule->id;
    request->answer.version = rule->version;
    if (at == request->position - 1)
        return REGISTRY_OK;
    request->draft = draft_new(registry);
    if (request->draft == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    draft_move_rule(request->draft, at, request->position - 1);
    (void)snprintf(text, sizeof(text), "from position %zu to %u", at + 1, request->position);
    request_audit(request, "rule moved", rule->name, text);
    return REGISTRY_OK;
}

void registry_rule_move(struct registry *registry, uint32_t id, unsigned position,
                        const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_move, actor, done, arg);

    request->id = id;
    request->position = position;
    request_submit(request);
}

/* ---- delete: into hiding; forgotten when no mail can need it any more (SP53) ---- */

static enum registry_result prepare_delete(struct registry *registry, struct request *request)
{
    const struct registry_state *now = &registry->now;
    size_t at = state_find_rule(now, request->id);
    const struct rule *rule;

    if (at == now->rules.count)
        return REGISTRY_NOT_FOUND;
    rule = state_rule_at(now, at)->rule;
    if (request->if_match != 0 && request->if_match != rule->version)
        return REGISTRY_STALE;
    request->draft = draft_new(registry);
    if (request->draft == NULL)
        return request_fail(request, REGISTRY_STORE, -ENOMEM, "out of memory");
    draft_hide_rule(request->draft, at);
    request->answer.id = rule->id;
    request->answer.version = rule->version;
    request_audit(request, "rule deleted", rule->name, NULL);
    return REGISTRY_OK;
}

void registry_rule_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare_delete, actor, done, arg);

    request->id = id;
    request->if_match = if_match;
    request_submit(request);
}

uint64_t registry_mail(const struct registry *registry, uint32_t profile, uint32_t rule)
{
    return registry->mail_count != NULL
               ? registry->mail_count(profile, rule, registry->mail_count_arg)
               : 0;
}

/* A session that was told the rule may yet bring mail that was matched by it. */
static bool may_be_forgotten(const struct registry *registry, const struct registry_rule *entry)
{
    return clock_mono_ms() - entry->hidden_ms >= registry->session_ms &&
           registry_mail(registry, 0, entry->rule->id) == 0;
}

/* No person's change, so it is not audited: the deletion was. */
static enum registry_result prepare_forget(struct registry *registry, struct request *request)
{
    const struct registry_state *now = &registry->now;

    for (size_t i = now->hidden.count; i-- > 0;) {
        if (!may_be_forgotten(registry, state_hidden_at(now, i)))
            continue;
        if (request->draft == NULL)
            request->draft = draft_new(registry);
        if (request->draft == NULL)
            return REGISTRY_STORE;
        draft_forget_hidden(request->draft, i);
    }
    return REGISTRY_OK;
}

void registry_on_forget(void *arg)
{
    struct registry *registry = arg;
    bool is_due = false;

    for (size_t i = 0; i < registry->now.hidden.count && !is_due; i++)
        is_due = may_be_forgotten(registry, state_hidden_at(&registry->now, i));
    if (is_due && !registry->is_stopping)
        request_submit(request_new(registry, prepare_forget, NULL, NULL, NULL));
    registry_watch_hidden(registry);
}

void registry_watch_hidden(struct registry *registry)
{
    int64_t wait_ms =
        registry->session_ms < FORGET_EVERY_MS ? registry->session_ms + 1 : FORGET_EVERY_MS;

    if (registry->now.hidden.count == 0)
        loop_timer_clear(registry->forget);
    else if (!loop_timer_is_set(registry->forget))
        loop_timer_set_ms(registry->forget, wait_ms);
}
