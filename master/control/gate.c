#include "master/control/gate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/random_token.h"
#include "master/control/access.h"
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"
#include "master/control/sessions.h"

/* ---- the decision ---- */

static bool is_same_origin(const struct gate_facts *facts)
{
    const char *scheme = facts->is_plain ? "http://" : "https://";
    const char *site = facts->fetch_site;

    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (facts->origin == NULL)
        return true;
    return facts->host != NULL && strncasecmp(facts->origin, scheme, strlen(scheme)) == 0 &&
           strcasecmp(facts->origin + strlen(scheme), facts->host) == 0;
}

static bool has_good_type(const struct gate_facts *facts)
{
    return facts->body_bytes == 0 || call_is_json(facts->content_type);
}

static bool has_role(const struct gate_facts *facts, enum gate_who who)
{
    return who != GATE_ADMIN || facts->role == ACCOUNT_ADMIN;
}

enum gate_verdict gate_decide(const struct gate_facts *facts, enum gate_who who)
{
    if (facts->door == DOOR_CONTROL)
        return who == GATE_OPEN || who == GATE_OWN ? GATE_NOT_HERE : GATE_PASSED;
    if (!is_same_origin(facts))
        return GATE_ORIGIN;
    if (!has_good_type(facts))
        return GATE_MEDIA_TYPE;
    if (who == GATE_OPEN)
        return facts->body_bytes <= GATE_OPEN_BODY_MAX ? GATE_PASSED : GATE_TOO_LARGE;
    if (facts->session == NULL)
        return GATE_NO_SESSION;
    if (!facts->is_read &&
        (facts->csrf == NULL || !text_equal_constant_time(facts->csrf, facts->session->csrf)))
        return GATE_CSRF;
    return has_role(facts, who) ? GATE_PASSED : GATE_ROLE;
}

/* ---- the call ---- */

static bool refuse(struct call *call, enum gate_verdict verdict)
{
    static const struct {
        int status;
        const char *code, *detail;
    } refusals[GATE_VERDICT_COUNT] = {
        [GATE_NOT_HERE] = { 404, "not_found", "there is no such path on this socket" },
        [GATE_ORIGIN] = { 403, "origin", "the request comes from another page than the console's" },
        [GATE_MEDIA_TYPE] = { 415, "media_type", "a body is application/json" },
        [GATE_TOO_LARGE] = { 413, "too_large", "a name and a password take less" },
        [GATE_NO_SESSION] = { 401, "session", "nobody is logged in, or the session has ended" },
        [GATE_CSRF] = { 403, "csrf", "X-Postern-CSRF is not that of the session" },
        [GATE_ROLE] = { 403, "role", "only an administrator may do that" },
    };

    call_refuse(call, refusals[verdict].status, refusals[verdict].code, "%s",
                refusals[verdict].detail);
    return false;
}

static void note_client(struct call *call)
{
    const char *client = http_request_header(call->request, "X-Postern-Client");

    snprintf(call->client, sizeof(call->client), "%s", client ? client : "");
}

/* The session, its account and who is to be named in log and audit. */
static void note_session(struct call *call, struct gate_facts *facts)
{
    const struct account *account;

    facts->session = access_session(call->control->access,
                                    http_request_header(call->request, "Cookie"), &account);
    if (!facts->session)
        return;
    facts->role = account->role;
    call->account = account->id;
    snprintf(call->session, sizeof(call->session), "%s", facts->session->id);
    snprintf(call->actor.text, sizeof(call->actor.text), "account=%s", account->name);
}

bool gate_check(struct call *call, const struct route *route)
{
    struct http_request *request = call->request;
    struct gate_facts facts = {
        .door = call->door,
        .is_plain = call->control->access->is_plain,
        .is_read = http_request_method(request) == HTTP_METHOD_GET,
        .host = http_request_header(request, "Host"),
        .origin = http_request_header(request, "Origin"),
        .fetch_site = http_request_header(request, "Sec-Fetch-Site"),
        .content_type = http_request_header(request, "Content-Type"),
        .csrf = http_request_header(request, "X-Postern-CSRF"),
    };
    enum gate_verdict verdict;

    (void)http_request_body(request, &facts.body_bytes);
    if (call->door == DOOR_CONSOLE) {
        note_client(call);
        note_session(call, &facts);
    }
    verdict = gate_decide(&facts, route->who);
    if (verdict != GATE_PASSED)
        return refuse(call, verdict);
    if (facts.session && !http_request_header(request, "X-Postern-Poll"))
        access_touch(call->control->access, facts.session);
    return true;
}
