/* master/control/call.c: one request of the API on its way to its answer. */
#include "master/control/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/problem.h"
#include "master/control/control_private.h"

#define JSON_TYPE    "application/json"
#define PROBLEM_TYPE "application/problem+json"
#define STREAM_TYPE  "application/x-ndjson"
#define DUMP_FLAGS   (JSON_COMPACT)

/* ---- the request ---- */

static bool parse_number(const char *text, uint64_t *ret_number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* "12" in quotes, or *. */
static bool parse_if_match(const char *header, uint64_t *ret_version)
{
    char digits[24];
    size_t length = strlen(header);

    *ret_version = 0;
    if (strcmp(header, "*") == 0)
        return true;
    if (length < 3 || length - 2 >= sizeof(digits) || header[0] != '"' || header[length - 1] != '"')
        return false;
    memcpy(digits, header + 1, length - 2);
    digits[length - 2] = '\0';
    return parse_number(digits, ret_version);
}

bool call_is_json(const char *type)
{
    return type && strncasecmp(type, JSON_TYPE, strlen(JSON_TYPE)) == 0 &&
           strchr("; ", type[strlen(JSON_TYPE)]);
}

bool call_read_body(struct call *call)
{
    const char *type = http_request_header(call->request, "Content-Type");
    json_error_t error;
    size_t bytes;
    const char *body = http_request_body(call->request, &bytes);

    if (type && !call_is_json(type)) {
        call_refuse(call, 415, "media_type", "a body is " JSON_TYPE);
        return false;
    }
    call->body = body ? json_loadb(body, bytes, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!body) {
        call_refuse_memory(call);
        return false;
    }
    if (!call->body) {
        call_refuse(call, 400, "json", "line %d, column %d: %s", error.line, error.column,
                    problem_of_json(&error));
        return false;
    }
    if (!json_is_object(call->body)) {
        call_refuse(call, 400, "json", "a JSON object is expected");
        return false;
    }
    return true;
}

struct call *call_new(struct control *control, struct http_request *request, enum control_door door)
{
    struct call *call = calloc(1, sizeof(*call));
    const char *if_match = http_request_header(request, "If-Match");
    const char *accept = http_request_header(request, "Accept");

    if (!call) {
        http_request_answer(request, 503, "text/plain", "out of memory\n", 14);
        return NULL;
    }
    call->control = control;
    call->request = request;
    call->door = door;
    call->began_ms = clock_mono_ms();
    call->wants_stream = accept && strstr(accept, STREAM_TYPE);
    if (door == DOOR_CONSOLE) /* until gate_check() has found whose session it is */
        snprintf(call->actor.text, sizeof(call->actor.text), "console");
    else
        snprintf(call->actor.text, sizeof(call->actor.text), "uid=%u", http_request_uid(request));
    LIST_INSERT_HEAD(&control->calls, call, all);
    call->has_if_match = if_match != NULL;
    if (if_match && !parse_if_match(if_match, &call->if_match)) {
        /* Whatever it names, it is no version that we gave out. */
        call_refuse(call, 412, "stale", "If-Match: %.64s is no version of ours", if_match);
        return NULL;
    }
    return call;
}

uint32_t call_number(struct call *call, const char *what)
{
    uint64_t number;

    if (parse_number(call->id, &number) && number > 0 && number <= UINT32_MAX)
        return (uint32_t)number;
    call_refuse(call, 404, "not_found", "there is no %s %s", what, call->id);
    return 0;
}

bool call_query_number(struct call *call, const char *name, uint64_t least, uint64_t most,
                       uint64_t fallback, uint64_t *ret_number)
{
    const char *text = http_request_query(call->request, name);

    *ret_number = fallback;
    if (!text)
        return true;
    if (parse_number(text, ret_number) && *ret_number >= least && *ret_number <= most)
        return true;
    call_refuse(call, 400, "query",
                "%s: %.64s: a number from %" PRIu64 " to %" PRIu64 " is expected", name, text,
                least, most);
    return false;
}

bool call_query_test(struct call *call, bool *ret_skip)
{
    const char *test = http_request_query(call->request, "test");

    *ret_skip = test != NULL;
    if (!test || strcmp(test, "skip") == 0)
        return true;
    call_refuse(call, 400, "query", "test: %.64s: only \"skip\" is known", test);
    return false;
}

bool call_has_precondition(struct call *call)
{
    if (call->has_if_match || json_object_get(call->body, "version"))
        return true;
    call_refuse(call, 428, "precondition",
                "say which version is to be replaced: If-Match with the ETag that was read, or "
                "\"version\" in the body");
    return false;
}

/* ---- the answer ---- */

static const char *title_of(int status)
{
    switch (status) {
    case 400: return "Bad request";
    case 401: return "Not logged in";
    case 403: return "Not allowed";
    case 404: return "Not found";
    case 405: return "Method not allowed";
    case 409: return "Conflict";
    case 412: return "Changed meanwhile";
    case 413: return "Too large";
    case 415: return "Unsupported media type";
    case 422: return "Refused";
    case 428: return "Version needed";
    case 429: return "Too often";
    case 507: return "Could not be stored";
    default: return "Cannot be done now";
    }
}

static void log_call(const struct call *call, int status)
{
    static const char *const names[HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "DELETE", "-" };
    enum http_method method = http_request_method(call->request);
    enum log_level level = method == HTTP_METHOD_GET ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;

    /* Never the query or the body: who reads logs need not read what was written there. */
    LOG_EVENT(level, "control", "answered", LOG_STR("by", call->actor.text),
              LOG_STR("method", names[method]), LOG_STR("path", http_request_path(call->request)),
              LOG_INT("status", status), LOG_INT("ms", clock_mono_ms() - call->began_ms));
}

static void finish(struct call *call)
{
    LIST_REMOVE(call, all);
    json_decref(call->body);
    free(call);
}

static void send(struct call *call, int status, const char *type, json_t *body)
{
    AUTO(json) json_t *owned = body;
    AUTO(free) char *text = NULL;

    log_call(call, status);
    if (http_request_is_streaming(call->request)) {
        if (owned)
            json_object_set_new(owned, "status", json_integer(status));
        text = owned ? json_dumps(owned, DUMP_FLAGS) : NULL;
        if (text) {
            http_request_stream(call->request, STREAM_TYPE, text, strlen(text));
            http_request_stream(call->request, STREAM_TYPE, "\n", 1);
        }
        http_request_stream_end(call->request);
    } else {
        text = owned ? json_dumps(owned, DUMP_FLAGS) : NULL;
        if (owned && !text)
            http_request_answer(call->request, 503, "text/plain", "out of memory\n", 14);
        else
            http_request_answer(call->request, status, type, text ? text : "",
                                text ? strlen(text) : 0);
    }
    finish(call);
}

void call_answer(struct call *call, int status, json_t *body)
{
    send(call, status, JSON_TYPE, body);
}

void call_stream(struct call *call, json_t *line)
{
    AUTO(json) json_t *owned = line;
    AUTO(free) char *text = owned ? json_dumps(owned, DUMP_FLAGS) : NULL;
    AUTO(free) char *ended = NULL;
    int length = text ? asprintf(&ended, "%s\n", text) : -1;

    if (length < 0)
        ended = NULL;
    else
        http_request_stream(call->request, STREAM_TYPE, ended, (size_t)length);
}

void call_set_version(struct call *call, uint64_t version)
{
    char etag[32];

    if (http_request_is_streaming(call->request))
        return;
    snprintf(etag, sizeof(etag), "\"%" PRIu64 "\"", version);
    http_request_set_header(call->request, "ETag", etag);
}

static void refuse(struct call *call, int status, const char *code, json_t *members,
                   const char *detail)
{
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
                                title_of(status), "status", status, "code", code, "detail", detail);

    if (problem && members)
        json_object_update(problem, members);
    json_decref(members);
    if (problem)
        send(call, status, PROBLEM_TYPE, problem);
    else
        call_refuse_memory(call);
}

