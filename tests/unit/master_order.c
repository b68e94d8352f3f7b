/* Orders against real state files, through the real I/O thread; workers are channel ends. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cell.h"
#include "common/channel.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/profile.h"
#include "common/spool_format.h"
#include "common/spool_path.h"
#include "master/cells.h"
#include "master/dispatch.h"
#include "master/group.h"
#include "master/io_thread.h"
#include "master/queue_order.h"
#include "master/segments.h"
#include "master/worker.h"

enum { INCARNATION = 77, SEGMENT = 5 };

static char dir[64];
static struct loop *loop;
static struct io_thread *io;
static struct workers workers;
static struct segments *segments;
static struct queue *queue;
static struct cells *cells;
static struct dispatch *dispatch;
static struct queue_orders *orders;
static struct channel *end;
static struct ipc_mail_deliver job;
static unsigned jobs, cancels;

static void on_deliver(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)fd;
    job = *(const struct ipc_mail_deliver *)payload;
    jobs++;
}

static void on_cancel(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
    cancels++;
}

static void on_credit(void *owner, const void *payload, int fd)
{
    (void)owner;
    (void)payload;
    (void)fd;
}

static void on_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static channel_handler *const from_master[IPC_KIND_COUNT] = {
    [IPC_MAIL_DELIVER] = on_deliver, [IPC_MAIL_CANCEL] = on_cancel, [IPC_CREDIT] = on_credit
};
static channel_handler *const from_worker[IPC_KIND_COUNT];

/* ---- a spool of one segment ---- */

