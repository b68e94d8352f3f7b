/* worker/query.h: tells people what is in queued messages (MQ06).
 *
 * The master reads no message: it sends places, and gets back one object per place, null where it
 * cannot be read:
 *
 *   { "sender", "client", "helo", "recipients": [...], "recipient_count" }
 *
 * In a list the recipients are addresses, at most QUERY_LIST_RECIPIENTS of them. In detail they are
 * objects with their states, as far as known, "attempts" tells the way so far, and "scan" and
 * "upload" what came of these stages (worker/note.h); the places are
 * groups of one message, and one more element follows: an array of the message's groups that are
 * finished and were not asked for, { "group", "state": "delivered" or "deleted", "message" }. */
#ifndef WORKER_QUERY_H
#define WORKER_QUERY_H

struct channel;
struct ipc_query;
struct query;
struct segment_cache;

#define QUERY_MAX_PLACES        1000
#define QUERY_LIST_RECIPIENTS   10
#define QUERY_DETAIL_RECIPIENTS 1000

struct query *query_new(struct channel *channel, struct segment_cache *cache);
void query_free(struct query **query); /* NULL inside is allowed */

/* Answers with QUERY_ROWS within the call. `fd` holds the places and is closed here. */
void query_answer(struct query *query, const struct ipc_query *order, int fd);

#endif
