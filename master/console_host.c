#include "master/console_host_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "master/spawn.h"

#define BACKLOG          512
#define TICK_MS          5000
#define READY_LIMIT_MS   30000
#define SILENT_MS        60000
#define BACKOFF_FIRST_MS 2000
#define BACKOFF_MAX_MS   60000
#define GOOD_LIFE_MS     60000

static void start(struct console_host *host);

void console_host_set_state(struct console_host *host, enum host_state state)
{
    host->state = state;
    host->since_wall_ms = clock_wall_ms();
}

/* ---- configuration ---- */

static bool is_wanted(const struct console_host *host)
{
    return *host->conf->console_listen && !host->is_stopping;
}

/* ---- what it is given ---- */

static int open_listener(struct console_host *host)
{
    const int on = 1; /* without delay, as those that it accepts: answers are head and body apart */
    struct address address;
    int fd, err = 0;

    if (host->listen_fd >= 0)
        return 0;
    (void)address_parse(host->conf->console_listen, 0, &address); /* was checked with the file */
    fd = socket(address.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        bind(fd, &address.sa, address.bytes) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &address.sa, &address.bytes) != 0)
        err = -errno;
    address_text(&address.sa, host->listening);
    if (err < 0 && fd >= 0)
        close(fd);
    if (err < 0)
        return reason_set(&host->why, err, "cannot listen on %s: %s", host->listening,
                          strerror(-err));
    host->listen_fd = fd;
    return 0;
}

/* ---- the end of a process ---- */

static void plan_start(struct console_host *host, int64_t wait_ms)
{
    if (is_wanted(host))
        loop_timer_set_ms(host->retry, wait_ms);
}

static int64_t next_backoff(struct console_host *host, int64_t lived_ms)
{
    int64_t wait_ms;

    if (lived_ms >= GOOD_LIFE_MS)
        host->backoff_ms = 0;
    wait_ms = host->backoff_ms;
    host->backoff_ms = wait_ms == 0 ? BACKOFF_FIRST_MS : 2 * wait_ms;
    if (host->backoff_ms > BACKOFF_MAX_MS)
        host->backoff_ms = BACKOFF_MAX_MS;
    return wait_ms;
}

