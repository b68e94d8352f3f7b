/* common/loop.h: the event loop of a process, and the only door to event2/event.h for modules that
 * need a descriptor watched or a deadline kept.
 *
 * Every callback runs in the loop's thread. Work that should be batched (channel frames, log lines,
 * spool batches) is hung on the end of the turn: all events that were ready together are handled
 * first. The longest turn is measured from the first callback of a turn to the end of its hooks. */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;
struct loop_watch;
struct loop_timer;

/* From now on libevent wipes what it frees: its buffers may have held secrets. Where it gets no
 * memory the process ends: the HTTP server of libevent 2.1 reads what it has not made then. For the
 * start of a process, before anything else here. */
void loop_guard_memory(void);

/* NULL when memory or descriptors are short. */
struct loop *loop_new(void);
void loop_free(struct loop *loop); /* everything made on it must be gone; NULL is allowed */

/* Runs until loop_stop(), which takes effect at the end of the turn. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* One turn, waiting at most `wait_ms` (-1: as long as it takes) for something to do. For tests. */
void loop_turn(struct loop *loop, int wait_ms);

struct event_base *loop_base(struct loop *loop);

/* Monotonic time at the start of this turn, in ms: free of system calls. */
int64_t loop_now_ms(struct loop *loop);

/* For callbacks that come past this module (libevent's HTTP server): the turn is measured from here
 * on if nothing else has begun it. */
void loop_enter(struct loop *loop);

/* Since the last call; resets. */
int64_t loop_take_longest_turn_us(struct loop *loop);

/* `cb` runs at the end of every turn, in the order of registration, until it is forgotten; those of
 * loop_at_turn_last() (what lets gathered output leave) run behind all others. At most
 * LOOP_TURN_HOOKS of each at a time: more are a mistake of the program and end it. */
#define LOOP_TURN_HOOKS 512
typedef void loop_turn_cb(void *arg);
void loop_at_turn_end(struct loop *loop, loop_turn_cb *cb, void *arg);
void loop_at_turn_last(struct loop *loop, loop_turn_cb *cb, void *arg);
void loop_forget_turn_end(struct loop *loop, loop_turn_cb *cb, void *arg);

/* Descriptors, level triggered. The watch does not own the descriptor: free the watch first.
 * A watch may be freed inside its own callback. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void loop_watch_cb(int fd, unsigned what, void *arg);
struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_watch_cb *cb, void *arg);
void loop_watch_set(struct loop_watch *watch, unsigned what); /* 0: neither */
void loop_watch_free(struct loop_watch **watch);              /* NULL inside is allowed */

/* Signals, delivered in the loop. */
typedef void loop_signal_cb(int signal, void *arg);
int loop_on_signal(struct loop *loop, int signal, loop_signal_cb *cb, void *arg);

/* One-shot deadlines. Moving a deadline later costs a store: the kernel and the heap hear of it
 * only when the earlier time has come. */
typedef void loop_timer_cb(void *arg);
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_cb *cb, void *arg);
void loop_timer_set_ms(struct loop_timer *timer, int64_t from_now_ms);
void loop_timer_clear(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer **timer);

/* Runs `cb` in the loop's thread at its next turn; may be called from any thread. The queue holds
 * what other threads have finished, so it is bounded by what was handed to them. 0 or -ENOMEM. */
typedef void loop_post_cb(void *arg);
int loop_post(struct loop *loop, loop_post_cb *cb, void *arg);

#endif
