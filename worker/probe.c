/* A test as a whole: its profile, its ladders, its end. */
#include "worker/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/probe_step.h"
#include "common/profile.h"
#include "worker/probe_private.h"
#include "worker/tls.h"

static void probe_free(struct probe *probe)
{
    struct prober *prober = probe->prober;

    TAILQ_REMOVE(&prober->probes, probe, link);
    prober->count--;
    for (size_t i = 0; probe->ladders != NULL && i < probe->profile->server_count; i++)
        ladder_done(&probe->ladders[i]);
    free(probe->ladders);
    profile_free(&probe->profile);
    tls_release(probe->tls);
    if (probe->end != NULL)
        loop_timer_free(&probe->end);
    free(probe);
}

static void on_end(void *arg)
{
    struct probe *probe = arg;
    const struct ipc_probe_done done = { .token = probe->token,
                                         .passed = !probe->has_failed,
                                         .servers = (uint32_t)probe->profile->server_count };

    channel_flush(probe->prober->channel); /* the end must not overtake a step */
    channel_send(probe->prober->channel, IPC_PROBE_DONE, &done);
    probe_free(probe);
}

static struct profile *read_profile(int fd, struct reason *why)
{
    struct profile *profile = NULL;
    json_t *json = NULL;
    char *text = NULL;
    size_t bytes;
    int err = memfd_read(fd, &text, &bytes);

    if (err < 0) {
        (void)reason_set(why, err, "the profile cannot be read: %s", strerror(-err));
        return NULL;
    }
    json = json_loadb(text, bytes, 0, NULL);
    explicit_bzero(text, bytes); /* it holds secrets */
    free(text);
    if (json == NULL)
        (void)reason_set(why, -EBADMSG, "the profile is not JSON");
    else if (profile_from_record(json, &profile, why) < 0)
        profile = NULL;
    json_decref(json);
    return profile;
}

static int make_ladders(struct probe *probe)
{
    size_t count = probe->profile->server_count;

    probe->ladders = calloc(count, sizeof(*probe->ladders));
    probe->end = loop_timer_new(probe->prober->loop, on_end, probe);
    if (probe->ladders == NULL || probe->end == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (ladder_init(&probe->ladders[i], probe, (unsigned)i) < 0)
            return -ENOMEM;
    }
    probe->open = count;
    return 0;
}

static void refuse(struct prober *prober, uint64_t token, const char *why)
{
    struct ipc_probe_step told = { .token = token, .result = PROBE_FAILED };
    const struct ipc_probe_done done = { .token = token };

    (void)snprintf(told.text, sizeof(told.text), "the test could not be made: %s", why);
    channel_send(prober->channel, IPC_PROBE_STEP, &told);
    channel_flush(prober->channel); /* as in on_end() */
    channel_send(prober->channel, IPC_PROBE_DONE, &done);
}

void prober_start(struct prober *prober, uint64_t token, int fd)
{
    struct reason why = { "out of memory" };
    struct probe *probe = prober->count < IPC_PROBES_MAX ? calloc(1, sizeof(*probe)) : NULL;

    if (probe != NULL) {
        probe->prober = prober;
        probe->token = token;
        probe->profile = read_profile(fd, &why);
        TAILQ_INSERT_TAIL(&prober->probes, probe, link);
        prober->count++;
    }
    close(fd);
    if (probe == NULL || probe->profile == NULL || make_ladders(probe) < 0) {
        refuse(prober, token, probe == NULL ? "too many tests at a time" : why.text);
        if (probe != NULL)
            probe_free(probe);
        return;
    }
    for (size_t i = 0; i < probe->profile->server_count; i++)
        ladder_start(&probe->ladders[i]);
}

struct prober *prober_new(struct loop *loop, struct channel *channel, const struct conf *conf,
                          struct resolver *resolver, struct smtp_pool *pool,
                          const struct tls_keeper *keeper, struct http *http)
{
    struct prober *prober = calloc(1, sizeof(*prober));

    if (prober == NULL)
        return NULL;
    *prober = (struct prober){
        .loop = loop,
        .channel = channel,
        .conf = conf,
        .resolver = resolver,
        .pool = pool,
        .keeper = keeper,
        .http = http,
    };
    TAILQ_INIT(&prober->probes);
    return prober;
}

void prober_free(struct prober **prober)
{
    struct prober *p = *prober;

    if (p == NULL)
        return;
    *prober = NULL;
    while (!TAILQ_EMPTY(&p->probes))
        probe_free(TAILQ_FIRST(&p->probes));
    free(p);
}
