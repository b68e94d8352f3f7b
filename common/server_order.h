/* common/server_order.h: in which order the servers of a profile are tried in one attempt.
 *
 * From the start server on, past the end at the beginning (SP20, SP21). The master reckons with it
 * to know whose connection a delivery will want, the worker goes by it. */
#ifndef COMMON_SERVER_ORDER_H
#define COMMON_SERVER_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* The next one that is not among `out`: those tried already, or to be left alone (bit = index). -1:
 * none is left. */
int server_order_next(size_t count, size_t start, uint64_t out);

#endif
