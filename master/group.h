/* master/group.h: an entry of the queue, and what the deciding parts of the master do with it.
 *
 * For dispatch, orders and the handlers of what workers say; everybody else uses master/queue.h.
 * A group is in exactly one state; only the functions below change it, and they keep its place in
 * the lists (ready lists of its lane, heap of what waits) and all counts. */
#ifndef MASTER_GROUP_H
#define MASTER_GROUP_H

#include <sys/queue.h>

#include "common/id.h"
#include "master/hash_index.h"
#include "master/queue.h"

struct job;
struct route;
struct segments;

enum ready_class {
    READY_NEW,      /* never tried */
    READY_DEFERRED, /* tried before */
    READY_CLASS_COUNT
};

struct group {
    struct hash_node node;
    struct ipc_place place;
    TAILQ_ENTRY(group) link; /* in a ready list, among the suspects or the gone */
    struct lane *lane;       /* of the profile that its stage goes through */
    struct lane *relay;      /* of the profile that it is relayed by in the end */
    struct job *job;         /* while it is out */
    uint64_t body_bytes;
    int64_t due_ms;      /* waiting: monotonic */
    uint64_t kept_tried; /* no room: servers tried already in this attempt ... */
    uint64_t kept_version;
    uint32_t heap_at; /* waiting: its place in the heap */
    uint32_t number;  /* in the slab */
    uint32_t rule, recipients, received_s, next_attempt_s;
    uint32_t note_segment;
    uint16_t note_slot;
    uint16_t attempts;
    uint16_t kept_start;  /* ... and the start server whose turn it had */
    int16_t worker;       /* while it is out: the slot of the worker that has it */
    uint8_t state;        /* enum queue_state */
    uint8_t state_before; /* checking: what it was */
    uint8_t ready_class;  /* ready and no suspect */
    uint8_t crashes;      /* workers that died while they held it */
    uint8_t misses;       /* in a row: workers that could not read it */
    bool has_kept_turn;
    bool is_deferred_by_servers; /* waiting: until they answer again; no server has judged it */
    bool is_recalled;            /* an order waits for it to come back */
    bool is_touched;       /* since it was reported: its cell may say more than another copy's */
    bool is_own;           /* made here: alerts, reports, forwards */
    bool may_be_twice;     /* another copy of its record may lie somewhere */
    uint16_t moved_by;     /* checking: slot + 1 of the worker that is to move it, 0: none */
    uint8_t copy;          /* of the record, modulo 256 */
    uint8_t stages;        /* that are over: enum cell_flag */
    uint32_t record_bytes; /* its share of what the record takes in its segment */
    uint32_t note_bytes;   /* the same of its newest note */
};

TAILQ_HEAD(group_list, group);

/* What waits for one profile, and how much of it is out. */
struct lane {
    uint32_t profile;
    TAILQ_ENTRY(lane) turn; /* among those that have something ready */
    struct group_list ready[READY_CLASS_COUNT];
    struct group *put_back[READY_CLASS_COUNT]; /* the last in front that was; NULL: none is left */
    uint64_t ready_count;
    uint64_t counts[QUEUE_STATE_COUNT];
    unsigned misfires;  /* in a row: attempts that a server answered and did not do */
    uint64_t elsewhere; /* groups that it will relay, and that are at an earlier stage now */
    unsigned in_flight;
    unsigned new_streak;                  /* new ones taken since the last deferred one */
    uint16_t out[ID_SLOTS];               /* jobs by worker */
    struct route *route;                  /* NULL: the profile is not known, its mail waits */
    bool is_release_wanted, is_releasing; /* its deferred mail, now that a server answers */
    bool is_expiring;                     /* what is too old is being looked for */
    uint32_t oldest_s;                    /* nothing that is ready was received before */
};

TAILQ_HEAD(lane_list, lane);

/* ---- entries ---- */

