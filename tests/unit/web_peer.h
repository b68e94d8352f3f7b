/* tests/unit/web_peer.h: a scripted HTTP server on loopback, in the test's own loop, in clear or in
 * TLS.
 *
 * web_on() says what is sent, byte for byte, when a target is asked for, "/x", or with one method
 * only, "GET /x"; without a rule it is 200 with the body "ok". The first rule that is not used up
 * counts. What was asked is written down: `log` has the lines, "GET /x|PATCH /x|". Behind a "!" may
 * stand what happens then: "!close", "!reset". Nothing at all is silence. "(connected)" and
 * "(secured)" are targets, too: for what comes before a request; and
 * "(begun)": for a head whose body is not there yet. Behind "!deaf" no more is read. */
#ifndef TESTS_UNIT_WEB_PEER_H
#define TESTS_UNIT_WEB_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/buffer.h>

#include "common/clock.h"
#include "common/loop.h"
#include "worker/stream.h"
#include "worker/tls.h"

struct web_client {
    LIST_ENTRY(web_client) link;
    struct web *web;
    struct stream *stream;
    struct evbuffer *in; /* not the stream's: that one pauses when much is unread */
    int fd;
    bool has_begun; /* said what there is for that */
};

struct web {
    struct loop *loop;
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    struct tls_context *tls; /* NULL: in clear */
    struct {
        const char *target, *say;
        int times; /* -1: always */
    } rules[32];
    unsigned rule_count;
    LIST_HEAD(, web_client) clients;
    unsigned connections, open, most_open, requests;
    char *head, *body; /* of the last request */
    size_t body_bytes;
    char log[8192];  /* of the requests, as far as it reaches */
    char *said[256]; /* web_answer()'s */
    unsigned said_count;
    void (*on_request)(struct web *web, const char *line); /* before it is answered; NULL: nobody */
};

#define WEB_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* `say` is borrowed. */
static inline void web_on(struct web *web, const char *target, const char *say, int times)
{
    cr_assert_lt(web->rule_count, 32u);
    web->rules[web->rule_count].target = target;
    web->rules[web->rule_count].say = say;
    web->rules[web->rule_count++].times = times;
}

