/* master/control/alerts.c: what somebody must look at, and whether its mail arrives. */
#include <errno.h>
#include <string.h>

#include "common/id.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

void serve_alerts_get(struct call *call)
{
    const struct control_backend *backend = &call->control->backend;

    call_answer(call, 200, json_pack("{s:o}", "alerts", backend->alerts(backend->self)));
}

static void refuse(struct call *call, int err)
{
    if (err == -ENOENT)
        call_refuse(call, 409, "unset", "the setting alerts is unset: nobody is told of alerts");
    else
        call_refuse(call, 503, "try-later", "the message could not be stored: %s", strerror(-err));
}

static void on_sent(int err, uint64_t id, void *arg)
{
    struct call *call = arg;
    char text[ID_TEXT_SIZE];

    if (err == 0)
        call_answer(call, 202, json_pack("{s:s}", "id", id_text(id, text)));
    else
        refuse(call, err);
}

void serve_alert_test(struct call *call)
{
    const struct control_backend *backend = &call->control->backend;
    int err = backend->alert_test(backend->self, on_sent, call);

    if (err == 0)
        registry_audit_add(call->control->registry, &call->actor, "test alert sent", "alerts",
                           NULL);
    else
        refuse(call, err);
}
