#include "master/prober.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"
#include "common/probe_step.h"
#include "common/profile.h"
#include "master/worker.h"

struct probe {
    struct prober *prober;
    uint64_t token; /* 0: free */
    const struct worker *worker;
    size_t server_count;
    struct loop_timer *limit;
    prober_step_cb *on_step; /* NULL: nobody waits any longer */
    prober_done_cb *done;
    void *arg;
    int err; /* for an end that is told by the timer */
};

struct prober {
    struct loop *loop;
    struct workers *workers;
    uint64_t last_token;
    struct probe probes[IPC_PROBES_MAX];
};

struct prober *prober_new(struct loop *loop, struct workers *workers)
{
    struct prober *prober = calloc(1, sizeof(*prober));

    if (prober != NULL)
        *prober = (struct prober){ .loop = loop, .workers = workers };
    return prober;
}

static void finish(struct probe *probe, int err, bool passed)
{
    prober_done_cb *done = probe->done;
    void *arg = probe->arg;

    loop_timer_free(&probe->limit);
    *probe = (struct probe){ 0 };
    if (done != NULL)
        done(err, passed, arg);
}

void prober_free(struct prober **prober)
{
    if (*prober == NULL)
        return;
    for (size_t i = 0; i < IPC_PROBES_MAX; i++) {
        if ((*prober)->probes[i].token != 0)
            finish(&(*prober)->probes[i], -ECANCELED, false);
    }
    free(*prober);
    *prober = NULL;
}

static void on_limit(void *arg)
{
    struct probe *probe = arg;

    finish(probe, probe->err, false);
}

static struct probe *find(struct prober *prober, uint64_t token)
{
    for (size_t i = 0; i < IPC_PROBES_MAX; i++) {
        if (prober->probes[i].token == token)
            return &prober->probes[i];
    }
    return NULL;
}

/* The profile as a worker reads it, with its secrets; negative errno. */
static int seal_profile(const struct profile *profile)
{
    json_t *json = profile_to_json(profile, PROFILE_FORM_WORKER);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    int fd = text != NULL ? memfd_seal("probe", text, strlen(text)) : -ENOMEM;

    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    json_decref(json);
    return fd;
}

int prober_start(struct prober *prober, const struct profile *profile, prober_step_cb *on_step,
                 prober_done_cb *done, void *arg, uint64_t *ret_token)
{
    struct worker *worker = workers_least_loaded(prober->workers);
    struct probe *probe = find(prober, 0);
    struct ipc_probe message;
    int fd;

    if (worker == NULL)
        return -EAGAIN;
    if (probe == NULL)
        return -EBUSY;
    fd = seal_profile(profile);
    if (fd < 0)
        return fd;
    *probe = (struct probe){ .prober = prober,
                             .token = ++prober->last_token,
                             .worker = worker,
                             .server_count = profile->server_count,
                             .limit = loop_timer_new(prober->loop, on_limit, probe),
                             .on_step = on_step,
                             .done = done,
                             .arg = arg,
                             .err = -ETIMEDOUT };
    message = (struct ipc_probe){ .token = probe->token };
    channel_send_fd(worker->channel, IPC_PROBE, &message, fd);
    if (probe->limit == NULL) {
        *probe = (struct probe){ 0 };
        return -ENOMEM;
    }
    loop_timer_set_ms(probe->limit, PROBER_LIMIT_MS);
    if (ret_token != NULL)
        *ret_token = probe->token;
    return 0;
}

void prober_forget(struct prober *prober, uint64_t token)
{
    struct probe *probe = token != 0 ? find(prober, token) : NULL;

    if (probe == NULL)
        return;
    probe->on_step = NULL;
    probe->done = NULL;
}

/* ---- what the worker says ---- */

int prober_step(struct prober *prober, const struct worker *worker,
                const struct ipc_probe_step *step)
{
    struct probe *probe = step->token != 0 ? find(prober, step->token) : NULL;

    if (probe == NULL || probe->worker != worker)
        return 0; /* late: its time is over */
    if (step->server >= probe->server_count || step->step >= PROBE_STEP_COUNT ||
        step->result > PROBE_NOT_TESTED || memchr(step->text, '\0', sizeof(step->text)) == NULL)
        return -EBADMSG;
    if (probe->on_step != NULL)
        probe->on_step(step, probe->arg);
    return 0;
}

void prober_done(struct prober *prober, const struct worker *worker,
                 const struct ipc_probe_done *done)
{
    struct probe *probe = done->token != 0 ? find(prober, done->token) : NULL;

    if (probe != NULL && probe->worker == worker)
        finish(probe, 0, done->passed != 0);
}

void prober_worker_gone(struct prober *prober, const struct worker *worker)
{
    for (size_t i = 0; i < IPC_PROBES_MAX; i++) {
        struct probe *probe = &prober->probes[i];

        if (probe->token == 0 || probe->worker != worker)
            continue;
        probe->worker = NULL;
        probe->err = -EPIPE;
        loop_timer_set_ms(probe->limit, 0);
    }
}
