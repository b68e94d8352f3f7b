/* master/control/queue_shown.c: a group of the queue as JSON. */
#include "master/control/queue_shown.h"

#include "common/clock.h"
#include "common/id.h"
#include "master/control/control_private.h"
#include "master/registry.h"

static json_t *time_shown(uint32_t epoch_s)
{
    char text[CLOCK_TEXT_SIZE];

    return epoch_s ? json_string(clock_text(clock_from_epoch_s(epoch_s), text)) : json_null();
}

static json_t *profile_shown(const struct control *control, uint32_t id)
{
    const struct profile *profile = registry_profile(control->registry, id);

    return profile ? json_string(profile->name) : json_null();
}

static json_t *rule_shown(const struct control *control, const struct queue_view *view)
{
    const struct rule *rule = registry_rule(control->registry, view->rule);

    if (view->rule == 0)
        return json_string(view->is_own ? "own" : "postmaster");
    return rule ? json_string(rule->name) : json_null();
}

/* The profile that it goes through says which it is. */
static enum stage stage_of(const struct control *control, const struct queue_view *view)
{
    const struct profile *profile = registry_profile(control->registry, view->stage_profile);

    if (profile && profile->type == PROFILE_CORE)
        return STAGE_SCAN;
    return profile && profile->type == PROFILE_VAULT ? STAGE_UPLOAD : STAGE_RELAY;
}

static json_t *reason_shown(const struct queue_view *view)
{
    if (view->state == QUEUE_QUARANTINED)
        return json_string("by a scan");
    if (view->state != QUEUE_HELD)
        return json_null();
    if (view->crashes < QUEUE_CRASHES_TO_HOLD)
        return json_string("by an operator");
    return json_sprintf("%u workers died while they had it", view->crashes);
}

json_t *queue_shown(const struct control *control, const struct queue_view *view, bool with_message)
{
    bool waits = view->state == QUEUE_WAITING;
    json_t *row = json_object();
    char id[ID_TEXT_SIZE];

    if (with_message) {
        json_object_set_new(row, "id", json_string(id_text(view->place.id, id)));
        json_object_set_new(row, "received", time_shown(view->received_s));
        json_object_set_new(row, "bytes", json_integer((json_int_t)view->body_bytes));
    }
    json_object_set_new(row, "group", json_integer(view->place.group));
    json_object_set_new(row, "state", json_string(queue_state_name(view->state)));
    json_object_set_new(row, "rule", rule_shown(control, view));
    json_object_set_new(row, "rule_id", json_integer((json_int_t)view->rule));
    json_object_set_new(row, "profile", profile_shown(control, view->profile));
    json_object_set_new(row, "stage", json_string(stage_name(stage_of(control, view))));
    json_object_set_new(row, "open_recipients", json_integer(view->recipients));
    json_object_set_new(row, "attempts", json_integer(view->attempts));
    json_object_set_new(row, "next_attempt",
                        waits ? time_shown(view->next_attempt_s) : json_null());
    json_object_set_new(row, "crashes", json_integer(view->crashes));
    json_object_set_new(row, "held", reason_shown(view));
    json_object_set_new(row, "worker",
                        view->worker >= 0 ? json_integer(view->worker) : json_null());
    return row;
}
