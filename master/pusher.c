#include "master/pusher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/log.h"
#include "master/dispatch.h"
#include "master/registry.h"
#include "master/tokens.h"
#include "master/worker.h"

struct pusher {
    struct registry *registry;
    struct workers *workers;
    struct dispatch *dispatch;
    struct tokens *tokens;
};

/* `fd` is taken over, an error instead of it passed on. */
static int push_profile(const struct profile *profile, struct worker *worker, int fd)
{
    const struct ipc_profile message = { .version = profile->version, .id = profile->id };

    if (fd < 0)
        return fd;
    channel_send_fd(worker->channel, IPC_PROFILE, &message, fd);
    return 0;
}

static int push_rules(struct pusher *pusher, struct worker *worker)
{
    const struct ipc_rules message = { .version = registry_rules(pusher->registry)->version };
    int fd = registry_rules_memfd(pusher->registry);

    if (fd < 0)
        return fd;
    channel_send_fd(worker->channel, IPC_RULES, &message, fd);
    return 0;
}

int pusher_push_all(struct pusher *pusher, struct worker *worker)
{
    registry_announce_rest(pusher->registry); /* a delivery names a version that this worker has */
    for (size_t i = 0; i < registry_profile_count(pusher->registry); i++) {
        const struct profile *profile = registry_profile_at(pusher->registry, i);
        int err =
            push_profile(profile, worker, registry_profile_memfd(pusher->registry, profile->id));

        if (err < 0)
            return err;
    }
    return push_rules(pusher, worker);
}

static bool is_listening(const struct worker *worker)
{
    return worker != NULL && worker->channel != NULL &&
           (worker->state == WORKER_RUNNING || worker->state == WORKER_DRAINING);
}

static int copy_fd(int fd)
{
    int copy;

    if (fd < 0)
        return fd;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy >= 0 ? copy : -errno;
}

/* One worker hears of one change; `memfd` is the profile's, if it is one's. */
static void push_change(struct pusher *pusher, struct worker *worker, uint32_t id,
                        const struct profile *profile, int memfd)
{
    int err = 0;

    if (id == 0)
        err = push_rules(pusher, worker);
    else if (profile != NULL)
        err = push_profile(profile, worker, copy_fd(memfd));
    else {
        channel_send(worker->channel, IPC_PROFILE_GONE, &(struct ipc_profile){ .id = id });
        worker_drop_running(worker, id);
    }
    if (err < 0)
        log_error("pusher", "a worker could not be given the new version",
                  LOG_INT("slot", worker->slot), LOG_INT("profile", id),
                  LOG_STR("reason", strerror(-err)));
}

/* An operator's drain outlives a restart, and an edit that takes a server out and in again. */
void pusher_drain(struct pusher *pusher, const struct profile *profile)
{
    for (size_t i = 0; i < profile->server_count; i++) {
        const char *uri = profile->servers[i].text;

        if (registry_is_drained(pusher->registry, profile->id, uri))
            (void)dispatch_drain(pusher->dispatch, profile->id, uri);
    }
}

static void on_change(uint32_t id, bool gone, void *arg)
{
    struct pusher *pusher = arg;
    const struct profile *profile =
        id != 0 && !gone ? registry_profile(pusher->registry, id) : NULL;
    int memfd = profile != NULL ? registry_profile_memfd(pusher->registry, id) : -ENOENT;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (is_listening(pusher->workers->slots[slot]))
            push_change(pusher, pusher->workers->slots[slot], id, profile, memfd);
    }
    if (memfd >= 0)
        close(memfd);
    if (id != 0 && pusher->tokens != NULL)
        tokens_forget(pusher->tokens, id);
    if (id == 0)
        dispatch_rules_changed(pusher->dispatch);
    /* After the workers: a delivery names a version that its worker has been sent. */
    if (profile != NULL && dispatch_set_profile(pusher->dispatch, profile, NULL) != 0)
        log_error("pusher", "no memory for the new version of a profile", LOG_INT("profile", id));
    else if (profile != NULL)
        pusher_drain(pusher, profile);
    else if (gone)
        dispatch_drop_profile(pusher->dispatch, id);
}

struct pusher *pusher_new(struct registry *registry, struct workers *workers,
                          struct dispatch *dispatch, struct tokens *tokens)
{
    struct pusher *pusher = calloc(1, sizeof(*pusher));

    if (pusher == NULL)
        return NULL;
    *pusher = (struct pusher){
        .registry = registry, .workers = workers, .dispatch = dispatch, .tokens = tokens
    };
    registry_watch(registry, on_change, pusher);
    return pusher;
}

void pusher_free(struct pusher **pusher)
{
    free(*pusher);
    *pusher = NULL;
}
