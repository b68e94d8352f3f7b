/* worker/discard.h: has a Vault forget an upload that was begun and is of no use any more: its
 * message was deleted.
 *
 * As far as that is possible: what cannot be done now is not tried again, and a group that nobody
 * closes is the Vault's to clear away. */
#ifndef WORKER_DISCARD_H
#define WORKER_DISCARD_H

struct directory;
struct discards;
struct http;
struct ipc_upload_discard;
struct segment_cache;

#define DISCARDS_MAX 64 /* under way at once; what comes beyond is not done */

/* Borrows everything. NULL: no memory. */
struct discards *discards_new(struct directory *directory, struct segment_cache *cache,
                              struct http *http);
void discards_free(struct discards **discards); /* before HTTP goes; NULL inside is allowed */

/* Reads what it needs of the message within the call. */
void discards_begin(struct discards *discards, const struct ipc_upload_discard *order);

#endif