static void make_spool(void)
{
    struct spool_header header = { .kind = SPOOL_SHARED,
                                   .number = SEGMENT,
                                   .incarnation = INCARNATION,
                                   .bytes = SPOOL_BLOCK,
                                   .cells = 8 };
    unsigned char block[SPOOL_BLOCK] = { 0 };
    char path[128];
    int fd;

    strcpy(dir, "/tmp/postern-order-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/0", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    spool_header_seal(&header);
    memcpy(block, &header, sizeof(header));
    fd = spool_open(dir, 0, SEGMENT, SPOOL_FILE_SEGMENT, O_RDWR | O_CREAT);
    cr_assert_eq(write(fd, block, sizeof(block)), SPOOL_BLOCK);
    close(fd);
    fd = spool_open(dir, 0, SEGMENT, SPOOL_FILE_STATE, O_RDWR | O_CREAT);
    cr_assert_eq(ftruncate(fd, 8 * CELL_BYTES), 0);
    close(fd);
}

static struct cell_key key_of(uint64_t id, unsigned group)
{
    return (struct cell_key){ .incarnation = INCARNATION, .id = id, .group = group };
}

static struct cell cell_on_disk(uint64_t id, unsigned group)
{
    const struct cell_key key = key_of(id, group);
    int fd = spool_open(dir, 0, SEGMENT, SPOOL_FILE_STATE, O_RDONLY);
    struct cell cell;
    uint16_t sequence;

    cr_assert_eq(cell_read(fd, group, &key, &cell, &sequence), 0);
    close(fd);
    return cell;
}

static void put_cell(uint64_t id, unsigned group, const struct cell *cell)
{
    const struct cell_key key = key_of(id, group);
    int fd = spool_open(dir, 0, SEGMENT, SPOOL_FILE_STATE, O_RDWR);
    uint16_t sequence = 0;

    cr_assert_eq(cell_write(fd, group, &key, cell, &sequence), 0);
    close(fd);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void set_up(void)
{
    struct worker *worker = workers_add(&workers, 0);
    int fds[2];

    make_spool();
    loop = workers.loop = loop_new();
    io = io_thread_new(loop);
    segments = segments_new(&workers);
    queue = queue_new(loop, segments);
    cells = cells_new(io, dir);
    dispatch = dispatch_new(loop, queue, &workers, cells);
    orders = queue_orders_new(loop, queue, cells, dispatch);
    cr_assert_not_null(orders);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    worker->channel = channel_new(loop, fds[0], IPC_MASTER, from_worker, on_end, worker);
    worker->state = WORKER_RUNNING;
    end = channel_new(loop, fds[1], IPC_WORKER, from_master, on_end, NULL);
}

static void tear_down(void)
{
    io_thread_free(&io);
    queue_orders_free(&orders);
    dispatch_free(&dispatch);
    queue_free(&queue);
    cells_free(&cells);
    worker_free(&workers.slots[0]);
    channel_free(&end);
    segments_free(&segments);
    loop_free(loop);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(order, .init = set_up, .fini = tear_down, .timeout = 60);

static void add(uint64_t id, unsigned group, unsigned flags)
{
    const struct ipc_mail_queued mail = {
        .place = { .id = id, .group = (uint16_t)group, .cell = group, .segment = SEGMENT },
        .profile = 1,
        .rule = 1,
        .recipients = 1,
        .flags = (uint16_t)flags
    };

    cr_assert_eq(queue_add(queue, &mail), 0);
}

static void open_profile(uint32_t id)
{
    struct server_uri server = { .text = "smtp://a:25" };
    const struct profile profile = { .id = id,
                                     .version = 1,
                                     .type = PROFILE_SMTP,
                                     .servers = &server,
                                     .server_count = 1,
                                     .max_in_flight = 10 };

    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
}

static struct queue_order_answer answer;
static unsigned answers;

static void on_answer(const struct queue_order_answer *given, void *arg)
{
    (void)arg;
    answer = *given;
    answers++;
}

static void turn_until(const unsigned *counter, unsigned value)
{
    int64_t until_ms = clock_mono_ms() + 20000;

    while (*counter < value && clock_mono_ms() < until_ms)
        loop_turn(loop, 10);
    cr_assert_eq(*counter, value);
}

static enum queue_order_result give(enum queue_verb verb, uint64_t id, int group, uint32_t profile)
{
    const struct queue_order order = { .verb = verb, .id = id, .group = group, .profile = profile };
    unsigned before = answers;

    queue_order(orders, &order, on_answer, NULL);
    cr_assert_eq(answers, before, "never from inside the call");
    turn_until(&answers, before + 1);
    return answer.result;
}

static int state_of(uint64_t id, unsigned group)
{
    const struct group *found = queue_group(queue, id, group);

    return found != NULL ? (int)found->state : -1;
}

/* ---- each verb, in memory and on disk ---- */

Test(order, MQ06_hold_and_release)
{
    add(9, 0, 0);
    cr_assert_eq(give(QUEUE_HOLD, 9, -1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(answer.done_count, 1);
    cr_assert_eq(state_of(9, 0), QUEUE_HELD);
    cr_assert(cell_on_disk(9, 0).flags & CELL_HELD);
    cr_assert_eq(give(QUEUE_RELEASE, 9, -1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(state_of(9, 0), QUEUE_READY);
    cr_assert_eq(cell_on_disk(9, 0).flags, 0);
    cr_assert(queue_group(queue, 9, 0)->is_touched, "another copy's cell does not say so");
}

Test(order, MQ09_release_forgets_the_deaths)
{
    const struct cell poisoned = { .flags = CELL_HELD, .crashes = 2 };

    put_cell(9, 0, &poisoned);
    add(9, 0, IPC_QUEUED_RECOVERED | IPC_QUEUED_HELD);
    queue_group(queue, 9, 0)->crashes = 2;
    cr_assert_eq(give(QUEUE_RELEASE, 9, 0, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(cell_on_disk(9, 0).crashes, 0);
    cr_assert_eq(queue_group(queue, 9, 0)->crashes, 0);
}

Test(order, MQ06_delete_is_final)
{
    add(9, 0, 0);
    cr_assert_eq(give(QUEUE_DELETE, 9, -1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(state_of(9, 0), -1);
    cr_assert_eq(cell_on_disk(9, 0).stage, CELL_DELETED);
    cr_assert_eq(segments_pins(segments, 0, SEGMENT), 0);
}

Test(order, MQ06_retry_of_what_waits)
{
    const struct cell deferred = { .attempts = 3, .next_attempt_s = UINT32_MAX };

    put_cell(9, 0, &deferred);
    add(9, 0, 0);
    queue_group(queue, 9, 0)->attempts = 3;
    queue_set_waiting(queue, queue_group(queue, 9, 0), UINT32_MAX);
    cr_assert_eq(give(QUEUE_RETRY, 9, -1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(state_of(9, 0), QUEUE_READY);
    cr_assert_eq(cell_on_disk(9, 0).attempts, 3);
    cr_assert_leq(cell_on_disk(9, 0).next_attempt_s, clock_to_epoch_s(clock_wall_ms()));
}

Test(order, MQ06_retry_opens_what_failed)
{
    struct cell failed = { .stage = CELL_FAILED, .attempts = 1 };

    cell_recipient_set(&failed, 0, CELL_RCPT_DELIVERED);
    cell_recipient_set(&failed, 1, CELL_RCPT_REFUSED);
    cell_recipient_set(&failed, 2, CELL_RCPT_EXPIRED);
    put_cell(9, 0, &failed);
    add(9, 0, IPC_QUEUED_RECOVERED | IPC_QUEUED_FAILED);
    cr_assert_eq(give(QUEUE_RETRY, 9, -1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(state_of(9, 0), QUEUE_READY);
    failed = cell_on_disk(9, 0);
    cr_assert_eq(failed.stage, CELL_OPEN);
    cr_assert_eq(cell_recipient_get(&failed, 0), CELL_RCPT_DELIVERED, "never twice");
    cr_assert_eq(cell_recipient_get(&failed, 1), CELL_RCPT_OPEN);
    cr_assert_eq(cell_recipient_get(&failed, 2), CELL_RCPT_OPEN);
}

Test(order, MQ06_reroute)
{
    add(9, 0, 0);
    cr_assert_eq(give(QUEUE_REROUTE, 9, -1, 4), QUEUE_ORDER_DONE);
    cr_assert_eq(cell_on_disk(9, 0).profile, 4);
    cr_assert_eq(queue_mail_count(4, 0, queue), 1);
    cr_assert_eq(queue_mail_count(1, 0, queue), 0);
    cr_assert_eq(state_of(9, 0), QUEUE_READY);
}

Test(order, MQ06_all_groups_or_one)
{
    add(9, 0, 0);
    add(9, 1, 0);
    add(9, 2, 0);
    cr_assert_eq(give(QUEUE_DELETE, 9, 1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(state_of(9, 1), -1);
    cr_assert_eq(give(QUEUE_HOLD, 9, -1, 0), QUEUE_ORDER_DONE);
    cr_assert_eq(answer.done_count, 2);
    cr_assert_eq(state_of(9, 0), QUEUE_HELD);
    cr_assert_eq(state_of(9, 2), QUEUE_HELD);
}

/* ---- what is refused ---- */

Test(order, MQ06_what_is_not_there)
{
    cr_assert_eq(give(QUEUE_HOLD, 9, -1, 0), QUEUE_NOT_FOUND);
    cr_assert_eq(give(QUEUE_HOLD, 9, 70000, 0), QUEUE_NOT_FOUND);
}

static const struct {
    enum queue_verb verb;
    unsigned flags;
} impossible[] = {
    { QUEUE_RELEASE, 0 },
    { QUEUE_RETRY, IPC_QUEUED_HELD },
    { QUEUE_HOLD, IPC_QUEUED_FAILED },
};

Test(order, MQ06_what_its_state_forbids)
{
    for (unsigned i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        int before;

        add(20 + i, i, impossible[i].flags);
        before = state_of(20 + i, i);
        cr_assert_eq(give(impossible[i].verb, 20 + i, -1, 0), QUEUE_NOT_IN_STATE, "%u", i);
        cr_assert_eq(answer.done_count, 0);
        cr_assert_eq(state_of(20 + i, i), before);
    }
}

Test(order, a_disk_that_fails_changes_nothing)
{
    char path[128], name[SPOOL_NAME_SIZE];

    add(9, 0, 0);
    snprintf(path, sizeof(path), "%s/0/%s", dir, spool_name(SEGMENT, SPOOL_FILE_STATE, name));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(give(QUEUE_HOLD, 9, -1, 0), QUEUE_DISK);
    cr_assert_eq(answer.err, -ENOENT);
    cr_assert_eq(state_of(9, 0), QUEUE_READY);
}

Test(order, two_at_once_about_one_message)
{
    const struct queue_order hold = { .verb = QUEUE_HOLD, .id = 9, .group = -1 };

    add(9, 0, 0);
    queue_order(orders, &hold, on_answer, NULL);
    queue_order(orders, &hold, on_answer, NULL);
    turn_until(&answers, 2);
    cr_assert_eq(state_of(9, 0), QUEUE_HELD);
}

/* ---- what is out ---- */

static void send_out(uint64_t id)
{
    unsigned before = jobs;

    open_profile(1);
    add(id, 0, 0);
    turn_until(&jobs, before + 1);
    cr_assert_eq(state_of(id, 0), QUEUE_OUT);
}

static void bring_back(enum ipc_outcome outcome)
{
    const struct ipc_mail_outcome said = { .place = job.place,
                                           .job = job.job,
                                           .outcome = (uint16_t)outcome,
                                           .served = -1,
                                           .recipients = 1 };

    cr_assert_eq(dispatch_outcome(dispatch, workers.slots[0], &said), 0);
}

Test(order, MQ06_what_is_out_is_asked_back)
{
    const struct queue_order hold = { .verb = QUEUE_HOLD, .id = 9, .group = -1 };

    send_out(9);
    queue_order(orders, &hold, on_answer, NULL);
    turn_until(&cancels, 1);
    cr_assert_eq(answers, 0);
    bring_back(IPC_OUTCOME_NO_ROOM);
    turn_until(&answers, 1);
    cr_assert_eq(answer.result, QUEUE_ORDER_DONE);
    cr_assert_eq(state_of(9, 0), QUEUE_HELD);
    cr_assert(cell_on_disk(9, 0).flags & CELL_HELD);
}

Test(order, MQ06_what_was_delivered_meanwhile_is_too_late)
{
    const struct queue_order delete = { .verb = QUEUE_DELETE, .id = 9, .group = -1 };

    send_out(9);
    queue_order(orders, &delete, on_answer, NULL);
    turn_until(&cancels, 1);
    bring_back(IPC_OUTCOME_DONE);
    turn_until(&answers, 1);
    cr_assert_eq(answer.result, QUEUE_TOO_LATE);
    cr_assert_eq(answer.done_count, 0);
}

Test(order, MQ06_retry_of_what_is_out_is_too_late)
{
    send_out(9);
    cr_assert_eq(give(QUEUE_RETRY, 9, -1, 0), QUEUE_TOO_LATE);
    cr_assert_eq(cancels, 0);
}

Test(order, MQ06_what_is_not_given_back_in_time_is_too_late)
{
    send_out(9);
    cr_assert_eq(give(QUEUE_HOLD, 9, -1, 0), QUEUE_TOO_LATE);
    cr_assert_eq(state_of(9, 0), QUEUE_OUT);
    cr_assert_eq(give(QUEUE_RETRY, 9, -1, 0), QUEUE_TOO_LATE, "asked for no longer");
}

Test(order, stopped_answers_what_waits)
{
    const struct queue_order hold = { .verb = QUEUE_HOLD, .id = 9, .group = -1 };

    send_out(9);
    queue_order(orders, &hold, on_answer, NULL);
    queue_orders_stop(orders);
    cr_assert_eq(answers, 1);
    cr_assert_eq(answer.result, QUEUE_BUSY);
    cr_assert_eq(give(QUEUE_HOLD, 9, -1, 0), QUEUE_BUSY);
}
