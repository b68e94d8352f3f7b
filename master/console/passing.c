#include "master/console/passing.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "common/auto.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/console/answer.h"
#include "master/console/link.h"
#include "master/http/http.h"

#define SILENCE_MS  150000 /* the longest that the API says nothing: a step of a connection test */
#define MAX_HEAD    16384
#define MAX_ANSWER  (32U << 20) /* an export of 1,000 profiles with their CAs stays below */
#define STREAM_TYPE "application/x-ndjson"

struct passing {
    struct passings *all;
    struct http_request *request;
    unsigned want; /* 0: the connection is here */
    int fd;
    struct loop_watch *watch;
    struct loop_timer *silence;
    struct evbuffer *out, *in;
    int status; /* 0: its head is not here yet */
    char type[80];
    size_t body_bytes; /* that it promises; SIZE_MAX: none */
    bool is_stream;
    LIST_ENTRY(passing) next;
};

struct passings {
    struct loop *loop;
    struct link *link;
    LIST_HEAD(, passing) list;
};

/* ---- the end ---- */

static void finish(struct passing *passing)
{
    LIST_REMOVE(passing, next);
    if (passing->want != 0)
        link_forget(passing->all->link, passing->want);
    loop_watch_free(&passing->watch);
    loop_timer_free(&passing->silence);
    if (passing->fd >= 0)
        close(passing->fd);
    if (passing->out)
        evbuffer_free(passing->out);
    if (passing->in)
        evbuffer_free(passing->in);
    free(passing);
}

/* The browser gets a stream that ends early, and finds no last line in it. */
static void give_up(struct passing *passing, int status, const char *code, const char *detail)
{
    struct http_request *request = passing->request;

    if (http_request_is_streaming(request))
        http_request_stream_end(request);
    else
        answer_problem(request, status, code, detail);
    finish(passing);
}

static void on_silence(void *arg)
{
    give_up(arg, 504, "silence", "the gateway's master does not answer");
}

/* ---- what is asked ---- */

/* A name that comes from outside is never passed: the console itself says who asks. */
static const char *const asked_headers[] = { "Accept",         "Content-Type",   "If-Match",
                                             "Cookie",         "Host",           "Origin",
                                             "Sec-Fetch-Site", "X-Postern-CSRF", "X-Postern-Poll" };

