/* master/control/call.h: one request of the API on its way to its answer.
 *
 * A handler gets a call and must see to it that it is answered exactly once, at once or from a
 * callback; every function that answers ends the call. Errors are RFC 9457 problem documents with a
 * member "code" for programs and, where it fits, "errors" and "warnings" as common/problem.h has
 * them. */
#ifndef MASTER_CONTROL_CALL_H
#define MASTER_CONTROL_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

#include "master/control/gate.h"
#include "master/control/sessions.h"
#include "master/http/http.h"
#include "master/registry.h"

struct control;

struct call {
    struct control *control;
    struct http_request *request;
    char id[40];       /* what stood for {id} in the path, "" if the route has none */
    json_t *body;      /* an object; NULL if the route takes none */
    bool has_if_match; /* the header was there ("*" is an if_match of 0) */
    uint64_t if_match;
    bool wants_stream; /* Accept: application/x-ndjson */
    bool is_detail;    /* of a list: each row in full */
    enum control_door door;
    struct registry_actor actor;
    char session[SESSION_ID_SIZE];    /* whose it is, on console.sock; "": nobody is logged in */
    uint32_t account;                 /* of that session */
    char client[SESSION_CLIENT_SIZE]; /* that the console speaks for; "": unknown */
    int64_t began_ms;
    LIST_ENTRY(call) all;
};

/* NULL: it could not be set up, and was answered. */
struct call *call_new(struct control *control, struct http_request *request,
                      enum control_door door);

/* A JSON object must be there. False: it was not, and the call was answered. */
bool call_read_body(struct call *call);

/* Does this Content-Type say JSON? NULL: no. */
bool call_is_json(const char *type);

/* `body` is taken over; NULL: the answer has none. */
void call_answer(struct call *call, int status, json_t *body);

/* One line of a stream, before the answer; the answer is then the stream's last line, with a member
 * "status". `line` is taken over. */
void call_stream(struct call *call, json_t *line);

/* Beside the answer that follows. */
void call_set_version(struct call *call, uint64_t version); /* ETag */

/* A problem document; `code` is a short word for programs. */
void call_refuse(struct call *call, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with more members, taken over (NULL: memory is short). */
void call_refuse_with(struct call *call, int status, const char *code, json_t *members,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What the registry did not do. `what`: "profile", "rule", ... for the sentence. `members` as
 * above, may be NULL. */
void call_refuse_registry(struct call *call, const struct registry_answer *answer, const char *what,
                          json_t *members);

void call_refuse_memory(struct call *call);

/* Everything that is wrong with an input. */
void call_refuse_invalid(struct call *call, const struct problems *problems, const char *what);

/* 429 or 503, to be asked again in so many seconds. */
void call_refuse_for_now(struct call *call, int status, const char *code, unsigned retry_s,
                         const char *detail);

/* A member "errors" and, if there are any, "warnings". */
json_t *call_problems(const struct problems *problems);

/* Puts "warnings" beside a result, [] if there are none. */
void call_add_warnings(json_t *body, const json_t *warnings);

/* {id} as a number of the registry, or 0: there can be no such thing, and the call was refused. */
uint32_t call_number(struct call *call, const char *what);

/* A query parameter as a number; `fallback` if it is not there. false: refused. */
bool call_query_number(struct call *call, const char *name, uint64_t least, uint64_t most,
                       uint64_t fallback, uint64_t *ret_number);

/* ?test=skip; false: another value, refused. */
bool call_query_test(struct call *call, bool *ret_skip);

/* PUT without If-Match and without a "version" in the body is refused (428): false. */
bool call_has_precondition(struct call *call);

#endif
