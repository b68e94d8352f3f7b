/* What workers are told of profiles and rules, and what dispatch is told after them. */
#include "registry_helper.h"

#include <sys/socket.h>

#include "common/channel.h"
#include "master/dispatch.h"
#include "master/pusher.h"
#include "master/worker.h"

enum { WORKERS = 3, IDS = 256 };

static struct workers workers;
static struct pusher *pusher;

/* ---- the other ends ---- */

static struct fake {
    struct channel *channel;
    uint64_t versions[IDS]; /* of the profiles it was given, 0: none */
    char secrets[IDS][64];
    unsigned profiles, rules;
} fakes[WORKERS];

static void on_profile(void *owner, const void *payload, int fd)
{
    const struct ipc_profile *profile = payload;
    struct fake *fake = owner;
    json_t *json = read_memfd(fd);
    const char *secret = json_string_value(json_object_get(json, "api_key"));

    cr_assert_lt(profile->id, IDS);
    fake->profiles++;
    fake->versions[profile->id] = profile->version;
    (void)snprintf(fake->secrets[profile->id], sizeof(fake->secrets[0]), "%s",
                   secret != NULL ? secret : "");
    json_decref(json);
}

static void on_gone(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)fd;
    fake->versions[((const struct ipc_profile *)payload)->id] = 0;
}

static void on_rules(void *owner, const void *payload, int fd)
{
    struct fake *fake = owner;

    (void)payload;
    close(fd);
    fake->rules++;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_PROFILE] = on_profile, [IPC_PROFILE_GONE] = on_gone, [IPC_RULES] = on_rules
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

/* ---- dispatch: the versions that deliveries would name ---- */

static uint64_t dispatched[IDS];
static unsigned rules_changes;

int dispatch_set_profile(struct dispatch *dispatch, const struct profile *profile,
                         const struct cursor *saved)
{
    (void)dispatch;
    (void)saved;
    dispatched[profile->id] = profile->version;
    return 0;
}

void dispatch_rules_changed(struct dispatch *dispatch)
{
    (void)dispatch;
    rules_changes++;
}

void dispatch_drop_profile(struct dispatch *dispatch, uint32_t profile)
{
    (void)dispatch;
    dispatched[profile] = 0;
}

/* ---- the stage ---- */

static void add_worker(unsigned slot)
{
    struct worker *worker = workers_add(&workers, slot);
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    worker->channel = channel_new(loop, ends[0], IPC_MASTER, from_worker, on_end, worker);
    worker->state = WORKER_RUNNING;
    fakes[slot].channel = channel_new(loop, ends[1], IPC_WORKER, from_master, on_end, &fakes[slot]);
}

static void set_up(void)
{
    start_registry();
    workers.wanted = 2;
    pusher = pusher_new(registry, &workers, NULL, NULL);
    add_worker(0);
    add_worker(1);
}

static void tear_down(void)
{
    for (unsigned slot = 0; slot < WORKERS; slot++) {
        worker_free(&workers.slots[slot]);
        channel_free(&fakes[slot].channel);
    }
    stop_registry(); /* whatever it still tells finds nobody */
    pusher_free(&pusher);
}

TestSuite(pusher, .init = set_up, .fini = tear_down, .timeout = 60);

static uint32_t have_pooled(unsigned size)
{
    return have_profile(json_of("{'name': 'a', 'type': 'smtp', 'servers': ['10.0.0.1'], 'pool': "
                                "{'enabled': true, 'size': %u}}",
                                size));
}

Test(pusher, SP54_every_worker_gets_each_version_and_dispatch_after_them)
{
    uint32_t id = have_pooled(21);

    for (unsigned round = 0; round < 2; round++) {
        const struct profile *profile = registry_profile(registry, id);

        TURN_UNTIL(fakes[0].versions[id] == profile->version &&
                   fakes[1].versions[id] == profile->version);
        cr_assert_eq(dispatched[id], profile->version);
        (void)have_pooled(40);
    }
    cr_assert_eq(fakes[2].profiles, 0, "there is none in that slot");
}

/* One memory for all: each reads the whole of it. */
Test(pusher, SP60_every_worker_gets_the_secret)
{
    uint32_t id = have_profile(json_of("{'name': 'c', 'type': 'core', 'servers': ['1.1.1.1'], "
                                       "'api_key': 'the-key'}"));

    TURN_UNTIL(fakes[0].versions[id] != 0 && fakes[1].versions[id] != 0);
    cr_assert_str_eq(fakes[0].secrets[id], "the-key");
    cr_assert_str_eq(fakes[1].secrets[id], "the-key");
}

Test(pusher, SP53_what_is_deleted_is_taken_away)
{
    uint32_t id = have_smtp("a");

    TURN_UNTIL(fakes[0].versions[id] != 0 && fakes[1].versions[id] != 0);
    EXPECT(delete_profile(id, 0), REGISTRY_OK);
    TURN_UNTIL(fakes[0].versions[id] == 0 && fakes[1].versions[id] == 0);
    cr_assert_eq(dispatched[id], 0);
}

Test(pusher, SP54_rules_go_to_everybody_too)
{
    have_smtp("a");
    have_rule("r", "a");
    TURN_UNTIL(fakes[0].rules == 1 && fakes[1].rules == 1);
    cr_assert_eq(rules_changes, 1u, "dispatch hears of them, too");
}

/* ---- a worker that comes up while an import is being told ---- */

#define MANY 100

static void be_slow(uint32_t profile, bool gone, void *arg)
{
    int64_t began_us = clock_mono_us();

    (void)profile;
    (void)gone;
    (void)arg;
    while (clock_mono_us() - began_us < 1000)
        ;
}

static struct registry_import *many(void)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < MANY; i++)
        json_array_append_new(
            list, json_of("{'name': 'p%u', 'type': 'smtp', 'servers': ['1.1.1.1']}", i));
    return check_import(json_pack("{so}", "profiles", list)).import;
}

static unsigned count_dispatched(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < IDS; i++)
        count += dispatched[i] != 0;
    return count;
}

Test(pusher, OP07_a_delivery_names_no_version_that_a_new_worker_has_not)
{
    struct told told = { 0 };

    registry_watch(registry, be_slow, NULL);
    registry_import_store(registry, many(), "not tested", &actor, on_told, &told);
    TURN_UNTIL(count_dispatched() > 0);
    cr_assert_lt(count_dispatched(), MANY, "it is still being told");
    add_worker(2);
    workers.slots[2]->state = WORKER_STARTING;
    cr_assert_eq(pusher_push_all(pusher, workers.slots[2]), 0);
    for (size_t i = 0; i < registry_profile_count(registry); i++) {
        const struct profile *profile = registry_profile_at(registry, i);

        cr_assert_eq(dispatched[profile->id], profile->version);
    }
    cr_assert(told.is_there, "so that nothing more of it comes");
    TURN_UNTIL(fakes[2].rules == 1);
    cr_assert_eq(fakes[2].profiles, MANY);
    for (unsigned i = 0; i < IDS; i++)
        cr_assert_eq(fakes[2].versions[i], dispatched[i]);
}