/* Takes in what a worker reported. 0; -EEXIST (known: harmless, nothing changes); -ENOMEM. */
int queue_add(struct queue *queue, const struct ipc_mail_queued *queued);
struct group *queue_group(const struct queue *queue, uint64_t id, unsigned group);
struct group *queue_at(const struct queue *queue, uint32_t number); /* NULL: none there */
uint32_t queue_numbers(const struct queue *queue);                  /* one past the last */

/* Finished. It stays known as QUEUE_GONE as long as a scan could bring it back: one of its slot
 * that read its cell before the end, and, if there may be another copy of it, any that is still to
 * come. */
void queue_drop(struct queue *queue, struct group *group);
void queue_scan_began(struct queue *queue, unsigned slot);
void queue_scan_ended(struct queue *queue, unsigned slot);
/* Is all mail known that lies in the spool? At first it is. */
void queue_set_complete(struct queue *queue, bool is_complete);

/* ---- states ---- */

/* `in_front`: it was in line before, so it stands before all that was not, behind what came back
 * earlier. */
void queue_set_ready(struct queue *queue, struct group *group, bool in_front);
void queue_set_out(struct queue *queue, struct group *group);
void queue_set_held(struct queue *queue, struct group *group);
void queue_set_failed(struct queue *queue, struct group *group);
void queue_set_quarantined(struct queue *queue, struct group *group);
void queue_set_checking(struct queue *queue, struct group *group);
/* Out of checking, to what it was before. */
void queue_restore(struct queue *queue, struct group *group);
/* Wall time since CLOCK_EPOCH_S; what lies further ahead than any retry may is clamped. */
void queue_set_waiting(struct queue *queue, struct group *group, uint32_t next_attempt_s);
void queue_set_waiting_ms(struct queue *queue, struct group *group, int64_t from_now_ms);

/* Makes ready what is due, at most `max`, and forgets as many that no scan can bring back; returns
 * in how many ms there is more to do, -1: never. */
int64_t queue_wake(struct queue *queue, size_t max);

/* ---- other properties ---- */

/* `bytes`: what it takes there, 0: as before, or not known. */
void queue_set_note(struct queue *queue, struct group *group, unsigned slot, uint32_t segment,
                    uint32_t bytes);
/* To another copy of its record. */
void queue_set_place(struct queue *queue, struct group *group, const struct ipc_place *place,
                     unsigned copy, uint32_t record_bytes);
/* To be relayed by another profile; the group must be neither ready nor out. 0 or -ENOMEM. */
int queue_set_relay(struct queue *queue, struct group *group, uint32_t profile);

/* ---- stages ---- */

/* The one that it is at, by its rule as it is now. */
enum stage queue_stage(const struct queue *queue, const struct group *group);
const struct rule *queue_rule(const struct queue *queue, const struct group *group);
void queue_set_stages(struct group *group, unsigned flags);
/* Does it stand in the lane of its stage's profile? */
bool queue_stage_is_right(const struct queue *queue, const struct group *group);
/* To the lane of its stage's profile, wherever it stands; not while it is out. 1: it stood in
 * another; 0: in this one; -ENOMEM: it stays where it was, and must not be sent. */
int queue_restage(struct queue *queue, struct group *group);

void queue_view_of(const struct group *group, struct queue_view *ret_view);

/* ---- lanes ---- */

/* Made when first asked for; NULL: no memory. Lanes live as long as the queue. */
struct lane *queue_lane(struct queue *queue, uint32_t profile);
struct lane *queue_lane_known(const struct queue *queue, uint32_t profile);
size_t queue_lane_count(const struct queue *queue);
struct lane *queue_lane_at(const struct queue *queue, size_t index);

/* Those with something ready, in the order of their turns. */
struct lane_list *queue_turns(struct queue *queue);
/* What killed a worker before: it runs alone (MQ09). */
struct group_list *queue_suspects(struct queue *queue);

struct loop *queue_loop(const struct queue *queue);
struct segments *queue_segments(const struct queue *queue);

struct list_job;
TAILQ_HEAD(list_job_list, list_job);
/* For master/queue_list.c alone. */
struct list_job_list *queue_list_jobs(struct queue *queue);

#endif
