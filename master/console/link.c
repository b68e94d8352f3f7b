#include "master/console/link.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/channel_socket.h"
#include "common/console.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"

struct want {
    unsigned number; /* 0: free */
    link_connection_cb *cb;
    void *arg;
};

struct link {
    struct loop *loop;
    struct loop_watch *watch;
    struct loop_timer *alive;
    struct link_hooks hooks;
    int fd;
    char *settings; /* until the listener is there, too */
    bool is_ended;
    unsigned last_number;
    struct want wants[CONSOLE_MAX_REQUESTS];
};

/* ---- to the master ---- */

/* The link is never full: the master reads it at every turn, and what is asked is bounded. */
static bool tell(struct link *link, enum console_kind kind, uint64_t number)
{
    struct console_packet packet = { .kind = kind, .number = number };
    struct iovec part = { .iov_base = &packet, .iov_len = sizeof(packet) };

    return channel_socket_send(link->fd, &part, 1, -1) > 0;
}

static void on_alive(void *arg)
{
    struct link *link = arg;

    (void)tell(link, CONSOLE_ALIVE, (uint64_t)loop_take_longest_turn_us(link->loop));
    loop_timer_set_ms(link->alive, CONSOLE_ALIVE_MS);
}

void link_ready(struct link *link)
{
    (void)tell(link, CONSOLE_READY, CONSOLE_VERSION);
    on_alive(link);
}

unsigned link_connect(struct link *link, link_connection_cb *cb, void *arg)
{
    for (unsigned i = 0; i < CONSOLE_MAX_REQUESTS; i++) {
        struct want *want = &link->wants[i];

        if (want->number != 0)
            continue;
        if (++link->last_number == 0)
            link->last_number = 1;
        if (!tell(link, CONSOLE_WANT, link->last_number))
            return 0;
        *want = (struct want){ .number = link->last_number, .cb = cb, .arg = arg };
        return want->number;
    }
    return 0;
}

static struct want *find_want(struct link *link, uint64_t number)
{
    for (unsigned i = 0; i < CONSOLE_MAX_REQUESTS && number != 0; i++)
        if (link->wants[i].number == number)
            return &link->wants[i];
    return NULL;
}

void link_forget(struct link *link, unsigned number)
{
    struct want *want = find_want(link, number);

    if (want)
        want->number = 0;
}

/* ---- from the master ---- */

static void end(struct link *link, const char *why)
{
    if (link->is_ended)
        return;
    link->is_ended = true;
    loop_watch_set(link->watch, 0);
    if (why)
        log_error("console", "the master's word is not understood", LOG_STR("reason", why));
    link->hooks.on_ended(link->hooks.arg);
}

static void take_settings(struct link *link, int fd)
{
    size_t bytes;
    int err = link->settings ? -EEXIST : memfd_read(fd, &link->settings, &bytes);

    if (fd >= 0)
        close(fd);
    if (err < 0)
        end(link, "settings");
}

static void take_listener(struct link *link, int fd)
{
    char *settings = link->settings;

    if (fd < 0 || !settings) {
        if (fd >= 0)
            close(fd);
        end(link, "listener");
        return;
    }
    link->settings = NULL;
    link->hooks.on_started(settings, fd, link->hooks.arg);
}

/* One that nobody waits for any more is closed. */
static void take_connection(struct link *link, const struct console_packet *packet, int fd)
{
    struct want *want = find_want(link, packet->number);

    if (!want) {
        if (fd >= 0)
            close(fd);
        return;
    }
    want->number = 0;
    want->cb(fd >= 0 ? fd : packet->err < 0 ? packet->err : -EPROTO, want->arg);
}

static void take(struct link *link, const struct console_packet *packet, int fd)
{
    switch (packet->kind) {
    case CONSOLE_SETTINGS: take_settings(link, fd); break;
    case CONSOLE_LISTENER: take_listener(link, fd); break;
    case CONSOLE_CONNECTION: take_connection(link, packet, fd); break;
    default:
        if (fd >= 0)
            close(fd);
        end(link, "kind");
    }
}

static void on_readable(int fd, unsigned what, void *arg)
{
    struct link *link = arg;
    struct console_packet packet;
    struct channel_packet in = { .data = &packet };
    int count;

    (void)what;
    for (;;) {
        in.bytes = sizeof(packet);
        count = channel_socket_receive(fd, &in, 1);
        if (count == 0 || link->is_ended)
            return;
        if (count < 0 || in.bytes != sizeof(packet) || in.is_cut || in.fd_count > 1) {
            if (count > 0 && in.fd >= 0)
                close(in.fd);
            end(link, count > 0 && in.bytes > 0 ? "size" : NULL);
            return;
        }
        take(link, &packet, in.fd);
        if (link->is_ended)
            return;
    }
}

/* ---- life ---- */

struct link *link_new(struct loop *loop, int fd, const struct link_hooks *hooks)
{
    struct link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    link->loop = loop;
    link->fd = fd;
    link->hooks = *hooks;
    link->watch = loop_watch_new(loop, fd, on_readable, link);
    link->alive = loop_timer_new(loop, on_alive, link);
    if (!link->watch || !link->alive) {
        link->fd = -1;
        link_free(&link);
        return NULL;
    }
    loop_watch_set(link->watch, LOOP_READ);
    return link;
}

void link_free(struct link **link)
{
    struct link *old = *link;

    if (!old)
        return;
    *link = NULL;
    loop_watch_free(&old->watch);
    loop_timer_free(&old->alive);
    if (old->fd >= 0)
        close(old->fd);
    free(old->settings);
    free(old);
}
