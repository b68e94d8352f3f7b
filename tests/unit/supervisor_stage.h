/* tests/unit/supervisor_stage.h: the supervisor with real processes: the test's very program is
 * also the worker. When it finds itself started with a channel at IPC_CHANNEL_FD it plays one, as
 * POSTERN_HOOK_FAKE says, instead of running tests. Included once per test executable. */
#ifndef TESTS_UNIT_SUPERVISOR_STAGE_H
#define TESTS_UNIT_SUPERVISOR_STAGE_H

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/profile.h"
#include "master/cells.h"
#include "master/compactor.h"
#include "master/composer.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/listeners.h"
#include "master/prober.h"
#include "master/pusher.h"
#include "master/querier.h"
#include "master/segments.h"
#include "master/supervisor.h"
#include "master/tokens.h"
#include "master/worker.h"

/* ---- the fake worker ---- */

static struct fake {
    struct loop *loop;
    struct channel *channel;
    struct loop_timer *beat;
    unsigned slot;
    bool is_configured;
    int listeners[64];
    unsigned indexes[64];
    unsigned listener_count;
    unsigned left, to_leave; /* listeners: one with each heartbeat, if it is "accepting" */
} fake;

static inline bool is_role(const char *name)
{
    const char *text = getenv("POSTERN_HOOK_FAKE");

    return text != NULL && strcmp(text, name) == 0;
}

static inline void fake_beat(void *arg)
{
    const struct ipc_heartbeat beat = { .accepted = 1,
                                        .connections_in = is_role("busy"),
                                        .listeners_left = fake.left,
                                        .disk_hangs = is_role("hung disk") };

    (void)arg;
    fake.left += fake.left < fake.to_leave;
    channel_send(fake.channel, IPC_HEARTBEAT, &beat);
    if (!is_role("silent") && !is_role("hung disk"))
        loop_timer_set_ms(fake.beat, 50);
}

/* What no sane worker says, or says after such a thing. */
#define NONSENSE_ID 4000U

static inline void fake_find(uint64_t id, unsigned slot)
{
    const struct ipc_mail_queued found = {
        .place = { .id = id, .slot = (uint16_t)slot, .segment = 1 },
        .profile = 9,
        .flags = IPC_QUEUED_RECOVERED
    };

    channel_send(fake.channel, IPC_MAIL_QUEUED, &found);
    channel_flush(fake.channel);
}

static inline void fake_configure(void *owner, const void *payload, int fd)
{
    const struct ipc_configure *configure = payload;
    const struct ipc_rescanned scanned = { .slot = configure->slot };

    (void)owner;
    close(fd);
    fake.slot = configure->slot;
    fake.is_configured = true;
    if (configure->first == 0)
        return;
    if (is_role("lingering")) /* it says nothing more, hears nothing more, and does not end */
        shutdown(IPC_CHANNEL_FD, SHUT_RDWR);
    if (is_role("nonsense") && configure->slot == 0) {
        const struct ipc_rescanned wrong = { .slot = 200 };

        channel_send(fake.channel, IPC_RESCANNED, &wrong);
        fake_find(NONSENSE_ID, 0);
    }
    if (is_role("trespasser") && configure->slot == 0)
        fake_find(NONSENSE_ID, 1);
    channel_send(fake.channel, IPC_RESCANNED, &scanned);
    fake_beat(NULL);
}

/* Greets whoever comes with its slot and hangs up. */
static inline void fake_accept(int fd, unsigned what, void *arg)
{
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    char text[32];

    (void)what;
    (void)arg;
    if (peer < 0)
        return;
    (void)!write(peer, text, (size_t)snprintf(text, sizeof(text), "220 %u\r\n", fake.slot));
    close(peer);
}

static inline void fake_listener(void *owner, const void *payload, int fd)
{
    struct loop_watch *watch = loop_watch_new(fake.loop, fd, fake_accept, NULL);

    (void)owner;
    (void)payload;
    loop_watch_set(watch, LOOP_READ);
}

/* Rule 66 kills whoever delivers by it. */
#define RULE_OF_LAST_WORDS 77
#define LAST_WORDS         300U /* packets: more than are read in a turn */
#define LAST_WORDS_ID      5000U

static inline void fake_say_much_and_die(void)
{
    for (unsigned i = 0; i < LAST_WORDS; i++)
        fake_find(LAST_WORDS_ID + i, fake.slot);
    raise(SIGKILL);
}

static inline void fake_deliver(void *owner, const void *payload, int fd)
{
    const struct ipc_mail_deliver *deliver = payload;
    const struct ipc_mail_outcome outcome = {
        .place = deliver->place, .job = deliver->job, .outcome = IPC_OUTCOME_DONE, .served = 0
    };

    (void)owner;
    (void)fd;
    if (deliver->rule == 66)
        abort();
    if (deliver->rule == RULE_OF_LAST_WORDS)
        fake_say_much_and_die();
    if (is_role("silent"))
        return;
    channel_send(fake.channel, IPC_MAIL_OUTCOME, &outcome);
}

static unsigned fake_slot_to_scan;

