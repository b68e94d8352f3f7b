/* worker/ingress/listeners.h: the listening sockets of a worker.
 *
 * Accepting pauses when the owner says so, and when descriptors or memory are short; from that it
 * goes on by itself. A listener that is being removed is emptied first. */
#ifndef WORKER_INGRESS_LISTENERS_H
#define WORKER_INGRESS_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

struct listeners;
struct loop;

/* Has a connection; it is the callee's. */
typedef void listeners_accepted_cb(int fd, void *arg);

struct listeners *listeners_new(struct loop *loop, listeners_accepted_cb *accepted, void *arg);
void listeners_free(struct listeners **listeners);

int listeners_add(struct listeners *listeners, uint32_t index, int fd);
void listeners_remove(struct listeners *listeners, uint32_t index);

unsigned listeners_left(const struct listeners *listeners); /* how many have been removed so far */

/* At the limit, without credit, or draining. */
void listeners_pause(struct listeners *listeners, bool is_paused);

#endif
