/* delay_relay: a network that takes its time, between two programs on one machine.
 *
 *   delay_relay -t PORT [-p PORT] [-d MS] [-o REPORT]
 *
 * What comes to 127.0.0.1:PORT (-p, 0: a free one) goes on to 127.0.0.1:PORT (-t), and what comes
 * back comes back, each octet MS (20) after it was read, also FIN and RST. A connection begins at
 * the target three times MS after it was accepted here: as long as SYN, its answer and the ACK take
 * to cross. (The client itself sees it open at once, and RST where the target refuses.)
 *
 * The first line on standard output is the port. SIGUSR1: the report is written and "report" said;
 * SIGTERM: the report, and the end. It says connections (accepted, open, most_open, refused by the
 * target), octets each way and round_trips: how often the target spoke after the client had, summed
 * over all connections; opening one is not among them. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/loop.h"
#include "listener.h"
#include "program.h"

#define READ_BYTES   (64U << 10)
#define UNDERWAY_MAX (4U << 20) /* octets per direction: more are not read, as by a full window */
#define CONNECT_LEGS 3

struct line;

/* Something on its way. One delay for all: they arrive in the order in which they left. */
enum what { IS_CONNECT, IS_OCTETS, IS_FIN, IS_RST };

struct parcel {
    TAILQ_ENTRY(parcel) link; /* of all that travel; then of those that wait for room at the end */
    int64_t due_us;
    enum what what;
    struct line *line;
    unsigned to; /* end of the line */
    size_t octets, sent;
    char bytes[];
};

TAILQ_HEAD(parcels, parcel);

struct end {
    struct line *line;
    int fd; /* -1: not there (yet) */
    struct loop_watch *watch;
    struct parcels arrived;
    size_t underway; /* octets that were read here and have not been written at the other end */
    bool has_ended;  /* its FIN or RST was read */
};

enum { CLIENT, TARGET };

struct line {
    struct end ends[2];
    unsigned travelling; /* parcels */
    unsigned fins;       /* that were delivered */
    unsigned last_spoke;
    bool is_over; /* waits for what travels, to be freed */
};

static struct {
    uint16_t port, target;
    int64_t delay_us;
    const char *report_file;
    struct loop *loop;
    struct listener *listener;
    int clock_fd;
    struct loop_watch *clock;
    struct parcels travelling, connecting; /* connecting ones take longer, and have a queue */
    unsigned long accepted, refused, octets[2], round_trips;
    unsigned open, most_open;
} relay;

/* ---- the clock ---- */

static struct parcel *next_due(void)
{
    struct parcel *one = TAILQ_FIRST(&relay.travelling), *other = TAILQ_FIRST(&relay.connecting);

    if (one == NULL || other == NULL)
        return one != NULL ? one : other;
    return one->due_us <= other->due_us ? one : other;
}

