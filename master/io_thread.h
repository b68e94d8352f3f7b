/* master/io_thread.h: the one thread of the master that may wait for a disk.
 *
 * Work is done in the order it was given; `done` runs afterwards in the loop's thread, never from
 * inside the call. What the work touches belongs to the thread until then. */
#ifndef MASTER_IO_THREAD_H
#define MASTER_IO_THREAD_H

struct io_thread;
struct loop;

typedef int io_work(void *arg);                /* in the thread; 0 or negative errno */
typedef void io_done_cb(int result, void *arg); /* in the loop */

struct io_thread *io_thread_new(struct loop *loop);

/* Finishes what was given, then ends the thread. `done` of work that is left runs before the
 * return. NULL inside is allowed. */
void io_thread_free(struct io_thread **thread);

/* 0 or -ENOMEM (then `done` does not run). */
int io_thread_run(struct io_thread *thread, io_work *work, io_done_cb *done, void *arg);

#endif