static inline void fake_scanned(void *arg)
{
    const unsigned slot = fake_slot_to_scan;
    const struct ipc_rescanned scanned = { .slot = slot, .groups = 1 };

    (void)arg;
    fake_find(1000 + slot, slot);
    channel_send(fake.channel, IPC_RESCANNED, &scanned);
}

static inline void fake_rescan(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    fake_slot_to_scan = ((const struct ipc_rescan *)payload)->slot;
    if (is_role("slow"))
        loop_timer_set_ms(loop_timer_new(fake.loop, fake_scanned, NULL), 500);
    else
        fake_scanned(NULL);
}

static inline void fake_drained(void *arg)
{
    const struct ipc_empty nothing = { 0 };

    (void)arg;
    channel_send(fake.channel, IPC_DRAINED, &nothing);
}

static inline void fake_drain(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    if (is_role("slow"))
        loop_timer_set_ms(loop_timer_new(fake.loop, fake_drained, NULL), 500);
    else if (!is_role("stubborn"))
        fake_drained(NULL);
}

static inline void fake_ignore(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    if (fd >= 0)
        close(fd);
}

static inline void fake_end(void *owner, int err)
{
    (void)owner;
    (void)err;
    if (!is_role("lingering"))
        loop_stop(fake.loop);
}

/* What one was told before it said anything is meant for the one before it. */
static inline void fake_credit(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    if (!fake.is_configured)
        _exit(6);
}

#define BEARS_ID 6000U

/* A real one gives up when it is told anything before it was configured. */
static inline void fake_bears(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    if (!fake.is_configured)
        _exit(7);
    fake_find(BEARS_ID, fake.slot);
}

#define REUSED_ID 3000U /* and the segment's number */

static inline void fake_reuse(void *owner, const void *payload, int fd)
{
    const struct ipc_segment *segment = payload;

    (void)owner;
    (void)fd;
    fake_find(REUSED_ID + segment->segment, segment->slot);
}

static void fake_close(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    fake.to_leave++;
    if (!is_role("accepting"))
        fake.left++;
}

static channel_handler *const fake_handlers[IPC_KIND_COUNT] = {
    [IPC_CONFIGURE] = fake_configure,  [IPC_LISTENER] = fake_listener,
    [IPC_LISTENER_CLOSE] = fake_close, [IPC_PROFILE] = fake_ignore,
    [IPC_SLOTS] = fake_ignore,         [IPC_RULES] = fake_ignore,
    [IPC_CREDIT] = fake_credit,        [IPC_MAIL_DELIVER] = fake_deliver,
    [IPC_RESCAN] = fake_rescan,        [IPC_DRAIN] = fake_drain,
    [IPC_SEGMENT_GONE] = fake_ignore,  [IPC_SEGMENT_REUSE] = fake_reuse,
    [IPC_SERVER_BEARS] = fake_bears,
};

static const int masters_signals[] = { SIGTERM, SIGINT, SIGHUP };

static inline void check_inheritance(void)
{
    /* Standard descriptors and the channel, nothing else. */
    for (int fd = IPC_CHANNEL_FD + 1; fd < 256; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            _exit(3);
    }
    if (getenv("HOME") != NULL || getpgrp() != getpid())
        _exit(4);
    for (size_t i = 0; i < sizeof(masters_signals) / sizeof(masters_signals[0]); i++) {
        struct sigaction action;

        if (sigaction(masters_signals[i], NULL, &action) != 0 || action.sa_handler != SIG_IGN)
            _exit(5);
    }
}

