#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/loop.h"
#include "worker/segment_cache.h"
#include "worker/spooler.h"

static void *make_room(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room * 2 + 64;
    items = reallocarray(items, *room, size);
    if (items == NULL)
        abort();
    return items;
}

#define KEEP(gateway, list, payload)                                                              \
    do {                                                                                          \
        (gateway)->list = make_room((gateway)->list, (gateway)->list##_count,                     \
                                    &(gateway)->list##_room, sizeof(*(gateway)->list));           \
        memcpy(&(gateway)->list[(gateway)->list##_count++], (payload), sizeof(*(gateway)->list)); \
    } while (0)

static void on_queued(void *owner, const void *payload, int fd)
{
    struct gateway *gateway = owner;

    (void)fd;
    KEEP(gateway, queued, payload);
}

static void on_sealed(void *owner, const void *payload, int fd)
{
    struct gateway *gateway = owner;

    (void)fd;
    KEEP(gateway, sealed, payload);
}

static void on_moved(void *owner, const void *payload, int fd)
{
    struct gateway *gateway = owner;

    (void)fd;
    KEEP(gateway, moved, payload);
}

static void on_compacted(void *owner, const void *payload, int fd)
{
    struct gateway *gateway = owner;

    (void)fd;
    memcpy(&gateway->compacted, payload, sizeof(gateway->compacted));
    gateway->compacted_count++;
}

static void on_rescanned(void *owner, const void *payload, int fd)
{
    struct gateway *gateway = owner;

    (void)fd;
    memcpy(&gateway->rescanned, payload, sizeof(gateway->rescanned));
    gateway->rescanned_count++;
}

static void on_released(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    if (err != 0)
        abort();
}

struct gateway *gateway_new(const char *state_dir)
{
    static channel_handler *const at_master[IPC_KIND_COUNT] = {
        [IPC_MAIL_QUEUED] = on_queued,        [IPC_SEGMENT_SEALED] = on_sealed,
        [IPC_SEGMENT_RELEASED] = on_released, [IPC_RESCANNED] = on_rescanned,
        [IPC_MAIL_MOVED] = on_moved,          [IPC_SEGMENT_COMPACTED] = on_compacted,
    };
    static channel_handler *const at_worker[IPC_KIND_COUNT] = { NULL };
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    struct reason why = { "" };
    char text[512];
    int pair[2];

    if (gateway == NULL)
        abort();
    (void)snprintf(gateway->state_dir, sizeof(gateway->state_dir), "%s", state_dir);
    (void)snprintf(gateway->spool_dir, sizeof(gateway->spool_dir), "%s/spool", state_dir);
    (void)snprintf(text, sizeof(text), "state_dir = \"%s\"\nspool { keep_free = 0 }\n", state_dir);
    if (conf_parse(text, "crash_points", &gateway->conf, &why) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    gateway->conf->spool_segment_size = GATEWAY_SEGMENT_BYTES; /* below what a file may say */
    gateway->loop = loop_new();
    gateway->master = channel_new(gateway->loop, pair[0], IPC_MASTER, at_master, on_end, gateway);
    gateway->worker = channel_new(gateway->loop, pair[1], IPC_WORKER, at_worker, on_end, gateway);
    return gateway;
}

void gateway_free(struct gateway **gateway)
{
    struct gateway *g = *gateway;

    if (g == NULL)
        return;
    gateway_stop(g);
    channel_free(&g->worker);
    channel_free(&g->master);
    loop_free(g->loop);
    conf_free(&g->conf);
    free(g->queued);
    free(g->sealed);
    free(g->moved);
    free(g);
    *gateway = NULL;
}

int gateway_start(struct gateway *gateway, unsigned slot, struct reason *reterr_why)
{
    int err = spooler_new(gateway->loop, gateway->worker, gateway->conf, slot, &gateway->spooler,
                          reterr_why);

    if (err < 0)
        return err;
    gateway->cache = segment_cache_new(gateway->spool_dir, gateway->worker);
    if (gateway->cache == NULL)
        abort();
    return 0;
}

void gateway_stop(struct gateway *gateway)
{
    segment_cache_free(&gateway->cache);
    spooler_free(&gateway->spooler);
    channel_flush(gateway->worker); /* what it told last */
    gateway_turn(gateway, 0);
    gateway_turn(gateway, 0);
}

void gateway_turn(struct gateway *gateway, int wait_ms)
{
    loop_turn(gateway->loop, wait_ms);
}

bool gateway_recover(struct gateway *gateway)
{
    const unsigned before = gateway->rescanned_count;

    spooler_rescan(gateway->spooler, GATEWAY_SLOT);
    return GATEWAY_WAIT(gateway, gateway->rescanned_count > before);
}

void gateway_forget(struct gateway *gateway)
{
    gateway->queued_count = gateway->sealed_count = gateway->moved_count = 0;
}
