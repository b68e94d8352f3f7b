/* worker/spooler_private.h: the spooler's two sides.
 *
 * `struct spooler` belongs to the loop's thread, `struct spool_disk` to the sync thread but for its
 * atomics. They meet in jobs only (worker/sync_thread.h). */
#ifndef WORKER_SPOOLER_PRIVATE_H
#define WORKER_SPOOLER_PRIVATE_H

#include <stdatomic.h>

#include "common/id.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/spool_path.h"
#include "worker/segment_writer.h"
#include "worker/slot_dir.h"
#include "worker/spool_item.h"
#include "worker/spooler.h"
#include "worker/sync_thread.h"

#define SPOOLER_RETRY_MS  10000
#define SPOOLER_WINDOW_MS 60000

struct compaction;
struct own_segment;
struct recovery;

#define SPOOL_DISK_SCANS 8U /* the master orders one at a time; one more is its own slot's */

struct spool_disk {
    struct spooler *spooler; /* for what is posted; never looked into */
    const char *spool_dir;
    struct sync_thread *thread;
    const struct slot_dir *dir;
    struct segment_writer *writer;
    uint64_t segment_bytes, limit, keep_free;
    bool is_adopted;
    int64_t measured_at_ms;
    uint64_t creatable;               /* bytes that may still be added to the spool */
    struct sync_list out;             /* to be posted */
    struct sync_list later;           /* what may wait until the messages are written */
    struct own_segment *own_segments; /* being written */
    struct recovery *recoveries[SPOOL_DISK_SCANS]; /* the first is at work */
    unsigned recovery_count;

    atomic_uint_fast64_t room;        /* bytes that may still be written to shared segments */
    atomic_uint_fast64_t shared_room; /* bytes that messages may still take */
    atomic_uint_fast64_t own_room;    /* the same of those with a segment of their own */
    atomic_uint_fast64_t max_id;
    atomic_bool is_stopped;
};

int spool_disk_open(struct spool_disk *disk, struct spooler *spooler, const struct conf *conf,
                    const struct slot_dir *dir);
void spool_disk_close(struct spool_disk *disk, struct sync_list *ret_left);
sync_round spool_disk_round;

/* Jobs that only need to come back: their `work`. */
void spool_disk_bounce(struct sync_job *job, void *arg);
/* The `work` of items for the shared segment. */
void spool_disk_write_item(struct sync_job *job, void *arg);
/* The `work` of items that do not fit there: they get a segment of their own. */
void spool_disk_write_own(struct sync_job *job, void *arg);

void spool_disk_tell(enum log_level level, const char *what, uint32_t segment, int err, void *arg);
/* Alert, and SEGMENT_FAILED. */
void spool_disk_states_failed(struct spool_disk *disk, unsigned slot, uint32_t number, int err);
void spool_disk_sealed(uint32_t number, uint64_t bytes, bool is_retired, void *arg);
/* Is this segment of the own slot in use by the writer, or by a large message on its way? */
bool spool_disk_is_writing(const struct spool_disk *disk, uint32_t number);
int spool_disk_open_slot(const struct spool_disk *disk, unsigned slot);

/* A large message's segment in the sync thread (worker/own_segment.c). */
bool own_segment_is_open(const struct spool_disk *disk, uint32_t number);
int own_segment_begin(struct spool_disk *disk, struct spool_item *item,
                      struct own_segment **ret_own);
int own_segment_append(struct own_segment *own, const void *data, size_t bytes);
/* Makes it durable and sets the item's place. Ends the object either way; after an error nothing is
 * left of the files. */
int own_segment_finish(struct own_segment **own);
void own_segment_abort(struct own_segment **own);
/* Posts the item with what became of it; an error counts against the slot, or is want of room. */
void own_segment_settle(struct spool_disk *disk, struct spool_item *item, int err);

/* ---- the loop's side ---- */

#define SPOOLER_TOUCHED_MAX 64U

struct spooler_touch;

struct spooler {
    struct loop *loop;
    struct channel *channel;
    struct slot_dir dir;
    struct id_source ids;
    struct sync_list given; /* leaves at the end of the turn */
    struct spooler_touch *touch;
    struct loop_timer *touch_timer;
    struct compaction *compaction; /* under way, NULL: none */
    char spool_dir[SPOOL_PATH_SIZE];
    bool is_ending;

    size_t memory_limit, memory_used;
    uint64_t disk_reserved;
    uint64_t credit_used;    /* MAIL_QUEUED sent and not yet taken in */
    uint64_t groups_waiting; /* of messages handed in and not yet done */
    bool is_out_of_credit;   /* as the watcher knows it */
    spooler_credit_cb *credit_changed;
    void *credit_arg;
    uint64_t messages, bytes;
    struct sync_list reports; /* of scans, waiting for credit */

    struct spool_disk disk;
};

/* Leaves for the sync thread at the end of the turn. */
void spooler_give(struct spooler *spooler, struct sync_job *job);

/* The message counts as handed in; its `done` will tell the client and the master. */
void spooler_take_message(struct spooler *spooler, struct spool_item *item);

void spooler_touch_done(struct spooler *spooler); /* at the end: syncs what is left */

/* At the end: what it has under way comes to nothing. */
void spooler_compaction_done(struct spooler *spooler);

/* Credit came back: reports of scans that waited for it go on. At the end: are dropped. */
void spooler_report(struct spooler *spooler);
void spooler_drop_reports(struct spooler *spooler);

#endif
