/* worker/http.c: jobs, the line in which they wait, and their end. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "worker/http_private.h"
#include "worker/resolver.h"
#include "worker/tls.h"

/* ---- lists ---- */

static void take_out(struct http_job *job)
{
    struct http *http = job->http;

    switch (job->state) {
    case HTTP_WAITING:
        TAILQ_REMOVE(&http->waiting, job, link);
        http->waiting_count -= http_is_shared(job->session);
        break;
    case HTTP_UNDER_WAY:
        TAILQ_REMOVE(&http->under_way, job, link);
        http->under_way_count -= http_is_shared(job->session);
        break;
    case HTTP_ENDED: TAILQ_REMOVE(&http->ended, job, link); break;
    }
}

static void stop(struct http_job *job)
{
    resolver_cancel(&job->query);
    loop_timer_clear(job->deadline);
    loop_timer_free(&job->stall);
    if (job->curl != NULL)
        http_curl_remove(job);
    http_transfer_free(job);
}

static void drop(struct http_job *job)
{
    take_out(job);
    job->session->job = NULL;
    stop(job);
    http_job_free(job);
}

/* ---- the end ---- */

void http_end(struct http_job *job, enum http_event event, const char *format, ...)
{
    struct http *http = job->http;
    char words[256] = "";
    va_list args;

    va_start(args, format);
    (void)vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    reason_format(&job->why, strchr(job->host, ':') != NULL ? "[%s]:%s: %s" : "%s:%s: %s",
                  job->host, job->port, words);
    job->event = event;
    take_out(job);
    stop(job);
    job->state = HTTP_ENDED;
    TAILQ_INSERT_TAIL(&http->ended, job, link);
    loop_timer_set_ms(http->next_turn, 0);
}

static void tell(struct http_job *job)
{
    const bool has_answer = job->event == HTTP_ANSWERED;
    const struct http_answer answer = {
        .event = job->event,
        .status = has_answer ? job->status : 0,
        .is_on_fresh = job->connects > 0,
        .body = has_answer && job->data != NULL ? job->data : "",
        .body_bytes = has_answer ? job->bytes : 0,
        .why = has_answer ? NULL : job->why.text,
    };

    job->session->job = NULL;
    job->done(&answer, job->arg);
    http_job_free(job);
}

static void on_deadline(void *arg)
{
    struct http_job *job = arg;
    struct http *http = job->http;

    if (job->state == HTTP_WAITING)
        http_end(job, HTTP_TIMED_OUT, "its turn did not come within %lld ms",
                 (long long)job->total_ms);
    else
        http_end(job, HTTP_TIMED_OUT, "no answer within %lld ms", (long long)job->total_ms);
    http_leave(http);
}

/* ---- the beginning ---- */

static void transfer(struct http_job *job, const struct resolver_answer *answer)
{
    if (!http_transfer_new(job, answer))
        http_end(job, HTTP_SHORT, "out of memory");
    else
        http_curl_add(job);
}

static void on_resolved(struct resolver_answer *answer, const char *why, void *arg)
{
    struct http_job *job = arg;
    struct http *http = job->http;

    job->query = NULL;
    if (answer != NULL)
        transfer(job, answer);
    else
        http_end(job, HTTP_UNREACHABLE, "%s", why);
    http_leave(http);
}

static void begin(struct http_job *job)
{
    struct http *http = job->http;
    struct resolver_answer *answer = NULL;
    struct reason why = { "" };
    int got;

    take_out(job);
    job->state = HTTP_UNDER_WAY;
    TAILQ_INSERT_TAIL(&http->under_way, job, link);
    http->under_way_count += http_is_shared(job->session);
    got = resolver_lookup(http->resolver, job->host, on_resolved, job, &answer, &job->query, &why);
    if (got == 1)
        transfer(job, answer);
    else if (got < 0)
        http_end(job, got == -ENOENT ? HTTP_UNREACHABLE : HTTP_SHORT, "%s", why.text);
    resolver_answer_release(answer);
}

static bool has_room(const struct http *http, const struct http_job *job)
{
    const struct http_job *other;
    unsigned same = 0;

    TAILQ_FOREACH (other, &http->under_way, link) {
        if (http_is_shared(other->session) && strcmp(other->host, job->host) == 0 &&
            strcmp(other->port, job->port) == 0)
            same++;
    }
    return same < HTTP_PER_HOST;
}

/* Who has a session of their own, and stands in front; who waits longest for a host that has room.
 */
static struct http_job *next_in_line(const struct http *http)
{
    struct http_job *job = TAILQ_FIRST(&http->waiting);

