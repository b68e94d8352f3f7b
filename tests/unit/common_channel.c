/* The channel against itself and against a peer that breaks its rules. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/loop.h"
#include "common/memfd.h"

struct end {
    struct channel *channel;
    unsigned outcomes, configures, last_recipients, ends;
    int err, fd;
    struct channel **free_on_outcome;
};

static void on_outcome(void *owner, const void *payload, int fd)
{
    struct end *end = owner;
    const struct ipc_mail_outcome *outcome = payload;

    (void)fd;
    cr_assert_eq(outcome->recipients, end->last_recipients++);
    end->outcomes++;
    if (end->free_on_outcome != NULL)
        channel_free(end->free_on_outcome);
}

static void on_configure(void *owner, const void *payload, int fd)
{
    struct end *end = owner;

    (void)payload;
    end->configures++;
    end->fd = fd;
}

static void on_end(void *owner, int err)
{
    struct end *end = owner;

    end->ends++;
    end->err = err;
}

static channel_handler *const at_master[IPC_KIND_COUNT] = { [IPC_MAIL_OUTCOME] = on_outcome };
static channel_handler *const at_worker[IPC_KIND_COUNT] = { [IPC_CONFIGURE] = on_configure };

static struct loop *loop;
static struct end master, worker;
static int raw[2];

static void open_pair(bool both)
{
    loop = loop_new();
    master = worker = (struct end){ .fd = -1 };
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, raw), 0);
    master.channel = channel_new(loop, raw[0], IPC_MASTER, at_master, on_end, &master);
    if (both)
        worker.channel = channel_new(loop, raw[1], IPC_WORKER, at_worker, on_end, &worker);
}

static void close_pair(void)
{
    channel_free(&master.channel);
    channel_free(&worker.channel);
    loop_free(loop);
}

static void turn_until(const unsigned *value, unsigned wanted)
{
    for (unsigned i = 0; i < 2000 && *value < wanted; i++)
        loop_turn(loop, 10);
    cr_assert_eq(*value, wanted);
}

static void send_outcomes(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct ipc_mail_outcome outcome = { .recipients = i };

        channel_send(worker.channel, IPC_MAIL_OUTCOME, &outcome);
    }
}

Test(channel, many_events_arrive_in_order_and_share_frames)
{
    open_pair(true);
    send_outcomes(100000);
    turn_until(&master.outcomes, 100000);
    cr_assert_eq(master.ends, 0u);
    close_pair();
}

Test(channel, a_descriptor_travels)
{
    struct ipc_configure configure = { .slot = 3 };
    char *data;
    size_t bytes;

    open_pair(true);
    channel_send_fd(master.channel, IPC_CONFIGURE, &configure, memfd_seal("conf", "abc", 3));
    turn_until(&worker.configures, 1);
    cr_assert_eq(memfd_read(worker.fd, &data, &bytes), 0);
    cr_assert_str_eq(data, "abc");
    free(data);
    close(worker.fd);
    close_pair();
}

Test(channel, what_was_sent_before_death_is_read_then_the_end_is_told_once)
{
    open_pair(true);
    send_outcomes(1000);
    channel_free(&worker.channel);
    turn_until(&master.ends, 1);
    cr_assert_eq(master.outcomes, 1000u);
    cr_assert_eq(master.err, 0);
    close_pair();
}

Test(channel, may_be_freed_by_a_handler)
{
    open_pair(true);
    master.free_on_outcome = &master.channel;
    send_outcomes(10);
    turn_until(&master.outcomes, 1);
    cr_assert_null(master.channel);
    close_pair();
}

Test(channel, kinds_of_one_turn_share_a_packet)
{
    const struct ipc_credit credit = { .queued = 7 }; /* 4 bytes: the next frame is padded to */
    struct ipc_mail_deliver deliver = { .job = 9 };
    unsigned char packet[4096];
    const struct ipc_mail_deliver *got;
    ssize_t bytes;

    open_pair(false);
    channel_send(master.channel, IPC_CREDIT, &credit);
    channel_send(master.channel, IPC_MAIL_DELIVER, &deliver);
    deliver.job = 10;
    channel_send(master.channel, IPC_MAIL_DELIVER, &deliver);
    loop_turn(loop, 0);
    channel_flush(master.channel);
    bytes = recv(raw[1], packet, sizeof(packet), MSG_DONTWAIT);
    cr_assert_eq(bytes, 16 + 8 + 2 * (ssize_t)sizeof(deliver));
    got = (const void *)(packet + 16 + 8);
    cr_assert_eq(got[0].job, 9u);
    cr_assert_eq(got[1].job, 10u);
    cr_assert_eq(recv(raw[1], packet, sizeof(packet), MSG_DONTWAIT), -1);
    close(raw[1]);
    close_pair();
}