__attribute__((constructor)) static void play_worker(void)
{
    int type = 0;
    socklen_t bytes = sizeof(type);
    struct ipc_worker_ready ready = { .version = IPC_VERSION, .pid = getpid() };

    if (getsockopt(IPC_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 ||
        type != SOCK_SEQPACKET)
        return;
    check_inheritance();
    if (is_role("crash"))
        raise(SIGKILL);
    if (is_role("old"))
        ready.version++;
    fake.loop = loop_new();
    fake.beat = loop_timer_new(fake.loop, fake_beat, NULL);
    fake.channel =
        channel_new(fake.loop, IPC_CHANNEL_FD, IPC_WORKER, fake_handlers, fake_end, NULL);
    if (!is_role("mute"))
        channel_send(fake.channel, IPC_WORKER_READY, &ready);
    loop_run(fake.loop);
    _exit(0);
}

/* ---- the master around the supervisor: no store, no disk ---- */

struct pusher *pusher_new(struct registry *registry, struct workers *workers,
                          struct dispatch *dispatch, struct tokens *tokens)
{
    (void)tokens;
    (void)registry;
    (void)workers;
    (void)dispatch;
    return NULL;
}

int pusher_push_all(struct pusher *pusher, struct worker *worker)
{
    (void)pusher;
    (void)worker;
    return 0;
}

int cells_run(struct cells *cells, struct cell_item *items, size_t count, cells_done_cb *done,
              void *arg)
{
    (void)cells;
    for (size_t i = 0; i < count; i++) {
        items[i].cell.crashes = items[i].change.crashes;
        items[i].cell.flags = items[i].change.set_flags;
    }
    done(items, count, arg);
    return 0;
}

static char dir[64];
static unsigned port;
static struct loop *loop;
static struct conf *conf, *second_conf;
static struct workers workers;
static struct supervisor_parts parts;
static struct supervisor *supervisor;
static bool is_started, is_stopped;

/* A port that stays ours: the socket is bound beside the listeners' and never listens. */
static inline unsigned reserve_port(void)
{
    const int on = 1;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
    return ntohs(at.sin_port);
}

static struct conf *make_conf(unsigned count)
{
    struct conf *made;
    struct reason why;
    char text[512];

    snprintf(text, sizeof(text),
             "workers = \"%u\"\nstate_dir = \"%s\"\ndrain_time = 0\n"
             "smtp { listen = {\"127.0.0.1:%u\"} }\n",
             count, dir, port);
    cr_assert_eq(conf_parse(text, "test", &made, &why), 0, "%s", why.text);
    return made;
}

static inline void note_started(void *arg)
{
    (void)arg;
    is_started = true;
}

static inline void note_stopped(void *arg)
{
    (void)arg;
    is_stopped = true;
}

static inline void start_program(const char *program, unsigned count, const char *fake_role)
{
    struct reason why = { "" };

    setenv("POSTERN_HOOK_FAKE", fake_role, 1);
    conf = make_conf(count);
    loop = workers.loop = loop_new();
    parts.workers = &workers;
    parts.segments = segments_new(&workers);
    parts.queue = queue_new(loop, parts.segments);
    parts.compactor = compactor_new(loop, parts.queue, parts.segments, &workers, NULL);
    parts.dispatch = dispatch_new(loop, parts.queue, &workers, NULL);
    parts.prober = prober_new(loop, &workers);
    parts.querier = querier_new(loop, &workers);
    parts.composer = composer_new(loop, &workers);
    parts.tokens = tokens_new(loop, &workers);
    cr_assert_eq(listeners_new(conf, &parts.listeners, &why), 0, "%s", why.text);
    cr_assert_eq(supervisor_new(loop, conf, program, STDERR_FILENO, &parts, &supervisor, &why), 0);
    cr_assert_eq(supervisor_start(supervisor, note_started, NULL, &why), 0, "%s", why.text);
}

static inline void start(unsigned count, const char *fake_role)
{
    char self[4096];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[bytes] = '\0';
    start_program(self, count, fake_role);
}

#define WAIT_FOR(condition)                                 \
    do {                                                    \
        int64_t until_ms_ = clock_mono_ms() + 10000;        \
        while (!(condition) && clock_mono_ms() < until_ms_) \
            loop_turn(loop, 20);                            \
        cr_assert(condition);                               \
    } while (0)

static inline void set_up(void)
{
    strcpy(dir, "/tmp/postern-supervisor-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    port = reserve_port();
}

static inline int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void tear_down(void)
{
    supervisor_free(&supervisor);
    listeners_free(&parts.listeners);
    prober_free(&parts.prober);
    querier_free(&parts.querier);
    composer_free(&parts.composer);
    tokens_free(&parts.tokens);
    dispatch_free(&parts.dispatch);
    queue_free(&parts.queue);
    compactor_free(&parts.compactor);
    segments_free(&parts.segments);
    loop_free(loop);
    conf_free(&conf);
    conf_free(&second_conf);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline unsigned running(void)
{
    unsigned count, wanted;

    workers_count(&workers, &count, &wanted);
    return count;
}

static inline uint64_t queued(void)
{
    return queue_mail_count(0, 0, parts.queue);
}

static inline void give_profile(void)
{
    struct server_uri server = { .text = "smtp://a:25" };
    const struct profile profile = { .id = 1,
                                     .version = 1,
                                     .type = PROFILE_SMTP,
                                     .servers = &server,
                                     .server_count = 1,
                                     .max_in_flight = 10 };

    cr_assert_eq(dispatch_set_profile(parts.dispatch, &profile, NULL), 0);
}

static inline void give_mail(uint64_t id, unsigned slot, uint32_t rule)
{
    const struct ipc_mail_queued mail = {
        .place = { .id = id, .slot = (uint16_t)slot, .segment = 1 }, .profile = 1, .rule = rule
    };

    give_profile();
    cr_assert_eq(dispatch_queued(parts.dispatch, workers.slots[slot], &mail), 0);
}

static inline void reload(unsigned count)
{
    struct conf *before = second_conf;
    struct reason why = { "" };

    second_conf = make_conf(count);
    cr_assert_eq(supervisor_reload(supervisor, second_conf, &why), 0, "%s", why.text);
    conf_free(&before);
}

/* ---- who comes to the listeners ---- */

static inline int dial(void)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0, "%s", strerror(errno));
    return fd;
}

/* The slot that greets, -1 while there is no greeting yet. */
static inline int greeting(int fd)
{
    char text[32] = "";
    unsigned slot;

    if (recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_PEEK) <= 0)
        return -1;
    cr_assert_eq(sscanf(text, "220 %u", &slot), 1);
    return (int)slot;
}

#endif
