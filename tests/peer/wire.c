#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "common/loop.h"

#define READ_BYTES (256U << 10)
#define HELD_MAX   (1U << 20) /* a client that talks on while it should wait is not read */

struct wire {
    struct loop *loop;
    struct loop_watch *watch;
    const struct wire_ops *ops;
    void *owner;
    struct evbuffer *out;
    char *held; /* read and not done with */
    size_t held_bytes, held_room;
    int fd;
    bool is_finishing, has_sent_fin, is_deaf, is_reset, is_over, is_over_by_reset, is_writing;
};

static void on_ready(int fd, unsigned what, void *arg);

struct wire *wire_new(struct loop *loop, int fd, const struct wire_ops *ops, void *owner)
{
    struct wire *wire = calloc(1, sizeof(*wire));

    if (wire == NULL)
        abort();
    *wire = (struct wire){ .loop = loop, .fd = fd, .ops = ops, .owner = owner };
    wire->out = evbuffer_new();
    wire->watch = loop_watch_new(loop, fd, on_ready, wire);
    if (wire->out == NULL || wire->watch == NULL)
        abort();
    loop_watch_set(wire->watch, LOOP_READ);
    return wire;
}

void wire_free(struct wire **wire)
{
    if (*wire == NULL)
        return;
    loop_watch_free(&(*wire)->watch);
    close((*wire)->fd);
    evbuffer_free((*wire)->out);
    free((*wire)->held);
    free(*wire);
    *wire = NULL;
}

int wire_fd(const struct wire *wire)
{
    return wire->fd;
}

void wire_say(struct wire *wire, const char *octets, size_t count)
{
    if (wire->is_finishing || wire->is_reset)
        return;
    if (evbuffer_add(wire->out, octets, count) < 0)
        abort();
}

void wire_finish(struct wire *wire)
{
    wire->is_finishing = true;
    wire->held_bytes = 0;
}

void wire_reset(struct wire *wire)
{
    struct linger at_once = { .l_onoff = 1 };

    (void)setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    wire->is_reset = wire->is_over = true;
}

/* ---- reading ---- */

static void watch_as_needed(struct wire *wire)
{
    bool reads = !wire->is_deaf && wire->held_bytes < HELD_MAX;

    wire->is_writing = evbuffer_get_length(wire->out) > 0;
    loop_watch_set(wire->watch, (reads ? LOOP_READ : 0U) | (wire->is_writing ? LOOP_WRITE : 0U));
}

void wire_be_deaf(struct wire *wire)
{
    wire->is_deaf = true;
}

static void hold(struct wire *wire, const char *octets, size_t count)
{
    if (wire->held_bytes + count > wire->held_room) {
        wire->held_room = wire->held_bytes + count;
        wire->held = realloc(wire->held, wire->held_room);
        if (wire->held == NULL)
            abort();
    }
    memcpy(wire->held + wire->held_bytes, octets, count);
    wire->held_bytes += count;
}

void wire_resume(struct wire *wire)
{
    size_t done;

    if (wire->held_bytes == 0 || wire->is_over)
        return;
    done = wire->ops->on_octets(wire->held, wire->held_bytes, wire->owner);
    if (done > wire->held_bytes || wire->is_finishing)
        done = wire->held_bytes;
    wire->held_bytes -= done;
    memmove(wire->held, wire->held + done, wire->held_bytes);
    if (wire->held_bytes == 0) {
        free(wire->held);
        wire->held = NULL;
        wire->held_room = 0;
    }
}

static void take(struct wire *wire, const char *octets, size_t count)
{
    size_t done;

    if (wire->is_finishing)
        return;
    if (wire->held_bytes > 0) {
        hold(wire, octets, count);
        wire_resume(wire);
        return;
    }
    done = wire->ops->on_octets(octets, count, wire->owner);
    if (done < count && !wire->is_finishing)
        hold(wire, octets + done, count - done);
}

static void read_once(struct wire *wire)
{
    static char octets[READ_BYTES];
    ssize_t count = recv(wire->fd, octets, sizeof(octets), MSG_DONTWAIT);

    if (count > 0) {
        take(wire, octets, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        wire->is_over = true;
        wire->is_over_by_reset = count < 0;
    }
}

/* ---- writing ---- */

static void send_what_goes(struct wire *wire)
{
    bool had_some = evbuffer_get_length(wire->out) > 0;

    while (evbuffer_get_length(wire->out) > 0) {
        int sent = evbuffer_write(wire->out, wire->fd);

        if (sent <= 0) {
            if (errno != EAGAIN && errno != EINTR) /* its end is read, too */
                evbuffer_drain(wire->out, evbuffer_get_length(wire->out));
            break;
        }
    }
    if (evbuffer_get_length(wire->out) > 0)
        return;
    if (had_some && !wire->is_finishing)
        wire->ops->on_drained(wire->owner);
    if (wire->is_finishing && !wire->has_sent_fin) {
        wire->has_sent_fin = true;
        (void)shutdown(wire->fd, SHUT_WR);
    }
}

void wire_settle(struct wire *wire)
{
    if (!wire->is_reset)
        send_what_goes(wire);
    if (wire->is_over) {
        wire->ops->on_end(wire->is_over_by_reset, wire->owner);
        return;
    }
    watch_as_needed(wire);
    wire->ops->on_handled(wire->owner);
}

static void on_ready(int fd, unsigned what, void *arg)
{
    struct wire *wire = arg;

    (void)fd;
    if ((what & LOOP_READ) != 0)
        read_once(wire);
    wire_settle(wire);
}