/* A frame of `count` outcomes at `at`; returns where the next one begins. */
static size_t put_outcomes(unsigned char *packet, size_t at, uint16_t count, uint32_t first)
{
    const uint16_t head[4] = { IPC_MAIL_OUTCOME, count, 0, 0 };
    struct ipc_mail_outcome outcome = { .recipients = first };

    memcpy(packet + at, head, sizeof(head));
    at += sizeof(head);
    for (uint16_t i = 0; i < count; i++, outcome.recipients++, at += sizeof(outcome))
        memcpy(packet + at, &outcome, sizeof(outcome));
    return at;
}

Test(channel, all_frames_of_all_packets_are_handed_out)
{
    unsigned char packet[4096];

    open_pair(false);
    for (uint32_t i = 0; i < 20; i++) {
        size_t bytes = put_outcomes(packet, 0, 2, 5 * i);

        bytes = put_outcomes(packet, bytes, 3, 5 * i + 2);
        cr_assert_eq(send(raw[1], packet, bytes, 0), (ssize_t)bytes);
    }
    turn_until(&master.outcomes, 100);
    cr_assert_eq(master.ends, 0u);
    close(raw[1]);
    close_pair();
}

Test(channel, nothing_of_a_packet_with_a_faulty_frame_is_believed)
{
    unsigned char packet[4096] = { 0 };
    size_t bytes = put_outcomes(packet, 0, 2, 0);

    open_pair(false);
    cr_assert_eq(send(raw[1], packet, bytes, 0), (ssize_t)bytes);
    bytes = put_outcomes(packet, 0, 2, 2);
    cr_assert_eq(send(raw[1], packet, bytes + 8, 0), (ssize_t)bytes + 8); /* count 0 */
    cr_assert_eq(send(raw[1], packet, bytes, 0), (ssize_t)bytes);
    turn_until(&master.ends, 1);
    cr_assert_eq(master.outcomes, 2u);
    cr_assert_eq(master.err, -EBADMSG);
    close(raw[1]);
    close_pair();
}

struct broken {
    const char *what;
    uint16_t kind, count;
    size_t bytes;
    bool with_fd;
};

static const struct broken broken_frames[] = {
    { "unknown kind", IPC_KIND_COUNT, 1, 8, false },
    { "huge kind", 65535, 1, 8, false },
    { "wrong direction", IPC_CONFIGURE, 1, sizeof(struct ipc_configure), true },
    { "no handler", IPC_HEARTBEAT, 1, sizeof(struct ipc_heartbeat), false },
    { "short", IPC_MAIL_OUTCOME, 1, sizeof(struct ipc_mail_outcome) - 1, false },
    { "long", IPC_MAIL_OUTCOME, 1, sizeof(struct ipc_mail_outcome) + 1, false },
    { "count too high", IPC_MAIL_OUTCOME, 2, sizeof(struct ipc_mail_outcome), false },
    { "count zero", IPC_MAIL_OUTCOME, 0, 0, false },
    { "unwanted descriptor", IPC_MAIL_OUTCOME, 1, sizeof(struct ipc_mail_outcome), true },
};

static void send_raw(const struct broken *b)
{
    unsigned char frame[4096] = { 0 };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec part = { frame, 8 + b->bytes };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    memcpy(frame, &b->kind, 2);
    memcpy(frame + 2, &b->count, 2);
    if (b->with_fd) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
    }
    cr_assert_geq(sendmsg(raw[1], &message, 0), 0);
    close(fd);
}

Test(channel, a_faulty_peer_ends)
{
    for (unsigned i = 0; i < sizeof(broken_frames) / sizeof(broken_frames[0]); i++) {
        open_pair(false);
        send_raw(&broken_frames[i]);
        for (unsigned k = 0; k < 100 && master.ends == 0; k++)
            loop_turn(loop, 10);
        cr_assert_eq(master.ends, 1u, "%s", broken_frames[i].what);
        cr_assert_eq(master.err, -EBADMSG, "%s", broken_frames[i].what);
        cr_assert_eq(master.outcomes, 0u);
        close(raw[1]);
        close_pair();
    }
}

Test(channel, a_peer_that_never_reads_is_bounded)
{
    unsigned long sent = 0;

    open_pair(false);
    while (master.ends == 0 && sent < 10000000) {
        struct ipc_mail_deliver deliver = { .job = sent };

        for (unsigned i = 0; i < 1000; i++, sent++)
            channel_send(master.channel, IPC_MAIL_DELIVER, &deliver);
        loop_turn(loop, 1);
    }
    cr_assert_eq(master.err, -ENOBUFS);
    close(raw[1]);
    close_pair();
}
