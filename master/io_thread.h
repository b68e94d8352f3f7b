/* master/io_thread.h: the one thread of the master that may wait for a disk.
 *
 * Work is done in the order it was given; `done` runs afterwards in the loop's thread, never from
 * inside the call. What the work touches belongs to the thread until then. */
#ifndef MASTER_IO_THREAD_H
#define MASTER_IO_THREAD_H

struct io_thread;
struct loop;

#define IO_THREAD_MAX_WAITING 100000

typedef int io_work(void *arg);                 /* in the thread; 0 or negative errno */
typedef void io_done_cb(int result, void *arg); /* in the loop */

/* NULL: memory, descriptors or threads are short. */
struct io_thread *io_thread_new(struct loop *loop);

/* Finishes what was given, and what each `done` then gives, before it returns; afterwards nothing
 * of it runs any more. NULL inside is allowed. */
void io_thread_free(struct io_thread **thread);

/* 0, or -ENOMEM (also when IO_THREAD_MAX_WAITING wait); then `done` does not run. */
int io_thread_run(struct io_thread *thread, io_work *work, io_done_cb *done, void *arg);

#endif