static void set_clock(void)
{
    const struct parcel *next = next_due();
    struct itimerspec at = { 0 };

    if (next == NULL)
        return;
    at.it_value.tv_sec = next->due_us / 1000000;
    at.it_value.tv_nsec = next->due_us % 1000000 * 1000 + 1;
    if (timerfd_settime(relay.clock_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
        abort();
}

static struct parcel *send_off(struct end *from, enum what what, const char *bytes, size_t octets)
{
    struct parcel *parcel = malloc(sizeof(*parcel) + octets);
    struct parcels *queue = what == IS_CONNECT ? &relay.connecting : &relay.travelling;
    bool was_empty = next_due() == NULL;

    if (parcel == NULL)
        abort();
    *parcel = (struct parcel){ .what = what, .line = from->line, .octets = octets };
    parcel->to = from == &from->line->ends[CLIENT] ? TARGET : CLIENT;
    parcel->due_us = clock_mono_us() + relay.delay_us * (what == IS_CONNECT ? CONNECT_LEGS : 1);
    if (octets > 0)
        memcpy(parcel->bytes, bytes, octets);
    from->line->travelling++;
    from->underway += octets;
    TAILQ_INSERT_TAIL(queue, parcel, link);
    if (was_empty)
        set_clock();
    return parcel;
}

/* ---- a line ---- */

static void close_end(struct end *end)
{
    loop_watch_free(&end->watch);
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
}

static void let_go(struct parcel *parcel)
{
    parcel->line->travelling--;
    free(parcel);
}

static void end_line(struct line *line)
{
    struct parcel *parcel;

    if (line->is_over)
        return;
    line->is_over = true;
    relay.open--;
    for (unsigned i = 0; i < 2; i++) {
        close_end(&line->ends[i]);
        while ((parcel = TAILQ_FIRST(&line->ends[i].arrived)) != NULL) {
            TAILQ_REMOVE(&line->ends[i].arrived, parcel, link);
            let_go(parcel);
        }
    }
}

static void free_if_done(struct line *line)
{
    if (line->is_over && line->travelling == 0)
        free(line);
}

static void reset_end(struct end *end)
{
    struct linger at_once = { .l_onoff = 1 };

    if (end->fd >= 0)
        (void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* RST arrives here: there is no more of this line. */
static void break_line(struct end *end)
{
    reset_end(end);
    end_line(end->line);
}

static void watch_end(struct end *end)
{
    bool reads = !end->has_ended && end->underway < UNDERWAY_MAX;

    if (end->watch != NULL)
        loop_watch_set(end->watch,
                       (reads ? LOOP_READ : 0U) | (TAILQ_EMPTY(&end->arrived) ? 0U : LOOP_WRITE));
}

/* Writes what has arrived, as far as it goes. */
static void deliver_to(struct end *end)
{
    struct end *from = &end->line->ends[end == &end->line->ends[CLIENT] ? TARGET : CLIENT];
    struct parcel *parcel;

    while ((parcel = TAILQ_FIRST(&end->arrived)) != NULL) {
        if (parcel->what == IS_FIN) {
            (void)shutdown(end->fd, SHUT_WR);
            end->line->fins++;
        } else {
            ssize_t sent = send(end->fd, parcel->bytes + parcel->sent,
                                parcel->octets - parcel->sent, MSG_NOSIGNAL);

            if (sent < 0 && errno == EAGAIN)
                break;
            if (sent < 0) /* nobody is there any more: its RST is on its way back */
                sent = (ssize_t)(parcel->octets - parcel->sent);
            parcel->sent += (size_t)sent;
            from->underway -= (size_t)sent;
            if (parcel->sent < parcel->octets)
                break;
        }
        TAILQ_REMOVE(&end->arrived, parcel, link);
        let_go(parcel);
    }
    watch_end(end);
    watch_end(from);
    if (end->line->fins == 2)
        end_line(end->line);
}

static void on_end_ready(int fd, unsigned what, void *arg)
{
    static char bytes[READ_BYTES];
    struct end *end = arg;
    struct line *line = end->line;
    unsigned who = end == &line->ends[CLIENT] ? CLIENT : TARGET;

    if ((what & LOOP_READ) != 0 && !end->has_ended) {
        ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

        if (count > 0) {
            relay.octets[who] += (unsigned long)count;
            relay.round_trips += who == TARGET && line->last_spoke == CLIENT;
            line->last_spoke = who;
            (void)send_off(end, IS_OCTETS, bytes, (size_t)count);
        } else if (count == 0 || errno != EAGAIN) {
            end->has_ended = true;
            relay.refused += count < 0 && errno == ECONNREFUSED;
            (void)send_off(end, count == 0 ? IS_FIN : IS_RST, NULL, 0);
        }
    }
    deliver_to(end);
    free_if_done(line);
}

static void watch_fd(struct end *end, int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    end->fd = fd;
    end->watch = loop_watch_new(relay.loop, fd, on_end_ready, end);
    if (end->watch == NULL)
        abort();
    watch_end(end);
}

/* Whether it refuses is read from the socket later. */
static void connect_to_target(struct line *line)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(relay.target),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        abort();
    if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 && errno != EINPROGRESS &&
        errno != ECONNREFUSED)
        abort();
    watch_fd(&line->ends[TARGET], fd);
    deliver_to(&line->ends[TARGET]);
}

static void arrive(struct parcel *parcel)
{
    struct line *line = parcel->line;
    struct end *end = &line->ends[parcel->to];

    if (line->is_over || parcel->what == IS_CONNECT || parcel->what == IS_RST) {
        if (!line->is_over && parcel->what == IS_CONNECT)
            connect_to_target(line);
        else if (!line->is_over)
            break_line(end);
        let_go(parcel);
    } else {
        TAILQ_INSERT_TAIL(&end->arrived, parcel, link);
        if (end->fd >= 0)
            deliver_to(end);
    }
    free_if_done(line);
}

static void on_clock(int fd, unsigned what, void *arg)
{
    struct parcel *parcel;
    uint64_t times;

    (void)what;
    (void)arg;
    (void)!read(fd, &times, sizeof(times));
    while ((parcel = next_due()) != NULL && parcel->due_us <= clock_mono_us()) {
        TAILQ_REMOVE(parcel->what == IS_CONNECT ? &relay.connecting : &relay.travelling, parcel,
                     link);
        arrive(parcel);
    }
    set_clock();
}

static void on_connection(int fd, void *arg)
{
    struct line *line = calloc(1, sizeof(*line));

    (void)arg;
    if (line == NULL)
        abort();
    for (unsigned i = 0; i < 2; i++) {
        line->ends[i] = (struct end){ .line = line, .fd = -1 };
        TAILQ_INIT(&line->ends[i].arrived);
    }
    line->last_spoke = TARGET;
    relay.accepted++;
    if (++relay.open > relay.most_open)
        relay.most_open = relay.open;
    watch_fd(&line->ends[CLIENT], fd);
    (void)send_off(&line->ends[CLIENT], IS_CONNECT, NULL, 0);
}

/* ---- the program ---- */

static void write_report(void)
{
    AUTO(json) json_t *all = NULL;
    char beside[512];

    if (relay.report_file == NULL)
        return;
    all = json_pack("{s:{s:I, s:i, s:i, s:I}, s:{s:I, s:I}, s:I}", "connections", "accepted",
                    (json_int_t)relay.accepted, "open", (int)relay.open, "most_open",
                    (int)relay.most_open, "refused", (json_int_t)relay.refused, "octets",
                    "from_client", (json_int_t)relay.octets[CLIENT], "from_target",
                    (json_int_t)relay.octets[TARGET], "round_trips", (json_int_t)relay.round_trips);
    if (all == NULL || snprintf(beside, sizeof(beside), "%s.new", relay.report_file) >= 512 ||
        json_dump_file(all, beside, JSON_INDENT(1)) < 0 || rename(beside, relay.report_file) < 0)
        program_fail("cannot write %s", relay.report_file);
}

static void on_report(int number, void *arg)
{
    (void)number;
    (void)arg;
    write_report();
    program_answer("report");
}

static void on_term(int number, void *arg)
{
    (void)number;
    (void)arg;
    write_report();
    exit(0); /* nobody else needs to hear of it */
}

static void read_options(int argc, char **argv)
{
    int option;

    relay.delay_us = 20000;
    while ((option = getopt(argc, argv, "p:t:d:o:")) != -1) {
        switch (option) {
        case 'p': relay.port = program_port(optarg); break;
        case 't': relay.target = program_port(optarg); break;
        case 'd': relay.delay_us = strtol(optarg, NULL, 10) * 1000; break;
        case 'o': relay.report_file = optarg; break;
        default: exit(2);
        }
    }
    if (relay.target == 0 || optind != argc || relay.delay_us < 0)
        program_fail("-t PORT says where to");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    program_take_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    TAILQ_INIT(&relay.travelling);
    TAILQ_INIT(&relay.connecting);
    relay.loop = loop_new();
    relay.clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (relay.loop == NULL || relay.clock_fd < 0)
        abort();
    relay.clock = loop_watch_new(relay.loop, relay.clock_fd, on_clock, NULL);
    relay.listener = listener_new(relay.loop, relay.port, on_connection, NULL);
    if (relay.listener == NULL)
        program_fail("port %u: %s", relay.port, strerror(errno));
    if (relay.clock == NULL || loop_on_signal(relay.loop, SIGUSR1, on_report, NULL) < 0 ||
        loop_on_signal(relay.loop, SIGTERM, on_term, NULL) < 0)
        abort();
    loop_watch_set(relay.clock, LOOP_READ);
    listener_be(relay.listener, LISTENER_OPEN);
    program_answer("%u", listener_port(relay.listener));
    loop_run(relay.loop);
    return 0;
}