void call_refuse(struct call *call, int status, const char *code, const char *format, ...)
{
    char detail[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    refuse(call, status, code, NULL, detail);
}

void call_refuse_with(struct call *call, int status, const char *code, json_t *members,
                      const char *format, ...)
{
    char detail[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    refuse(call, status, code, members, detail);
}

void call_refuse_for_now(struct call *call, int status, const char *code, unsigned retry_s,
                         const char *detail)
{
    char seconds[16];

    snprintf(seconds, sizeof(seconds), "%u", retry_s);
    http_request_set_header(call->request, "Retry-After", seconds);
    call_refuse(call, status, code, "%s", detail);
}

void call_refuse_memory(struct call *call)
{
    log_call(call, 503);
    if (http_request_is_streaming(call->request))
        http_request_stream_end(call->request);
    else
        http_request_answer(call->request, 503, "text/plain", "out of memory\n", 14);
    finish(call);
}

/* ---- what the registry says ---- */

json_t *call_problems(const struct problems *problems)
{
    json_t *members = json_pack("{s:O}", "errors", problems->errors);

    if (members && json_array_size(problems->warnings) > 0)
        json_object_set(members, "warnings", problems->warnings);
    return members;
}

void call_add_warnings(json_t *body, const json_t *warnings)
{
    json_t *list = warnings ? json_copy((json_t *)warnings) : json_array();

    json_object_set_new(body, "warnings", list);
}

static void refuse_invalid(struct call *call, size_t mistakes, const char *what, json_t *members)
{
    call_refuse_with(call, 422, "invalid", members, "the %s has %zu mistake%s; nothing was changed",
                     what, mistakes, mistakes == 1 ? "" : "s");
}

void call_refuse_invalid(struct call *call, const struct problems *problems, const char *what)
{
    refuse_invalid(call, json_array_size(problems->errors), what, call_problems(problems));
}

void call_refuse_registry(struct call *call, const struct registry_answer *answer, const char *what,
                          json_t *members)
{
    AUTO(json) json_t *problems = call_problems(&answer->problems);
    const char *why = answer->why.text;
    size_t mistakes = json_array_size(answer->problems.errors);

    if (!members)
        members = json_object();
    if (members && problems && mistakes > 0)
        json_object_update(members, problems);
    switch (answer->result) {
    case REGISTRY_INVALID: refuse_invalid(call, mistakes, what, members); break;
    case REGISTRY_NOT_FOUND:
        call_refuse_with(call, 404, "not_found", members, "there is no such %s", what);
        break;
    case REGISTRY_STALE:
        call_refuse_with(call, 412, "stale", members,
                         "the %s was changed by somebody else meanwhile; read it again", what);
        break;
    case REGISTRY_IN_USE:
        call_refuse_with(call, 409, "in_use", members, "the %s is in use%s%s", what,
                         *why ? ": " : "", why);
        break;
    case REGISTRY_LAST_ADMIN:
        call_refuse_with(call, 409, "last_admin", members,
                         "no other account is an administrator: make one first");
        break;
    case REGISTRY_OK:
    case REGISTRY_STORE:
    default:
        call_refuse_with(call, 507, "store", members,
                         "the store could not be written, nothing "
                         "was changed%s%s",
                         *why ? ": " : "", why);
        break;
    }
}
