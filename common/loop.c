#include "common/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/secret.h"

enum { SIGNALS_MAX = 8 };

struct post {
    struct post *next;
    loop_post_cb *cb;
    void *arg;
};

struct on_signal {
    struct loop *loop;
    struct event *event;
    loop_signal_cb *cb;
    void *arg;
};

struct turn_hooks {
    struct {
        loop_turn_cb *cb; /* NULL: forgotten, taken out when the list is next walked */
        void *arg;
    } hooks[LOOP_TURN_HOOKS];
    unsigned count;
};

struct loop {
    struct event_base *base;
    bool is_stopping;
    int64_t turn_began_us; /* 0: no callback has run in this turn */
    int64_t now_ms;
    int64_t longest_us;
    struct turn_hooks end, last;
    struct on_signal signals[SIGNALS_MAX];
    unsigned signal_count;

    pthread_mutex_t post_lock;
    struct post *post_first, **post_last;
    int post_fd;
    struct loop_watch *post_watch;
};

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

/* Every callback passes here first, so that a turn is timed from its first one. */
void loop_enter(struct loop *loop)
{
    if (loop->turn_began_us != 0)
        return;
    loop->turn_began_us = clock_mono_us();
    loop->now_ms = loop->turn_began_us / 1000;
}

static void run_hooks(struct turn_hooks *list)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < list->count; i++) {
        if (list->hooks[i].cb != NULL)
            list->hooks[i].cb(list->hooks[i].arg);
    }
    for (unsigned i = 0; i < list->count; i++) {
        if (list->hooks[i].cb != NULL)
            list->hooks[kept++] = list->hooks[i];
    }
    list->count = kept;
}

static void end_turn(struct loop *loop)
{
    int64_t took_us;

    run_hooks(&loop->end);
    run_hooks(&loop->last);
    if (loop->turn_began_us == 0)
        return;
    took_us = clock_mono_us() - loop->turn_began_us;
    if (took_us > loop->longest_us)
        loop->longest_us = took_us;
    loop->turn_began_us = 0;
}

static void on_posted(int fd, unsigned what, void *arg)
{
    struct loop *loop = arg;
    struct post *post;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    pthread_mutex_lock(&loop->post_lock);
    post = loop->post_first;
    loop->post_first = NULL;
    loop->post_last = &loop->post_first;
    pthread_mutex_unlock(&loop->post_lock);

    while (post != NULL) {
        struct post *next = post->next;

        post->cb(post->arg);
        free(post);
        post = next;
    }
}

void loop_guard_memory(void)
{
    event_set_mem_functions(secret_block_new, secret_block_resize, secret_block_free);
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->post_last = &loop->post_first;
    loop->now_ms = clock_mono_ms();
    loop->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = event_base_new();
    if (loop->base != NULL && loop->post_fd >= 0)
        loop->post_watch = loop_watch_new(loop, loop->post_fd, on_posted, loop);
    if (loop->post_watch == NULL) {
        loop_free(loop);
        return NULL;
    }
    loop_watch_set(loop->post_watch, LOOP_READ);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    for (unsigned i = 0; i < loop->signal_count; i++)
        event_free(loop->signals[i].event);
    loop_watch_free(&loop->post_watch);
    if (loop->post_fd >= 0)
        close(loop->post_fd);
    while (loop->post_first != NULL) {
        struct post *post = loop->post_first;

        loop->post_first = post->next;
        free(post);
    }
    if (loop->base != NULL)
        event_base_free(loop->base);
    pthread_mutex_destroy(&loop->post_lock);
    free(loop);
}

void loop_run(struct loop *loop)
{
    loop->is_stopping = false;
    end_turn(loop); /* what was sent before the first turn */
    while (!loop->is_stopping) {
        if (event_base_loop(loop->base, EVLOOP_ONCE) != 0)
            break;
        end_turn(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

static void on_turn_limit(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void loop_turn(struct loop *loop, int wait_ms)
{
    struct timeval limit = { .tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000L };

    if (wait_ms > 0)
        (void)event_base_once(loop->base, -1, EV_TIMEOUT, on_turn_limit, NULL, &limit);
    (void)event_base_loop(loop->base, wait_ms == 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    loop->now_ms = clock_mono_ms();
    end_turn(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

int64_t loop_now_ms(struct loop *loop)
{
    if (loop->turn_began_us == 0)
        loop->now_ms = clock_mono_ms();
    return loop->now_ms;
}

int64_t loop_take_longest_turn_us(struct loop *loop)
{
    int64_t longest = loop->longest_us;

    loop->longest_us = 0;
    return longest;
}

static void add_hook(struct turn_hooks *list, loop_turn_cb *cb, void *arg)
{
    if (list->count == LOOP_TURN_HOOKS)
        abort();
    list->hooks[list->count].cb = cb;
    list->hooks[list->count].arg = arg;
    list->count++;
}

static void forget_hook(struct turn_hooks *list, loop_turn_cb *cb, void *arg)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (list->hooks[i].cb == cb && list->hooks[i].arg == arg)
            list->hooks[i].cb = NULL;
    }
}

void loop_at_turn_end(struct loop *loop, loop_turn_cb *cb, void *arg)
{
    add_hook(&loop->end, cb, arg);
}

void loop_at_turn_last(struct loop *loop, loop_turn_cb *cb, void *arg)
{
    add_hook(&loop->last, cb, arg);
}

void loop_forget_turn_end(struct loop *loop, loop_turn_cb *cb, void *arg)
{
    forget_hook(&loop->end, cb, arg);
    forget_hook(&loop->last, cb, arg);
}

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
    (void)event_add(watch->event, NULL);
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

    if (loop->signal_count == SIGNALS_MAX)
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

/* ---- deadlines ---- */

static void arm(struct loop_timer *timer, int64_t now_ms)
{
    int64_t wait_ms = timer->due_ms > now_ms ? timer->due_ms - now_ms : 0;
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000 };

    timer->armed_ms = timer->due_ms;
    (void)event_add(timer->event, &wait);
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

/* ---- other threads ---- */

int loop_post(struct loop *loop, loop_post_cb *cb, void *arg)
{
    struct post *post = malloc(sizeof(*post));
    uint64_t one = 1;
    bool was_empty;

    if (post == NULL)
        return -ENOMEM;
    *post = (struct post){ .cb = cb, .arg = arg };
    pthread_mutex_lock(&loop->post_lock);
    was_empty = loop->post_first == NULL;
    *loop->post_last = post;
    loop->post_last = &post->next;
    pthread_mutex_unlock(&loop->post_lock);
    if (was_empty)
        (void)!write(loop->post_fd, &one, sizeof(one));
    return 0;
}