static bool is_clean(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

static bool write_request(struct passing *passing)
{
    static const char *const methods[HTTP_METHOD_COUNT] = { "GET", "POST", "PUT", "DELETE", NULL };
    struct http_request *request = passing->request;
    const char *method = methods[http_request_method(request)];
    const char *target = http_request_target(request);
    char client[ANSWER_CLIENT_SIZE];
    size_t bytes;
    const char *body = http_request_body(request, &bytes);

    if (!method || !is_clean(target) || strchr(target, ' '))
        return false;
    evbuffer_add_printf(passing->out, "%s %s HTTP/1.0\r\nX-Postern-Client: %s\r\n", method, target,
                        answer_client(request, client));
    for (size_t i = 0; i < ARRAY_LEN(asked_headers); i++) {
        const char *value = http_request_header(request, asked_headers[i]);

        if (value && !is_clean(value))
            return false;
        if (value)
            evbuffer_add_printf(passing->out, "%s: %s\r\n", asked_headers[i], value);
    }
    evbuffer_add_printf(passing->out, "Content-Length: %zu\r\n\r\n", bytes);
    return evbuffer_add(passing->out, body, bytes) == 0;
}

/* ---- what is answered ---- */

static void take_header(struct passing *passing, const char *name, const char *value)
{
    static const char *const answered[] = { "ETag", "Set-Cookie", "Retry-After", "Allow",
                                            "Location" };

    if (strcasecmp(name, "Content-Type") == 0)
        snprintf(passing->type, sizeof(passing->type), "%s", value);
    if (strcasecmp(name, "Content-Length") == 0)
        passing->body_bytes = strtoul(value, NULL, 10);
    for (size_t i = 0; i < ARRAY_LEN(answered); i++)
        if (strcasecmp(name, answered[i]) == 0)
            http_request_set_header(passing->request, answered[i], value);
}

static bool take_head_lines(struct passing *passing)
{
    AUTO(free) char *line = evbuffer_readln(passing->in, NULL, EVBUFFER_EOL_CRLF_STRICT);

    if (!line || sscanf(line, "HTTP/1.%*1[01] %3d", &passing->status) != 1 ||
        passing->status < 200 || passing->status > 599)
        return false;
    answer_set_headers(passing->request, ANSWER_DATA);
    for (;;) {
        AUTO(free) char *field = evbuffer_readln(passing->in, NULL, EVBUFFER_EOL_CRLF_STRICT);
        char *colon = field ? strchr(field, ':') : NULL;

        if (field && *field == '\0')
            break;
        if (!colon)
            return false;
        *colon++ = '\0';
        take_header(passing, field, colon + strspn(colon, " "));
    }
    passing->is_stream =
        passing->status == 200 && strncmp(passing->type, STREAM_TYPE, strlen(STREAM_TYPE)) == 0;
    return true;
}

/* false: it was given up. */
static bool take_head(struct passing *passing)
{
    struct evbuffer_ptr end = evbuffer_search(passing->in, "\r\n\r\n", 4, NULL);

    if (end.pos < 0 && evbuffer_get_length(passing->in) < MAX_HEAD)
        return true;
    if (end.pos >= 0 && take_head_lines(passing))
        return true;
    give_up(passing, 502, "answer", "the gateway's master gave an answer that is none");
    return false;
}

static void pass_piece(struct passing *passing)
{
    size_t bytes = evbuffer_get_length(passing->in);

    if (bytes == 0)
        return;
    http_request_stream(passing->request, passing->type,
                        (const char *)evbuffer_pullup(passing->in, -1), bytes);
    evbuffer_drain(passing->in, bytes);
}

static void answer_whole(struct passing *passing)
{
    size_t bytes = evbuffer_get_length(passing->in);
    const char *body = bytes > 0 ? (const char *)evbuffer_pullup(passing->in, -1) : "";

    if (http_request_is_streaming(passing->request))
        http_request_stream_end(passing->request);
    else
        http_request_answer(passing->request, passing->status, passing->type, body, bytes);
    finish(passing);
}

static void on_end_of_answer(struct passing *passing)
{
    bool is_whole =
        passing->status != 0 && (passing->body_bytes == SIZE_MAX ||
                                 passing->body_bytes == evbuffer_get_length(passing->in));

    if (is_whole)
        answer_whole(passing);
    else
        give_up(passing, 502, "answer", "the gateway's master ended in the middle of its answer");
}

static void take_answer(struct passing *passing)
{
    int count = evbuffer_read(passing->in, passing->fd, -1);

    if (count < 0)
        return; /* a later turn */
    loop_timer_set_ms(passing->silence, SILENCE_MS);
    if (count == 0) {
        on_end_of_answer(passing);
        return;
    }
    if (passing->status == 0 && !take_head(passing))
        return;
    if (passing->is_stream)
        pass_piece(passing);
    else if (evbuffer_get_length(passing->in) > MAX_ANSWER)
        give_up(passing, 502, "answer", "the gateway's master gave too long an answer");
}

static void on_socket(int fd, unsigned what, void *arg)
{
    struct passing *passing = arg;

    if (what & LOOP_WRITE) {
        (void)evbuffer_write(passing->out, fd);
        if (evbuffer_get_length(passing->out) == 0)
            loop_watch_set(passing->watch, LOOP_READ);
    }
    /* An error of the socket shows when it is read. */
    if (what & LOOP_READ)
        take_answer(passing);
}

/* ---- the beginning ---- */

static void on_connection(int fd, void *arg)
{
    struct passing *passing = arg;

    passing->want = 0;
    passing->fd = fd;
    if (fd >= 0)
        passing->watch = loop_watch_new(passing->all->loop, fd, on_socket, passing);
    if (!passing->watch) {
        give_up(passing, 503, "busy", "the gateway's master takes no more requests at the moment");
        return;
    }
    loop_watch_set(passing->watch, LOOP_READ | LOOP_WRITE);
}

void passings_pass(struct passings *all, struct http_request *request)
{
    struct passing *passing = calloc(1, sizeof(*passing));

    if (!passing) {
        answer_problem(request, 503, "memory", "out of memory");
        return;
    }
    *passing = (struct passing){ .all = all, .request = request, .fd = -1, .body_bytes = SIZE_MAX };
    LIST_INSERT_HEAD(&all->list, passing, next);
    passing->silence = loop_timer_new(all->loop, on_silence, passing);
    passing->out = evbuffer_new();
    passing->in = evbuffer_new();
    if (!passing->silence || !passing->out || !passing->in) {
        give_up(passing, 503, "memory", "out of memory");
        return;
    }
    if (!write_request(passing)) {
        give_up(passing, 400, "request", "a request like this is not passed on");
        return;
    }
    passing->want = link_connect(all->link, on_connection, passing);
    if (passing->want == 0)
        give_up(passing, 503, "busy", "the console takes no more requests at the moment");
    else
        loop_timer_set_ms(passing->silence, SILENCE_MS);
}

struct passings *passings_new(struct loop *loop, struct link *link)
{
    struct passings *all = calloc(1, sizeof(*all));

    if (!all)
        return NULL;
    all->loop = loop;
    all->link = link;
    LIST_INIT(&all->list);
    return all;
}

void passings_free(struct passings **passings)
{
    struct passings *old = *passings;

    if (!old)
        return;
    *passings = NULL;
    while (!LIST_EMPTY(&old->list))
        give_up(LIST_FIRST(&old->list), 503, "stopping", "the console is stopping");
    free(old);
}
