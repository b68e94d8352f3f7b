/* master/control/session_list.c: who is logged in, for administrators. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

static json_t *describe(const struct call *call, const struct session *session)
{
    const struct account *account = registry_account(call->control->registry, session->account);
    int64_t max_ms = sessions_rules(call->control->access->sessions)->max_ms;
    int64_t to_wall_ms = clock_wall_ms() - loop_now_ms(call->control->loop);
    char since[CLOCK_TEXT_SIZE], used[CLOCK_TEXT_SIZE], ends[CLOCK_TEXT_SIZE];

    return json_pack("{ss ss ss ss ss ss ss sb}", "id", session->id, "account",
                     account ? account->name : session->name, "role",
                     account_role_name(account ? account->role : ACCOUNT_VIEWER), "client",
                     session->client, "since", clock_text(session->began_ms + to_wall_ms, since),
                     "last_used", clock_text(session->used_ms + to_wall_ms, used), "ends",
                     clock_text(session->began_ms + max_ms + to_wall_ms, ends), "current",
                     strcmp(session->id, call->session) == 0);
}

void serve_sessions_get(struct call *call)
{
    struct sessions *sessions = call->control->access->sessions;
    json_t *list = json_array();

    sessions_expire(sessions, loop_now_ms(call->control->loop));
    for (size_t i = 0; i < sessions_count(sessions); i++) {
        if (json_array_append_new(list, describe(call, sessions_at(sessions, i))) < 0) {
            json_decref(list);
            call_refuse_memory(call);
            return;
        }
    }
    call_answer(call, 200, json_pack("{s:o}", "sessions", list));
}

void serve_session_delete(struct call *call)
{
    struct sessions *sessions = call->control->access->sessions;
    const struct session *session = sessions_named(sessions, call->id);

    if (!session) {
        call_refuse(call, 404, "not_found", "there is no such session");
        return;
    }
    registry_audit_add(call->control->registry, &call->actor, "session ended by an administrator",
                       session->name, NULL);
    (void)sessions_end(sessions, call->id, SESSION_ENDED_BY_ADMIN);
    call_answer(call, 204, NULL);
}
