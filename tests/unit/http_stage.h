/* tests/unit/http_stage.h: HTTP requests of worker/http.h against scripted servers, all in one
 * loop. web.test is this machine. */
#ifndef TESTS_UNIT_HTTP_STAGE_H
#define TESTS_UNIT_HTTP_STAGE_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>

#include "common/conf.h"
#include "name_server.h"
#include "web_peer.h"
#include "worker/http.h"
#include "worker/resolver.h"

#define UNTIL(condition)                                                    \
    do {                                                                    \
        int64_t limit_ = clock_mono_ms() + 10000;                           \
        while (!(condition)) {                                              \
            cr_assert_lt(clock_mono_ms(), limit_, "never: %s", #condition); \
            loop_turn(loop, 10);                                            \
        }                                                                   \
    } while (0)

struct asked { /* one request, and what became of it */
    struct http_request request;
    char url[512];
    struct http_job *job;
    unsigned told;
    enum http_event event;
    long status;
    char *body;
    size_t body_bytes;
    char why[400];
    bool is_inside;
    void (*then)(struct asked *asked); /* inside the callback, NULL: nothing */
    void *with;                        /* for that */
};

static struct loop *loop;
static struct name_server *names;
static struct resolver *resolver;
static struct http *http;
static struct web *web;

static const struct name_row http_zone[] = {
    { .name = "web.test", .v4 = { "127.0.0.1" } },
    { .name = "other.test", .v4 = { "127.0.0.1" } },
    { .name = "both.test", .v4 = { "127.0.0.1" }, .v6 = { "::1" } },
    { .name = "third.test", .v4 = { "127.0.0.1" } },
    { .name = "fourth.test", .v4 = { "127.0.0.1" } },
    { .name = "fifth.test", .v4 = { "127.0.0.1" } },
    { .name = "silent.test", .is_silent = true },
    { .name = NULL },
};

static inline void http_stage_begin(const char *ca_file)
{
    char *items[1];
    struct conf conf = { .resolver_timeout = 1, .resolver_servers = { items, 1 } };
    struct reason why = { "" };

    signal(SIGPIPE, SIG_IGN); /* as in every process of ours */
    loop = loop_new();
    names = name_server_new(loop, http_zone);
    items[0] = names->text;
    cr_assert_eq(resolver_new(loop, &conf, &resolver, &why), 0, "%s", why.text);
    cr_assert_eq(http_new(loop, resolver, ca_file, &http, &why), 0, "%s", why.text);
}

static inline void http_stage_end(void)
{
    http_free(&http);
    resolver_free(&resolver);
    name_server_free(&names);
    web_free(&web);
    stream_free_closing();
    loop_free(loop);
}

static inline void asked_done(const struct http_answer *answer, void *arg)
{
    struct asked *asked = arg;

    cr_assert_not(asked->is_inside);
    asked->told++;
    asked->job = NULL;
    asked->event = answer->event;
    asked->status = answer->status;
    cr_assert_not_null(answer->body);
    cr_assert_eq(answer->body[answer->body_bytes], '\0');
    free(asked->body);
    asked->body = malloc(answer->body_bytes + 1);
    memcpy(asked->body, answer->body, answer->body_bytes + 1);
    asked->body_bytes = answer->body_bytes;
    cr_assert_eq(answer->why == NULL, answer->event == HTTP_ANSWERED);
    cr_assert(answer->event == HTTP_ANSWERED || (answer->status == 0 && answer->body_bytes == 0));
    snprintf(asked->why, sizeof(asked->why), "%s", answer->why != NULL ? answer->why : "");
    if (asked->then != NULL)
        asked->then(asked);
}

/* A GET, to be changed before it is started; asked_free(). */
static inline struct asked *asked_new(const char *scheme, const char *host, const char *target)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    snprintf(asked->url, sizeof(asked->url), "%s://%s:%u%s", scheme, host, web->port, target);
    asked->request = (struct http_request){ .method = "GET",
                                            .url = asked->url,
                                            .connect_ms = 8000,
                                            .total_ms = 9000,
                                            .answer_max = 1U << 20 };
    return asked;
}

static inline void asked_start(struct asked *asked)
{
    struct reason why = { "" };

    asked->is_inside = true;
    cr_assert_eq(http_start(http, &asked->request, asked_done, asked, &asked->job, &why), 0, "%s",
                 why.text);
    asked->is_inside = false;
}

static inline void asked_free(struct asked **asked)
{
    http_cancel(&(*asked)->job);
    free((*asked)->body);
    free(*asked);
    *asked = NULL;
}

static inline void asked_run(struct asked *asked)
{
    asked_start(asked);
    UNTIL(asked->told > 0);
    cr_assert_eq(asked->told, 1u);
}

static inline struct asked *get(const char *target)
{
    struct asked *asked = asked_new("http", "web.test", target);

    asked_run(asked);
    return asked;
}

static inline void expect_event(struct asked *asked, enum http_event event, const char *why)
{
    cr_expect_eq(asked->event, event, "event %d, status %ld: %s", (int)asked->event, asked->status,
                 asked->why);
    cr_expect_not_null(strstr(asked->why, why), "%s: %s", why, asked->why);
}

static inline unsigned count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;

    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

#endif
