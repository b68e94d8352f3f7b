/* master/control/queue_change.c: an operator's orders about queued messages (MQ06).
 *
 * Durable when answered; each leaves an entry in the audit log. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/envelope.h"
#include "common/id.h"

struct change {
    struct call *call;
    struct queue_order order;
    char profile[132 * 4]; /* of a reroute: the name, for the audit */
};

static int status_of(enum queue_order_result result)
{
    switch (result) {
    case QUEUE_ORDER_DONE: return 200;
    case QUEUE_NOT_FOUND: return 404;
    case QUEUE_TOO_LATE:
    case QUEUE_NOT_IN_STATE: return 409;
    case QUEUE_BUSY: return 503;
    case QUEUE_DISK:
    case QUEUE_ORDER_RESULT_COUNT:
    default: return 507;
    }
}

static const char *code_of(enum queue_order_result result)
{
    switch (result) {
    case QUEUE_NOT_FOUND: return "not_found";
    case QUEUE_TOO_LATE: return "too_late";
    case QUEUE_NOT_IN_STATE: return "state";
    case QUEUE_BUSY: return "busy";
    case QUEUE_ORDER_DONE:
    case QUEUE_DISK:
    case QUEUE_ORDER_RESULT_COUNT:
    default: return "store";
    }
}

static void add_audit(const struct change *change, unsigned done_count)
{
    char what[64], id[ID_TEXT_SIZE], detail[sizeof(change->profile) + 64];
    bool is_reroute = change->order.verb == QUEUE_REROUTE;

    snprintf(what, sizeof(what), "queue %s", queue_verb_name(change->order.verb));
    snprintf(detail, sizeof(detail), "%u group%s%s%s", done_count, done_count == 1 ? "" : "s",
             is_reroute ? " to " : "", is_reroute ? change->profile : "");
    registry_audit_add(change->call->control->registry, &change->call->actor, what,
                       id_text(change->order.id, id), detail);
}

static void on_ordered(const struct queue_order_answer *answer, void *arg)
{
    struct change *change = arg;
    struct call *call = change->call;
    enum queue_order_result result = answer->result;
    json_t *counts;

    if (answer->done_count > 0)
        add_audit(change, answer->done_count);
    counts = json_pack("{s:s, s:I, s:I}", "id", call->id, "done", (json_int_t)answer->done_count,
                       "not_done", (json_int_t)answer->other_count);
    free(change);
    if (result == QUEUE_ORDER_DONE)
        call_answer(call, 200, counts);
    else if (answer->done_count > 0)
        call_refuse_with(call, status_of(result), code_of(result), counts,
                         "%s: %u of %u groups: %s", call->id, answer->other_count,
                         answer->done_count + answer->other_count, queue_order_result_text(result));
    else
        call_refuse_with(call, status_of(result), code_of(result), counts, "%s: %s", call->id,
                         queue_order_result_text(result));
}

static void order(struct call *call, enum queue_verb verb, const struct profile *profile,
                  bool is_quarantine_only)
{
    struct control *control = call->control;
    struct change *change;
    uint64_t id, group;

    if (id_parse(call->id, &id) < 0) {
        call_refuse(call, 404, "not_found", "%s is no message id", call->id);
        return;
    }
    if (!call_query_number(call, "group", 0, ENVELOPE_MAX_GROUPS - 1, UINT64_MAX, &group))
        return;
    change = calloc(1, sizeof(*change));
    if (!change) {
        call_refuse_memory(call);
        return;
    }
    change->call = call;
    change->order = (struct queue_order){ .verb = verb,
                                          .id = id,
                                          .group = group == UINT64_MAX ? -1 : (int)group,
                                          .is_quarantine_only = is_quarantine_only,
                                          .profile = profile ? profile->id : 0 };
    if (profile)
        snprintf(change->profile, sizeof(change->profile), "%s", profile->name);
    control->backend.queue_order(control->backend.self, &change->order, on_ordered, change);
}

void serve_message_retry(struct call *call)
{
    order(call, QUEUE_RETRY, NULL, false);
}

void serve_message_hold(struct call *call)
{
    order(call, QUEUE_HOLD, NULL, false);
}

void serve_message_release(struct call *call)
{
    order(call, QUEUE_RELEASE, NULL, false);
}

void serve_message_delete(struct call *call)
{
    order(call, QUEUE_DELETE, NULL, false);
}

void serve_message_reroute(struct call *call)
{
    const char *name = json_string_value(json_object_get(call->body, "profile"));
    const struct profile *profile;

    if (!name || json_object_size(call->body) != 1) {
        call_refuse(call, 422, "invalid", "profile: a name is expected, and nothing else");
        return;
    }
    profile = registry_profile_named(call->control->registry, name);
    if (!profile)
        call_refuse(call, 422, "invalid", "profile: there is no profile \"%.200s\"", name);
    else if (profile->type != PROFILE_SMTP)
        call_refuse(call, 422, "invalid",
                    "profile: \"%.200s\" is a %s profile; mail is delivered "
                    "through an smtp profile",
                    name, profile_type_name(profile->type));
    else
        order(call, QUEUE_REROUTE, profile, false);
}

/* ---- of the quarantine: what is not in it is left alone ---- */

void serve_quarantine_release(struct call *call)
{
    order(call, QUEUE_RELEASE, NULL, true);
}

void serve_quarantine_rescan(struct call *call)
{
    order(call, QUEUE_RESCAN, NULL, true);
}

void serve_quarantine_delete(struct call *call)
{
    order(call, QUEUE_DELETE, NULL, true);
}
