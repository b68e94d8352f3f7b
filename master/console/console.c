#include "master/console/console.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/console.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "master/console/answer.h"
#include "master/console/link.h"
#include "master/console/page.h"
#include "master/console/passing.h"
#include "master/console/sandbox.h"
#include "master/console/tls.h"
#include "master/http/http.h"

#define API "/api" /* whatever its version: what there is none of is the master's to say */

/* A browser opens six connections and keeps them; whoever is there and asks for nothing makes room
 * for the next. */
static const struct http_limits limits = { .max_connections = CONSOLE_MAX_CONNECTIONS,
                                           .max_header_bytes = CONSOLE_MAX_HEADER,
                                           .max_body_bytes = CONSOLE_MAX_BODY,
                                           .idle_s = 60,
                                           .first_request_s = 20,
                                           .next_request_s = 120,
                                           .makes_room = true };

struct console {
    struct loop *loop;
    struct link *link;
    struct passings *passings;
    struct tls *tls;
    struct http_server *server;
    int status;
};

/* ---- requests ---- */

/* Everybody on the network may come. */
static int admit(int fd, uid_t *ret_uid, void *arg)
{
    (void)fd;
    (void)arg;
    *ret_uid = (uid_t)-1;
    return 0;
}

static bool is_api(const char *path)
{
    size_t length = strlen(API);

    return strncmp(path, API, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void on_request(struct http_request *request, void *arg)
{
    struct console *console = arg;
    const char *path = http_request_path(request), *target = http_request_target(request);
    const struct page_file *file;

    if (target[0] != '/' || target[1] == '/') {
        answer_problem(request, 400, "target", "a path of this server is expected");
        return;
    }
    if (is_api(path)) {
        passings_pass(console->passings, request);
        return;
    }
    if (http_request_method(request) != HTTP_METHOD_GET) {
        http_request_set_header(request, "Allow", "GET");
        answer_problem(request, 405, "method", "the page is only read");
        return;
    }
    file = page_find(path);
    if (file)
        answer_file(request, file);
    else
        answer_problem(request, 404, "not_found", "there is no such page");
}

/* ---- life ---- */

static int set_up_tls(struct console *console, const json_t *settings, struct reason *why)
{
    const char *certificate = json_string_value(json_object_get(settings, "certificate"));
    const char *key = json_string_value(json_object_get(settings, "key"));

    if (json_is_true(json_object_get(settings, "plain")))
        return 0;
    if (!certificate || !key)
        return reason_set(why, -EINVAL, "settings without a certificate");
    return tls_new(certificate, key, &console->tls, why);
}

static void set_up_log(const json_t *settings)
{
    const char *level = json_string_value(json_object_get(settings, "log_level"));
    const char *format = json_string_value(json_object_get(settings, "log_format"));
    enum log_level parsed;

    if (level && log_level_parse(level, &parsed))
        log_set_level(parsed);
    if (format)
        log_set_format(strcmp(format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
}

static struct bufferevent *encrypt(struct event_base *base, void *arg)
{
    struct console *console = arg;

    return tls_transport(console->tls, base);
}

static int serve(struct console *console, int listen_fd)
{
    const struct http_hooks hooks = { .admit = admit,
                                      .handler = on_request,
                                      .transport = console->tls ? encrypt : NULL,
                                      .arg = console };

    console->server = http_server_new(console->loop, listen_fd, &limits, &hooks);
    return console->server ? 0 : -ENOMEM;
}

static void end(struct console *console, int status)
{
    console->status = status;
    loop_stop(console->loop);
}

static void on_started(char *text, int listen_fd, void *arg)
{
    struct console *console = arg;
    AUTO(json) json_t *settings = json_loads(text, 0, NULL);
    struct reason why = { "" };
    int err = settings ? 0 : reason_set(&why, -EINVAL, "settings that are no JSON");

    secret_free(&text);
    if (err == 0) {
        set_up_log(settings);
        answer_set_is_trusted(json_is_true(json_object_get(settings, "is_own")));
        err = set_up_tls(console, settings, &why);
    }
    if (err == 0)
        err = sandbox_enter(&why);
    if (err == 0 && serve(console, listen_fd) < 0)
        err = reason_set(&why, -ENOMEM, "out of memory");
    if (err < 0) {
        close(listen_fd);
        log_error("console", "cannot start", LOG_STR("reason", why.text));
        end(console, 1);
        return;
    }
    log_info("console", "runs", LOG_STR("tls", console->tls ? "yes" : "no"),
             LOG_INT("pid", getpid()));
    link_ready(console->link);
}

static void on_ended(void *arg)
{
    end(arg, 0);
}

static void on_turn_end_log(void *arg)
{
    (void)arg;
    log_flush();
}

int console_run(struct loop *loop, int link_fd)
{
    struct console console = { .loop = loop };
    const struct link_hooks hooks = { .on_started = on_started,
                                      .on_ended = on_ended,
                                      .arg = &console };

    console.link = link_new(loop, link_fd, &hooks);
    console.passings = console.link ? passings_new(loop, console.link) : NULL;
    if (!console.passings) {
        log_error("console", "cannot start", LOG_STR("reason", "out of memory"));
        return 1;
    }
    loop_at_turn_end(loop, on_turn_end_log, NULL);
    loop_run(loop);
    if (console.server)
        http_server_stop(console.server);
    passings_free(&console.passings);
    loop_turn(loop, 0); /* the last answers leave */
    http_server_free(&console.server);
    tls_free(&console.tls);
    link_free(&console.link);
    loop_forget_turn_end(loop, on_turn_end_log, NULL);
    return console.status;
}
