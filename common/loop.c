/* Turns: begun, hooked to, measured, ended; and what other threads post. */
#include "common/loop_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/clock.h"
#include "common/oom.h"
#include "common/secret.h"

struct post {
    struct post *next;
    loop_post_cb *cb;
    void *arg;
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

static void *block_new(size_t bytes)
{
    void *block = secret_block_new(bytes);

    if (block == NULL)
        oom_exit("loop", "libevent");
    return block;
}

static void *block_resize(void *old, size_t bytes)
{
    void *block = secret_block_resize(old, bytes);

    if (block == NULL)
        oom_exit("loop", "libevent");
    return block;
}

void loop_guard_memory(void)
{
    event_set_mem_functions(block_new, block_resize, secret_block_free);
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
    loop_free_signals(loop);
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
