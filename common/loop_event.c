/* What libevent watches for us: descriptors, signals, deadlines. Each callback passes loop_enter()
 * first, so that a turn is timed from its first one. */
#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/loop_private.h"
#include "common/oom.h"

struct loop_watch {
    struct loop *loop;
    struct event *event;
    loop_watch_cb *cb;
    void *arg;
    int fd;
    unsigned what;
};

struct loop_timer {
    struct loop *loop;
    struct event *event;
    loop_timer_cb *cb;
    void *arg;
    int64_t due_ms;   /* 0: not set */
    int64_t armed_ms; /* when the event will fire, 0: not armed; never later than due_ms */
};

/* ---- descriptors ---- */

static void on_event(int fd, short what, void *arg)
{
    struct loop_watch *watch = arg;
    unsigned ready = 0;

    if ((what & EV_READ) != 0)
        ready |= LOOP_READ;
    if ((what & EV_WRITE) != 0)
        ready |= LOOP_WRITE;
    loop_enter(watch->loop);
    watch->cb(fd, ready, watch->arg);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_watch_cb *cb, void *arg)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->fd = fd;
    watch->cb = cb;
    watch->arg = arg;
    watch->event = event_new(loop->base, fd, EV_PERSIST, on_event, watch);
    if (watch->event == NULL) {
        free(watch);
        return NULL;
    }
    return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned what)
{
    short events = EV_PERSIST;

    if (what == watch->what)
        return;
    if (watch->what != 0)
        (void)event_del(watch->event);
    watch->what = what;
    if (what == 0)
        return;
    if ((what & LOOP_READ) != 0)
        events |= EV_READ;
    if ((what & LOOP_WRITE) != 0)
        events |= EV_WRITE;
    (void)event_assign(watch->event, watch->loop->base, watch->fd, events, on_event, watch);
    if (event_add(watch->event, NULL) != 0)
        oom_exit("loop", "a descriptor's events");
}

void loop_watch_free(struct loop_watch **watch)
{
    if (*watch == NULL)
        return;
    event_free((*watch)->event);
    free(*watch);
    *watch = NULL;
}

/* ---- signals ---- */

static void on_signal_event(int number, short what, void *arg)
{
    struct on_signal *handler = arg;

    (void)what;
    loop_enter(handler->loop);
    handler->cb(number, handler->arg);
}

int loop_on_signal(struct loop *loop, int signal, loop_signal_cb *cb, void *arg)
{
    struct on_signal *handler = &loop->signals[loop->signal_count];

    if (loop->signal_count == LOOP_SIGNALS_MAX)
        return -ENOSPC;
    *handler = (struct on_signal){ .loop = loop, .cb = cb, .arg = arg };
    handler->event = evsignal_new(loop->base, signal, on_signal_event, handler);
    if (handler->event == NULL || event_add(handler->event, NULL) != 0) {
        if (handler->event != NULL)
            event_free(handler->event);
        return -ENOMEM;
    }
    loop->signal_count++;
    return 0;
}

void loop_free_signals(struct loop *loop)
{
    for (unsigned i = 0; i < loop->signal_count; i++)
        event_free(loop->signals[i].event);
}

/* ---- deadlines ---- */

static void arm(struct loop_timer *timer, int64_t now_ms)
{
    int64_t wait_ms = timer->due_ms > now_ms ? timer->due_ms - now_ms : 0;
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000 };

    timer->armed_ms = timer->due_ms;
    if (event_add(timer->event, &wait) != 0)
        oom_exit("loop", "a timer");
}

static void on_timer_event(int fd, short what, void *arg)
{
    struct loop_timer *timer = arg;

    (void)fd;
    (void)what;
    loop_enter(timer->loop);
    timer->armed_ms = 0;
    if (timer->due_ms == 0)
        return;
    if (timer->due_ms > timer->loop->now_ms) {
        arm(timer, timer->loop->now_ms); /* it was moved later, or cleared and set again */
        return;
    }
    timer->due_ms = 0;
    timer->cb(timer->arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_cb *cb, void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return NULL;
    timer->loop = loop;
    timer->cb = cb;
    timer->arg = arg;
    timer->event = event_new(loop->base, -1, 0, on_timer_event, timer);
    if (timer->event == NULL) {
        free(timer);
        return NULL;
    }
    return timer;
}

void loop_timer_set_ms(struct loop_timer *timer, int64_t from_now_ms)
{
    int64_t now_ms = loop_now_ms(timer->loop);

    timer->due_ms = now_ms + (from_now_ms > 0 ? from_now_ms : 0);
    if (timer->armed_ms == 0 || timer->armed_ms > timer->due_ms)
        arm(timer, now_ms);
}

void loop_timer_clear(struct loop_timer *timer)
{
    timer->due_ms = 0; /* an armed event finds nothing due and goes to sleep */
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->due_ms != 0;
}

void loop_timer_free(struct loop_timer **timer)
{
    if (*timer == NULL)
        return;
    event_free((*timer)->event);
    free(*timer);
    *timer = NULL;
}
