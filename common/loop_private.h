/* common/loop_private.h: the loop as its two files see it: loop.c (turns, their hooks and their
 * measure, what other threads post) and loop_event.c (descriptors, signals, deadlines). */
#ifndef COMMON_LOOP_PRIVATE_H
#define COMMON_LOOP_PRIVATE_H

#include <pthread.h>

#include "common/loop.h"

enum { LOOP_SIGNALS_MAX = 8 };

struct event;
struct post;

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
    struct on_signal signals[LOOP_SIGNALS_MAX];
    unsigned signal_count;

    pthread_mutex_t post_lock;
    struct post *post_first, **post_last;
    int post_fd;
    struct loop_watch *post_watch;
};

void loop_free_signals(struct loop *loop);

#endif
