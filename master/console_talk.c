/* master/console_talk.c: what is said over the link to the console (common/console.h). */
#include "master/console_host_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/channel_socket.h"
#include "common/console.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/secret.h"

/* ---- what it is given ---- */

/* SETTINGS, in memory that cannot be changed. */
static int make_settings(const struct console_host *host)
{
    const struct conf *conf = host->conf;
    const struct console_identity *identity = &host->identity;
    AUTO(json)
    json_t *settings =
        json_pack("{s:b, s:s?, s:s?, s:b, s:s, s:s}", "plain", conf->console_plain_http,
                  "certificate", identity->certificate, "key", identity->key, "is_own",
                  identity->is_own, "log_level", conf->log_level, "log_format", conf->log_format);
    char *text = settings ? json_dumps(settings, JSON_COMPACT) : NULL;
    int fd = text ? memfd_seal("console", text, strlen(text)) : -ENOMEM;

    secret_free(&text);
    return fd;
}

static int tell(struct console_host *host, enum console_kind kind, uint64_t number, int passed_fd,
                int err)
{
    struct console_packet packet = { .kind = kind, .number = number, .err = err };
    struct iovec part = { .iov_base = &packet, .iov_len = sizeof(packet) };
    int sent = channel_socket_send(host->link_fd, &part, 1, passed_fd);

    return sent > 0 ? 0 : sent < 0 ? sent : -EAGAIN;
}

/* ---- what it says ---- */

/* A connection to console.sock, made here: the console may open none. */
static int connect_for_it(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, err;

    if (!path || strlen(path) >= sizeof(address.sun_path))
        return -ENOENT;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static void give_connection(struct console_host *host, uint64_t number)
{
    int fd = connect_for_it(host->path(host->arg));

    if (tell(host, CONSOLE_CONNECTION, number, fd, fd < 0 ? fd : 0) < 0)
        console_host_kill(host, "it does not read what it asked for");
    if (fd >= 0)
        close(fd);
}

static void take(struct console_host *host, const struct console_packet *packet)
{
    host->heard_ms = loop_now_ms(host->loop);
    switch (packet->kind) {
    case CONSOLE_READY:
        if (packet->number != CONSOLE_VERSION) {
            console_host_kill(host, "it is of another version");
            return;
        }
        console_host_set_state(host, HOST_RUNNING);
        log_info("console", "the console runs", LOG_STR("address", host->listening),
                 LOG_STR("fingerprint", host->identity.fingerprint), LOG_INT("pid", host->pid));
        break;
    case CONSOLE_ALIVE: host->longest_turn_us = (int64_t)packet->number; break;
    case CONSOLE_WANT: give_connection(host, packet->number); break;
    default: console_host_kill(host, "it said what is not understood"); break;
    }
}

static void on_readable(int fd, unsigned what, void *arg)
{
    struct console_host *host = arg;

    (void)what;
    /* One that asks without end has its turns like everybody: mail goes on beside it. */
    for (unsigned i = 0; i < CONSOLE_MAX_REQUESTS && host->link_fd == fd; i++) {
        struct console_packet packet;
        struct channel_packet in = { .data = &packet, .bytes = sizeof(packet) };
        int count = channel_socket_receive(fd, &in, 1);

        if (count == 0)
            return;
        if (count > 0 && in.fd >= 0)
            close(in.fd);
        if (count < 0 || in.bytes == 0) {
            loop_watch_set(host->watch, 0); /* it is ending: SIGCHLD is next */
            return;
        }
        if (in.bytes != sizeof(packet) || in.is_cut || in.fd_count > 0) {
            console_host_kill(host, "it said what is not understood");
            return;
        }
        take(host, &packet);
    }
}

int console_talk_begin(struct console_host *host)
{
    int settings = make_settings(host);
    int err = settings < 0 ? settings : tell(host, CONSOLE_SETTINGS, 0, settings, 0);

    if (settings >= 0)
        close(settings);
    if (err == 0)
        err = tell(host, CONSOLE_LISTENER, 0, host->listen_fd, 0);
    host->watch = err == 0 ? loop_watch_new(host->loop, host->link_fd, on_readable, host) : NULL;
    if (!host->watch)
        return reason_set(&host->why, err < 0 ? err : -ENOMEM, "cannot hand over its settings: %s",
                          strerror(err < 0 ? -err : ENOMEM));
    loop_watch_set(host->watch, LOOP_READ);
    return 0;
}

void console_talk_end(struct console_host *host)
{
    loop_watch_free(&host->watch);
    if (host->link_fd >= 0)
        close(host->link_fd);
    host->link_fd = -1;
}
