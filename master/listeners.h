/* master/listeners.h: the sockets that take mail, made and kept open by the master.
 *
 * One SO_REUSEPORT socket per slot and address. A slot's worker is given its own, and a successor
 * the same ones: connections that wait in a dead worker's backlog are greeted by its successor. */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/reason.h"

#define LISTENERS_MAX 64 /* addresses */

struct channel;
struct listeners;

/* Are the addresses of smtp.listen in order? 0 or -EINVAL. */
int listeners_check(const struct conf *conf, struct reason *reterr_why);

/* Opens nothing yet. */
int listeners_new(const struct conf *conf, struct listeners **ret_listeners,
                  struct reason *reterr_why);
void listeners_free(struct listeners **listeners);

size_t listeners_count(const struct listeners *listeners); /* per slot */

/* Opens a slot's sockets, if they are not open. */
int listeners_open(struct listeners *listeners, unsigned slot, struct reason *reterr_why);
/* No socket of slots `first` and above gets new connections (they may still hold some); `first`
 * above every open slot: all do. */
int listeners_limit(struct listeners *listeners, unsigned first, struct reason *reterr_why);
void listeners_close(struct listeners *listeners, unsigned slot);

/* Hands the sockets of `slot` to the worker behind `channel` (LISTENER), or takes them back
 * (LISTENER_CLOSE). 0 or a negative errno. */
int listeners_give(const struct listeners *listeners, unsigned slot, struct channel *channel);
void listeners_take_back(const struct listeners *listeners, unsigned slot, struct channel *channel);

#endif
