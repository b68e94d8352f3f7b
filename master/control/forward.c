/* master/control/forward.c: a quarantined message goes to somebody who is to look at it, attached
 * to mail of our own (SR05). It stays in the quarantine. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/rule.h"
#include "master/composer.h"

#define GROUPS_MAX 64 /* of one message that are looked at */

static const char text[] =
    "The attached message was blocked by a scan of its content. An operator of the gateway\n"
    "forwards it to you. It may be harmful: do not open it unless you know what you do.\n";

struct forward {
    struct call *call;
    char to[512];
};

/* ---- what is asked for ---- */

/* One mailbox; false: refused. */
static bool read_to(struct call *call, const char **ret_to)
{
    const char *to = json_string_value(json_object_get(call->body, "to"));
    struct reason why = { "" };

    if (!to) {
        call_refuse(call, 422, "invalid", "to: a mailbox is expected");
        return false;
    }
    if (strlen(to) >= sizeof(((struct forward *)NULL)->to) || rule_mailbox_check(to, &why) != 0) {
        call_refuse(call, 422, "invalid", "to: %.64s: %s", to,
                    why.text[0] ? why.text : "it is too long");
        return false;
    }
    *ret_to = to;
    return true;
}

/* The one that is named, or the message's own relay; 0: refused. */
static uint32_t read_profile(struct call *call, const struct queue_view *view)
{
    const json_t *given = json_object_get(call->body, "profile");
    const char *name = json_string_value(given);
    const struct profile *profile =
        name ? registry_profile_named(call->control->registry, name) : NULL;

    if (!given)
        return view->profile;
    if (profile && profile->type == PROFILE_SMTP)
        return profile->id;
    call_refuse(call, 422, "invalid", "profile: there is no smtp profile \"%.200s\"",
                name ? name : "");
    return 0;
}

/* Any of its groups that is in the quarantine: all of them have the same message. */
static bool find_quarantined(struct call *call, uint64_t id, struct queue_view *ret_view)
{
    struct control *control = call->control;
    struct queue_view views[GROUPS_MAX];
    size_t count = control->backend.queue_find(control->backend.self, id, views, GROUPS_MAX);

    for (size_t i = 0; i < count && i < GROUPS_MAX; i++) {
        if (views[i].state == QUEUE_QUARANTINED) {
            *ret_view = views[i];
            return true;
        }
    }
    call_refuse(call, count > 0 ? 409 : 404, count > 0 ? "state" : "not_found",
                "message %s is not in the quarantine", call->id);
    return false;
}

/* ---- the answer ---- */

static void refuse(struct call *call, const char *to, int err)
{
    if (err == -EINVAL)
        call_refuse(call, 422, "invalid", "to: %.64s: must be in ASCII", to);
    else if (err == -ENOENT || err == -EBADMSG)
        call_refuse(call, 409, "state", "%s: it cannot be read where it was; try again", call->id);
    else
        call_refuse(call, 503, "busy", "%s: it could not be forwarded: %s", call->id,
                    strerror(-err));
}

static void on_composed(int err, uint64_t id, void *arg)
{
    struct forward *forward = arg;
    struct call *call = forward->call;
    char new_id[ID_TEXT_SIZE];

    if (err == 0) {
        registry_audit_add(call->control->registry, &call->actor, "quarantine forward", call->id,
                           forward->to);
        call_answer(call, 200,
                    json_pack("{s:s, s:s}", "id", call->id, "message", id_text(id, new_id)));
    } else {
        refuse(call, forward->to, err);
    }
    free(forward);
}

static int send(struct call *call, struct forward *forward, const struct queue_view *view,
                uint32_t profile)
{
    const char *recipients[] = { forward->to };
    char subject[64], id[ID_TEXT_SIZE];
    const struct composer_mail mail = {
        .sender = "",
        .from = call->control->own_address,
        .recipients = recipients,
        .recipient_count = 1,
        .profile = profile,
        .subject = subject,
        .text = text,
        .attached = &view->place,
    };

    (void)snprintf(subject, sizeof(subject), "Quarantined message %s", id_text(view->place.id, id));
    return call->control->backend.compose(call->control->backend.self, &mail, on_composed, forward);
}

void serve_quarantine_forward(struct call *call)
{
    struct queue_view view;
    struct forward *forward;
    const char *to = NULL;
    uint32_t profile;
    uint64_t id;
    int err;

    if (id_parse(call->id, &id) < 0) {
        call_refuse(call, 404, "not_found", "%s is no message id", call->id);
        return;
    }
    if (!read_to(call, &to) || !find_quarantined(call, id, &view))
        return;
    profile = read_profile(call, &view);
    if (profile == 0)
        return;
    forward = calloc(1, sizeof(*forward));
    if (!forward) {
        call_refuse_memory(call);
        return;
    }
    forward->call = call;
    memcpy(forward->to, to, strlen(to) + 1);
    err = send(call, forward, &view, profile);
    if (err < 0)
        on_composed(err, 0, forward);
}