static void describe_end(int status, struct reason *out)
{
    if (WIFSIGNALED(status))
        reason_format(out, "killed by signal %d (%s)", WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        reason_format(out, "its program could not be started");
    else
        reason_format(out, "ended with status %d", WEXITSTATUS(status));
}

static void on_child(int number, void *arg)
{
    struct console_host *host = arg;
    int status;

    (void)number;
    if (host->pid <= 0 || waitpid(host->pid, &status, WNOHANG) <= 0)
        return;
    describe_end(status, &host->why);
    console_talk_end(host);
    if (!host->is_stopping && !host->is_replaced)
        log_alert("console", "the console's process has ended: mail is not touched by that",
                  LOG_INT("pid", host->pid), LOG_STR("how", host->why.text));
    host->pid = 0;
    console_host_set_state(host, is_wanted(host) ? HOST_DOWN : HOST_OFF);
    if (!host->is_replaced)
        host->restarts++;
    plan_start(host, host->is_replaced
                         ? 0
                         : next_backoff(host, loop_now_ms(host->loop) - host->started_ms));
    host->is_replaced = false;
}

void console_host_kill(struct console_host *host, const char *why)
{
    if (host->pid <= 0)
        return;
    if (why)
        log_error("console", "the console's process is killed", LOG_INT("pid", host->pid),
                  LOG_STR("reason", why));
    console_talk_end(host);
    kill(host->pid, SIGKILL);
}

/* ---- start ---- */

static int spawn(struct console_host *host)
{
    char path[4096];
    int err = spawn_find("postern-console", path, sizeof(path), &host->why);

    if (err == 0) {
        err = spawn_process(path, host->log_fd, &host->pid, &host->link_fd);
        if (err < 0)
            return reason_set(&host->why, err, "cannot start %s: %s", path, strerror(-err));
    }
    return err;
}

static void start(struct console_host *host)
{
    int err;

    console_identity_clear(&host->identity);
    err = host->conf->console_plain_http
              ? 0
              : console_identity_load(host->conf, &host->identity, &host->why);
    if (err == 0)
        err = open_listener(host);
    if (err == 0)
        err = spawn(host);
    host->started_ms = host->heard_ms = loop_now_ms(host->loop);
    if (err == 0) {
        console_host_set_state(host, HOST_STARTING);
        if (console_talk_begin(host) < 0)
            console_host_kill(host, host->why.text);
        return;
    }
    console_host_set_state(host, HOST_DOWN);
    log_alert("console", "there is no console: mail is not touched by that",
              LOG_STR("reason", host->why.text));
    (void)next_backoff(host, 0);
    plan_start(host, host->backoff_ms);
}

static void on_retry(void *arg)
{
    struct console_host *host = arg;

    if (is_wanted(host) && host->pid == 0)
        start(host);
}

static void on_tick(void *arg)
{
    struct console_host *host = arg;
    int64_t silent_ms = loop_now_ms(host->loop) - host->heard_ms;

    loop_timer_set_ms(host->tick, TICK_MS);
    if (host->state == HOST_STARTING && silent_ms >= READY_LIMIT_MS)
        console_host_kill(host, "not ready in time");
    else if (host->state == HOST_RUNNING && silent_ms >= SILENT_MS)
        console_host_kill(host, "no sign of life for 60 s");
}

/* ---- life ---- */

struct console_host *console_host_new(struct loop *loop, const struct conf *conf, int log_fd,
                                      console_host_path_cb *path, void *arg)
{
    struct console_host *host = calloc(1, sizeof(*host));

    if (!host)
        return NULL;
    *host = (struct console_host){ .loop = loop,
                                   .conf = conf,
                                   .log_fd = log_fd,
                                   .path = path,
                                   .arg = arg,
                                   .listen_fd = -1,
                                   .link_fd = -1 };
    host->tick = loop_timer_new(loop, on_tick, host);
    host->retry = loop_timer_new(loop, on_retry, host);
    if (!host->tick || !host->retry || loop_on_signal(loop, SIGCHLD, on_child, host) != 0)
        console_host_free(&host);
    return host;
}

void console_host_start(struct console_host *host)
{
    loop_timer_set_ms(host->tick, TICK_MS);
    if (is_wanted(host))
        start(host);
}

/* A mistake in the new files must not take away a console that works. One that has to move, or to
 * begin with TLS, is no longer wanted as it is. */
static bool has_no_successor(const struct console_host *host, const struct conf *before)
{
    const struct conf *conf = host->conf;
    struct console_identity identity;
    struct reason why;

    if (host->state != HOST_RUNNING || before->console_plain_http || conf->console_plain_http ||
        strcmp(conf->console_listen, before->console_listen) != 0)
        return false;
    if (console_identity_load(conf, &identity, &why) == 0) {
        console_identity_clear(&identity);
        return false;
    }
    log_alert("console", "the console goes on with the certificate that it had",
              LOG_STR("reason", why.text));
    return true;
}

void console_host_reload(struct console_host *host, const struct conf *conf, int log_fd)
{
    const struct conf *before = host->conf;
    bool is_moved = strcmp(conf->console_listen, before->console_listen) != 0;

    host->conf = conf;
    host->log_fd = log_fd;
    host->backoff_ms = 0;
    if (has_no_successor(host, before))
        return;
    if (is_moved && host->listen_fd >= 0) {
        close(host->listen_fd);
        host->listen_fd = -1;
    }
    if (host->pid > 0) {
        host->is_replaced = true; /* its successor has the new settings */
        console_host_kill(host, NULL);
    } else if (is_wanted(host)) {
        plan_start(host, 0);
    } else {
        console_host_set_state(host, HOST_OFF);
    }
}

void console_host_stop(struct console_host *host)
{
    host->is_stopping = true;
    loop_timer_clear(host->retry);
    console_host_kill(host, NULL);
}

void console_host_free(struct console_host **host)
{
    struct console_host *old = *host;

    if (!old)
        return;
    *host = NULL;
    console_host_kill(old, NULL);
    if (old->pid > 0)
        (void)waitpid(old->pid, NULL, 0);
    console_talk_end(old);
    if (old->listen_fd >= 0)
        close(old->listen_fd);
    console_identity_clear(&old->identity);
    loop_timer_free(&old->tick);
    loop_timer_free(&old->retry);
    free(old);
}

json_t *console_host_shown(const struct console_host *host)
{
    static const char *const names[HOST_STATE_COUNT] = { "off", "down", "starting", "running" };
    char since[CLOCK_TEXT_SIZE], ends[CLOCK_TEXT_SIZE];

    if (host->state == HOST_OFF)
        return json_null();
    return json_pack(
        "{s:s, s:I, s:s, s:b, s:s?, s:s?, s:s, s:I, s:I, s:s?}", "state", names[host->state], "pid",
        (json_int_t)host->pid, "address", host->listening, "tls", !host->conf->console_plain_http,
        "fingerprint", *host->identity.fingerprint ? host->identity.fingerprint : NULL,
        "certificate_ends",
        host->identity.end_s ? clock_text(host->identity.end_s * 1000, ends) : NULL, "since",
        clock_text(host->since_wall_ms, since), "restarts", (json_int_t)host->restarts,
        "longest_turn_us", (json_int_t)host->longest_turn_us, "why",
        host->state == HOST_DOWN ? host->why.text : NULL);
}