    if (job != NULL && !http_is_shared(job->session))
        return job;
    if (http->under_way_count >= HTTP_AT_ONCE)
        return NULL;
    TAILQ_FOREACH (job, &http->waiting, link) {
        if (has_room(http, job))
            return job;
    }
    return NULL;
}

void http_leave(struct http *http)
{
    struct http_job *job;

    while ((job = next_in_line(http)) != NULL)
        begin(job);
    while ((job = TAILQ_FIRST(&http->ended)) != NULL) {
        take_out(job);
        tell(job);
    }
}

static void on_next_turn(void *arg)
{
    http_leave(arg);
}

int http_start(struct http *http, const struct http_request *request, http_done_cb *done, void *arg,
               struct http_job **ret_job, struct reason *reterr_why)
{
    struct http_job *job = NULL;
    int err;

    if (request->session != NULL && request->session->job != NULL)
        return reason_set(reterr_why, -EBUSY, "the session has a request already");
    if (request->session == NULL && http->waiting_count >= HTTP_WAITING_MAX)
        return reason_set(reterr_why, -ENOBUFS, "too many requests wait");
    err = http_job_new(http, request, &job, reterr_why);
    if (err < 0)
        return err;
    job->deadline = loop_timer_new(http->loop, on_deadline, job);
    if (job->deadline == NULL || !http_stall_new(job)) {
        http_job_free(job);
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    job->done = done;
    job->arg = arg;
    job->state = HTTP_WAITING;
    job->session->job = request->session != NULL ? job : NULL;
    if (request->session != NULL)
        TAILQ_INSERT_HEAD(&http->waiting, job, link);
    else
        TAILQ_INSERT_TAIL(&http->waiting, job, link);
    http->waiting_count += request->session == NULL;
    loop_timer_set_ms(job->deadline, job->total_ms);
    loop_timer_set_ms(http->next_turn, 0);
    *ret_job = job;
    return 0;
}

void http_cancel(struct http_job **job)
{
    struct http_job *gone = *job;

    *job = NULL;
    if (gone == NULL)
        return;
    if (gone->state == HTTP_UNDER_WAY)
        loop_timer_set_ms(gone->http->next_turn, 0); /* there is room for another */
    drop(gone);
}

/* ---- all of it ---- */

int http_new(struct loop *loop, struct resolver *resolver, const char *ca_file,
             struct http **ret_http, struct reason *reterr_why)
{
    struct http *http = calloc(1, sizeof(*http));
    int err = -ENOMEM;

    if (http == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    http->loop = loop;
    http->resolver = resolver;
    TAILQ_INIT(&http->waiting);
    TAILQ_INIT(&http->under_way);
    TAILQ_INIT(&http->ended);
    http->next_turn = loop_timer_new(loop, on_next_turn, http);
    http->trust = http_trust_new(ca_file);
    if (http->next_turn != NULL && http->trust != NULL)
        err = http_curl_begin(http);
    if (err < 0) {
        http_trust_free(&http->trust);
        loop_timer_free(&http->next_turn);
        free(http);
        return reason_set(reterr_why, err, "HTTP: out of memory");
    }
    *ret_http = http;
    return 0;
}

void http_free(struct http **http)
{
    struct http *h = *http;
    struct http_job *job;

    *http = NULL;
    if (h == NULL)
        return;
    while ((job = TAILQ_FIRST(&h->waiting)) != NULL || (job = TAILQ_FIRST(&h->under_way)) != NULL ||
           (job = TAILQ_FIRST(&h->ended)) != NULL)
        drop(job);
    http_curl_end(h);
    http_trust_free(&h->trust);
    free(h->id_certificate);
    free(h->id_key);
    loop_timer_free(&h->next_turn);
    free(h);
}

int http_configure(struct http *http, const char *ca_file)
{
    struct http_trust *fresh = http_trust_new(ca_file);

    if (fresh == NULL)
        return -ENOMEM;
    http_trust_free(&http->trust);
    http->trust = fresh;
    return 0;
}

int http_set_id(struct http *http, const struct tls_identity *identity)
{
    const bool is_none = identity->certificate[0] == '\0';
    char *certificate = is_none ? NULL : strdup(identity->certificate);
    char *key = is_none ? NULL : strdup(identity->key);

    if (!is_none && (certificate == NULL || key == NULL)) {
        free(certificate);
        free(key);
        return -ENOMEM;
    }
    free(http->id_certificate);
    free(http->id_key);
    http->id_certificate = certificate;
    http->id_key = key;
    return 0;
}
