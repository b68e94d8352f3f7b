/* master/control/rules.c: security rules: reading and changing them, and their order. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/auto.h"

#define MAX_POSITION 1000000

static const char *name_of(uint32_t id, void *arg)
{
    const struct profile *profile = registry_profile(arg, id);

    return profile ? profile->name : NULL;
}

static json_t *show_rule(struct control *control, const struct rule *rule)
{
    return rule_to_shown(rule, name_of, control->registry);
}

static const struct rule *find_rule(const struct control *control, uint32_t id)
{
    const struct rule_set *set = registry_rules(control->registry);

    for (size_t i = 0; i < set->count; i++) {
        if (set->rules[i]->id == id)
            return set->rules[i];
    }
    return NULL;
}

void serve_rules_get(struct call *call)
{
    const struct rule_set *set = registry_rules(call->control->registry);
    const char *name = http_request_query(call->request, "name");
    json_t *list = json_array();

    if (name) {
        const struct rule *rule = registry_rule_named(call->control->registry, name);

        if (rule)
            json_array_append_new(list, show_rule(call->control, rule));
    } else {
        for (size_t i = 0; i < set->count; i++)
            json_array_append_new(list, show_rule(call->control, set->rules[i]));
    }
    call_set_version(call, set->version);
    call_answer(call, 200, json_pack("{s:o}", "rules", list));
}

void serve_rule_get(struct call *call)
{
    uint32_t id = call_number(call, "rule");
    const struct rule *rule;

    if (id == 0)
        return;
    rule = find_rule(call->control, id);
    if (!rule) {
        call_refuse(call, 404, "not_found", "there is no rule %u", id);
        return;
    }
    call_set_version(call, rule->version);
    call_answer(call, 200, show_rule(call->control, rule));
}

/* ---- changes ---- */

static void on_changed(struct call *call, const struct registry_answer *answer, bool is_new)
{
    const struct rule *rule;
    json_t *body;
    char location[64];

    if (answer->result != REGISTRY_OK) {
        call_refuse_registry(call, answer, "rule", NULL);
        return;
    }
    rule = find_rule(call->control, answer->id);
    body = json_pack("{s:o, s:b}", "rule", rule ? show_rule(call->control, rule) : json_null(),
                     "created", is_new);
    if (body)
        call_add_warnings(body, answer->problems.warnings);
    call_set_version(call, answer->version);
    snprintf(location, sizeof(location), "/api/v1/rules/%u", answer->id);
    if (is_new)
        http_request_set_header(call->request, "Location", location);
    call_answer(call, is_new ? 201 : 200, body);
}

static void on_created(struct registry_answer *answer, void *arg)
{
    on_changed(arg, answer, true);
}

static void on_updated(struct registry_answer *answer, void *arg)
{
    on_changed(arg, answer, false);
}

/* By the input's own id, then its name: as the registry finds it. */
static bool is_known(const struct call *call)
{
    const json_t *id = json_object_get(call->body, "id");
    const char *name = json_string_value(json_object_get(call->body, "name"));

    if (json_is_integer(id) && json_integer_value(id) != 0)
        return true;
    return name && registry_rule_named(call->control->registry, name);
}

void serve_rule_post(struct call *call)
{
    registry_rule_put(call->control->registry, call->body, 0, call->if_match, &call->actor,
                      is_known(call) ? on_updated : on_created, call);
}

void serve_rule_put(struct call *call)
{
    uint32_t id = call_number(call, "rule");

    if (id == 0)
        return;
    if (!find_rule(call->control, id))
        call_refuse(call, 404, "not_found", "there is no rule %u", id);
    else if (call_has_precondition(call))
        registry_rule_put(call->control->registry, call->body, id, call->if_match, &call->actor,
                          on_updated, call);
}

static void on_deleted(struct registry_answer *answer, void *arg)
{
    struct call *call = arg;

    if (answer->result == REGISTRY_OK)
        call_answer(call, 204, NULL);
    else
        call_refuse_registry(call, answer, "rule", NULL);
}

void serve_rule_delete(struct call *call)
{
    uint32_t id = call_number(call, "rule");

    if (id != 0)
        registry_rule_delete(call->control->registry, id, call->if_match, &call->actor, on_deleted,
                             call);
}

void serve_rule_move(struct call *call)
{
    uint32_t id = call_number(call, "rule");
    const json_t *position = json_object_get(call->body, "position");

    if (id == 0)
        return;
    if (json_object_size(call->body) != 1 || !json_is_integer(position) ||
        json_integer_value(position) < 1 || json_integer_value(position) > MAX_POSITION) {
        call_refuse(call, 422, "invalid",
                    "position: a number from 1 (the first) on is expected, and nothing else");
        return;
    }
    registry_rule_move(call->control->registry, id, (unsigned)json_integer_value(position),
                       &call->actor, on_updated, call);
}
