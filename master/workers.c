#include "master/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "master/worker.h"

#define LOAD_LEAST_MS 1000

static const char *const state_names[WORKER_STATE_COUNT] = {
    [WORKER_DOWN] = "down",
    [WORKER_STARTING] = "starting",
    [WORKER_RUNNING] = "running",
    [WORKER_DRAINING] = "draining",
};

const char *worker_state_name(enum worker_state state)
{
    return state_names[state];
}

struct worker *workers_least_loaded(const struct workers *workers)
{
    struct worker *least = NULL;

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        struct worker *worker = workers->slots[slot];

        if (worker_is_running(worker) && (least == NULL || worker->job_count < least->job_count))
            least = worker;
    }
    return least;
}

struct worker *workers_add(struct workers *workers, unsigned slot)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return NULL;
    worker->slot = (uint16_t)slot;
    worker->since_wall_ms = clock_wall_ms();
    TAILQ_INIT(&worker->jobs);
    workers->slots[slot] = worker;
    return worker;
}

void worker_free(struct worker **worker)
{
    if (*worker == NULL)
        return;
    channel_free(&(*worker)->channel);
    loop_timer_free(&(*worker)->timer);
    free((*worker)->running);
    free(*worker);
    *worker = NULL;
}

void worker_set_running(struct worker *worker, uint32_t profile, uint64_t version)
{
    struct worker_running *grown;

    for (size_t i = 0; i < worker->running_count; i++) {
        if (worker->running[i].profile == profile) {
            worker->running[i].version = version;
            return;
        }
    }
    if (worker->running_count >= WORKER_RUNNING_MAX)
        return;
    grown = realloc(worker->running, (worker->running_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    worker->running = grown;
    grown[worker->running_count++] =
        (struct worker_running){ .profile = profile, .version = version };
}

void worker_drop_running(struct worker *worker, uint32_t profile)
{
    for (size_t i = 0; i < worker->running_count; i++) {
        if (worker->running[i].profile != profile)
            continue;
        worker->running[i] = worker->running[--worker->running_count];
        return;
    }
}

/* Heartbeats that lie close together (the first is sent at once) say nothing of a load. */
void worker_take_figures(struct worker *worker, const struct ipc_heartbeat *figures, int64_t now_ms)
{
    const int64_t passed_ms = now_ms - worker->heartbeat_ms;

    if (passed_ms >= LOAD_LEAST_MS && figures->cpu_ms >= worker->figures.cpu_ms)
        worker->cpu_percent =
            (unsigned)((figures->cpu_ms - worker->figures.cpu_ms) * 100 / (uint64_t)passed_ms);
    worker->figures = *figures;
    worker->heartbeat_ms = now_ms;
}

/* ---- shown ---- */

static json_t *running_shown(const struct worker *worker)
{
    json_t *profiles = json_object();
    char key[16];

    for (size_t i = 0; i < worker->running_count; i++) {
        snprintf(key, sizeof(key), "%u", worker->running[i].profile);
        json_object_set_new(profiles, key, json_integer((json_int_t)worker->running[i].version));
    }
    return json_pack("{s:I, s:o}", "rules", (json_int_t)worker->rules_version, "profiles",
                     profiles);
}

static void add_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void add_figures(json_t *shown, const struct ipc_heartbeat *figures)
{
    add_number(shown, "accepted", figures->accepted);
    add_number(shown, "delivered", figures->delivered);
    add_number(shown, "bytes_in", figures->bytes_in);
    add_number(shown, "syncs", figures->syncs);
    json_object_set_new(shown, "disk_hangs", json_boolean(figures->disk_hangs != 0));
    add_number(shown, "sessions", figures->sessions);
    add_number(shown, "connections_in", figures->connections_in);
    add_number(shown, "connections_out", figures->connections_out);
    add_number(shown, "longest_turn_us", figures->longest_turn_us);
    add_number(shown, "rss_kib", figures->rss_kib);
}

static json_t *worker_shown(const struct worker *worker, int64_t now_ms)
{
    json_t *shown = json_object();
    char since[CLOCK_TEXT_SIZE];

    add_number(shown, "slot", worker->slot);
    json_object_set_new(shown, "pid", worker->pid > 0 ? json_integer(worker->pid) : json_null());
    json_object_set_new(shown, "state", json_string(worker_state_name(worker->state)));
    json_object_set_new(shown, "since", json_string(clock_text(worker->since_wall_ms, since)));
    add_number(shown, "restarts", worker->restarts);
    json_object_set_new(shown, "last_exit",
                        worker->last_exit[0] != '\0' ? json_string(worker->last_exit)
                                                     : json_null());
    add_number(shown, "jobs", worker->job_count);
    add_number(shown, "cpu_percent", worker->cpu_percent);
    add_figures(shown, &worker->figures);
    json_object_set_new(shown, "heartbeat_age_ms",
                        worker->heartbeat_ms > 0 ? json_integer(now_ms - worker->heartbeat_ms)
                                                 : json_null());
    json_object_set_new(shown, "running", running_shown(worker));
    return shown;
}

json_t *workers_shown(const struct workers *workers)
{
    json_t *shown = json_array();
    int64_t now_ms = clock_mono_ms();

    for (unsigned slot = 0; slot < ID_SLOTS; slot++) {
        if (workers->slots[slot] != NULL)
            json_array_append_new(shown, worker_shown(workers->slots[slot], now_ms));
    }
    return shown;
}

void workers_count(const struct workers *workers, unsigned *ret_running, unsigned *ret_wanted)
{
    *ret_running = 0;
    *ret_wanted = workers->wanted;
    for (unsigned slot = 0; slot < ID_SLOTS; slot++)
        *ret_running += worker_is_running(workers->slots[slot]) ? 1 : 0;
}
