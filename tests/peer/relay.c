/* What travels lies in one queue, as all of it takes the same time: the first to leave is the first
 * to arrive, and one timer of the kernel's, exact to less than a millisecond, is set for it. */
#include "relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

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

static struct relay {
    struct loop *loop;
    uint16_t target;
    int64_t delay_us;
    int clock_fd;
    struct loop_watch *clock;
    struct parcels travelling, connecting; /* connecting ones take longer, and have a queue */
    struct relay_figures figures;
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
    relay.figures.open--;
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
            relay.figures.octets[who] += (unsigned long)count;
            relay.figures.round_trips += who == TARGET && line->last_spoke == CLIENT;
            line->last_spoke = who;
            (void)send_off(end, IS_OCTETS, bytes, (size_t)count);
        } else if (count == 0 || errno != EAGAIN) {
            end->has_ended = true;
            relay.figures.refused += count < 0 && errno == ECONNREFUSED;
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

void relay_take(int fd)
{
    struct line *line = calloc(1, sizeof(*line));

    if (line == NULL)
        abort();
    for (unsigned i = 0; i < 2; i++) {
        line->ends[i] = (struct end){ .line = line, .fd = -1 };
        TAILQ_INIT(&line->ends[i].arrived);
    }
    line->last_spoke = TARGET;
    relay.figures.accepted++;
    if (++relay.figures.open > relay.figures.most_open)
        relay.figures.most_open = relay.figures.open;
    watch_fd(&line->ends[CLIENT], fd);
    (void)send_off(&line->ends[CLIENT], IS_CONNECT, NULL, 0);
}

void relay_begin(struct loop *loop, uint16_t target, unsigned delay_ms)
{
    relay.loop = loop;
    relay.target = target;
    relay.delay_us = delay_ms * INT64_C(1000);
    TAILQ_INIT(&relay.travelling);
    TAILQ_INIT(&relay.connecting);
    relay.clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    relay.clock = loop_watch_new(loop, relay.clock_fd, on_clock, NULL);
    if (relay.clock_fd < 0 || relay.clock == NULL)
        abort();
    loop_watch_set(relay.clock, LOOP_READ);
}

const struct relay_figures *relay_figures(void)
{
    return &relay.figures;
}