/* For `say`: an answer with a JSON body, in single quotes. Good until web_forget(). */
static inline const char *web_answer(struct web *web, int status, const char *quoted)
{
    char *text = NULL, *body = strdup(quoted);

    for (char *p = body; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    cr_assert_lt(web->said_count, 256u);
    cr_assert_gt(asprintf(&text, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n\r\n%s", status,
                          strlen(body), body),
                 0);
    free(body);
    return web->said[web->said_count++] = text;
}

/* It has no rules, and has heard nothing. */
static inline void web_forget(struct web *web)
{
    web->rule_count = web->requests = web->connections = web->most_open = 0;
    web->log[0] = '\0';
    while (web->said_count > 0)
        free(web->said[--web->said_count]);
}

static inline void web_hang_up(struct web_client *client, bool reset)
{
    struct linger at_once = { .l_onoff = 1 };

    if (reset)
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    LIST_REMOVE(client, link);
    client->web->open--;
    stream_flush(client->stream);
    stream_free(&client->stream);
    evbuffer_free(client->in);
    free(client);
}

/* `line` is a request's "GET /x", or one of the words in brackets. */
static inline bool web_is_about(const char *target, const char *line)
{
    const char *blank = strchr(line, ' ');

    return strcmp(target, line) == 0 || (blank != NULL && strcmp(target, blank + 1) == 0);
}

static inline const char *web_find(struct web *web, const char *line, const char *otherwise)
{
    for (unsigned i = 0; i < web->rule_count; i++) {
        if (web->rules[i].times == 0 || !web_is_about(web->rules[i].target, line))
            continue;
        if (web->rules[i].times > 0)
            web->rules[i].times--;
        return web->rules[i].say;
    }
    return otherwise;
}

/* False: the connection is gone. */
static inline bool web_say(struct web_client *client, const char *say)
{
    const char *action = strrchr(say, '!');
    size_t bytes = action != NULL ? (size_t)(action - say) : strlen(say);

    stream_add(client->stream, say, bytes);
    stream_kick(client->stream);
    if (action == NULL)
        return true;
    if (strcmp(action, "!deaf") == 0) {
        stream_pause(client->stream);
        return true;
    }
    web_hang_up(client, strcmp(action, "!reset") == 0);
    return false;
}

static inline void web_write_down(struct web *web, const char *line)
{
    const size_t used = strlen(web->log);

    (void)snprintf(web->log + used, sizeof(web->log) - used, "%s|", line);
    if (web->on_request != NULL)
        web->on_request(web, line);
}

/* A whole request, or false. */
static inline bool web_take(struct web_client *client, char line[300])
{
    struct evbuffer *in = client->in;
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    struct web *web = client->web;
    size_t head_bytes, body_bytes = 0;
    char *head;
    const char *length;
    char method[32], target[256];

    if (end.pos < 0)
        return false;
    head_bytes = (size_t)end.pos + 2;
    head = malloc(head_bytes + 1);
    evbuffer_copyout(in, head, head_bytes);
    head[head_bytes] = '\0';
    length = strcasestr(head, "\r\nContent-Length:");
    if (length != NULL)
        body_bytes = strtoul(length + 17, NULL, 10);
    if (evbuffer_get_length(in) < head_bytes + 2 + body_bytes) {
        free(head);
        return false;
    }
    evbuffer_drain(in, head_bytes + 2);
    free(web->head);
    free(web->body);
    web->head = head;
    web->body = malloc(body_bytes + 1);
    evbuffer_remove(in, web->body, body_bytes);
    web->body[body_bytes] = '\0';
    web->body_bytes = body_bytes;
    web->requests++;
    cr_assert_eq(sscanf(head, "%31s %255s", method, target), 2, "%s", head);
    (void)snprintf(line, 300, "%s %s", method, target);
    web_write_down(web, line);
    return true;
}

static inline void web_on_data(void *owner)
{
    struct web_client *client = owner;
    char line[300];

    evbuffer_add_buffer(client->in, stream_input(client->stream));
    while (web_take(client, line)) {
        client->has_begun = false;
        if (!web_say(client, web_find(client->web, line, WEB_OK)))
            return;
    }
    if (!client->has_begun && evbuffer_search(client->in, "\r\n\r\n", 4, NULL).pos >= 0) {
        client->has_begun = true;
        (void)web_say(client, web_find(client->web, "(begun)", ""));
    }
}

static inline void web_on_end(enum stream_end end, void *owner)
{
    (void)end;
    web_hang_up(owner, false);
}

static inline void web_on_drained(void *owner)
{
    (void)owner;
}

static inline void web_on_secured(void *owner)
{
    struct web_client *client = owner;

    (void)web_say(client, web_find(client->web, "(secured)", ""));
}

static inline void web_on_connection(int fd, unsigned what, void *arg)
{
    static const struct stream_callbacks callbacks = { .on_data = web_on_data,
                                                       .on_drained = web_on_drained,
                                                       .on_secured = web_on_secured,
                                                       .on_end = web_on_end };
    struct web *web = arg;
    struct web_client *client = calloc(1, sizeof(*client));
    int on = 1;

    (void)what;
    client->web = web;
    client->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(client->fd, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    client->in = evbuffer_new();
    client->stream = stream_new(web->loop, client->fd, &callbacks, client);
    LIST_INSERT_HEAD(&web->clients, client, link);
    web->connections++;
    if (++web->open > web->most_open)
        web->most_open = web->open;
    if (web_say(client, web_find(web, "(connected)", "")) && web->tls != NULL)
        cr_assert_eq(stream_secure(client->stream, web->tls, NULL), 0);
}

/* Holds `tls`. */
static inline struct web *web_new(struct loop *loop, struct tls_context *tls)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t bytes = sizeof(in);
    struct web *web = calloc(1, sizeof(*web));

    web->loop = loop;
    web->tls = tls != NULL ? tls_hold(tls) : NULL;
    web->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(web->fd, (struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(getsockname(web->fd, (struct sockaddr *)&in, &bytes), 0);
    cr_assert_eq(listen(web->fd, 128), 0);
    web->port = ntohs(in.sin_port);
    web->watch = loop_watch_new(loop, web->fd, web_on_connection, web);
    loop_watch_set(web->watch, LOOP_READ);
    return web;
}

/* The value of a header field of the last request, NULL: it has none. Good until the next call. */
static inline const char *web_header(const struct web *web, const char *name)
{
    static char value[2048];
    char begin[128];
    const char *line;

    (void)snprintf(begin, sizeof(begin), "\n%s: ", name);
    line = web->head != NULL ? strcasestr(web->head, begin) : NULL;
    if (line == NULL)
        return NULL;
    line += strlen(begin);
    (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r\n"), line);
    return value;
}

/* To all clients, for those who were met with silence. */
static inline void web_say_all(struct web *web, const char *say)
{
    struct web_client *client, *next;

    for (client = LIST_FIRST(&web->clients); client != NULL; client = next) {
        next = LIST_NEXT(client, link);
        (void)web_say(client, say);
    }
}

static inline void web_hang_up_all(struct web *web)
{
    while (!LIST_EMPTY(&web->clients))
        web_hang_up(LIST_FIRST(&web->clients), false);
}

static inline void web_free(struct web **web)
{
    if (*web == NULL)
        return;
    web_hang_up_all(*web);
    web_forget(*web);
    loop_watch_free(&(*web)->watch);
    close((*web)->fd);
    tls_release((*web)->tls);
    free((*web)->head);
    free((*web)->body);
    free(*web);
    *web = NULL;
}

#endif
