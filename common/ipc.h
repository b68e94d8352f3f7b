/* common/ipc.h: every message between master and worker, one line each.
 *
 * Enum, log name, size check and direction check are all made from IPC_MESSAGES. Payloads have a
 * fixed size; what is variable (profile with its secrets, rules, configuration, query answers) is a
 * sealed memfd that travels with the message. Both ends come from one package: a change here raises
 * IPC_VERSION, which WORKER_READY carries.
 *
 * Credit keeps both directions bounded: the master has at most IPC_JOBS_PER_WORKER jobs out per
 * worker; a worker has at most IPC_QUEUED_CREDIT unacknowledged MAIL_QUEUED, then it answers 451
 * and stops accepting. */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include <stdint.h>

#define IPC_VERSION         11
#define IPC_JOBS_PER_WORKER 512
#define IPC_QUEUED_CREDIT   65536
#define IPC_PROBES_MAX      64 /* connection tests under way at a time */
#define IPC_CHANNEL_FD      3  /* where a worker finds its channel */

enum ipc_side { IPC_MASTER, IPC_WORKER };
enum ipc_fd { IPC_NO_FD, IPC_WITH_FD };

/* Where a group's record and cell are. A group is the recipients of one message under one rule, at
 * most CELL_RECIPIENTS of them; what there are more make another group. */
struct ipc_place {
    uint64_t id;
    uint64_t offset;  /* of the record in its segment, bytes */
    uint32_t segment; /* number within the slot */
    uint32_t cell;    /* index of the group's cell in the segment's state file */
    uint16_t slot;
    uint16_t group;    /* index in the record's envelope */
    uint32_t reserved; /* whose place it is may keep something here */
};

struct ipc_empty {
    uint32_t reserved;
};

/* ---- start, configuration ---- */

struct ipc_worker_ready {
    uint32_t version; /* IPC_VERSION */
    int32_t pid;
};

struct ipc_configure { /* fd: the effective configuration in the syntax of the file */
    uint32_t slot;
    uint32_t worker_count;
    uint32_t first; /* 1: the first of this process: recover the slot before accepting */
    uint32_t listener_count;
};

struct ipc_listener { /* fd: a listening socket, kept open by the master */
    uint32_t index;
};

struct ipc_profile { /* fd: the profile as JSON, secrets in clear; none for PROFILE_GONE */
    uint64_t version;
    uint32_t id;
    uint32_t reserved;
};

struct ipc_rules { /* fd: {"rules":[...], "settings":{...}} */
    uint64_t version;
};

/* What a worker runs now (SP54). profile 0: the rules. */
struct ipc_running {
    uint64_t version;
    uint32_t profile;
    uint32_t reserved;
};

/* ---- mail ---- */

enum ipc_queued_flag {
    IPC_QUEUED_RECOVERED =
        1 << 0, /* found by a scan: attempts and next_attempt_s come from the cell */
    IPC_QUEUED_HELD = 1 << 1,
    IPC_QUEUED_FAILED = 1 << 2, /* final, kept and listed */
    IPC_QUEUED_LAST = 1 << 3,   /* the last group of its record */
    IPC_QUEUED_QUARANTINED = 1 << 4,
    IPC_QUEUED_OWN = 1 << 5, /* nobody handed it in: it was made here (COMPOSE) */
};

struct ipc_mail_queued {
    struct ipc_place place;
    uint64_t body_bytes;
    uint32_t profile;
    uint32_t rule;
    uint32_t recipients; /* not yet final */
    uint32_t received_s; /* since CLOCK_EPOCH_S */
    uint32_t next_attempt_s;
    uint16_t attempts;
    uint16_t flags; /* enum ipc_queued_flag */
    uint32_t crashes;
    uint32_t note_segment; /* where the group's newest note lies, 0: none */
    uint16_t note_slot;
    uint16_t copy;         /* of the record: of several the highest counts */
    uint32_t record_bytes; /* this group's share of what the record takes in its segment */
    uint32_t stages;       /* that are over: enum cell_flag, as in all that follow */
    uint32_t reserved;
};

struct ipc_credit {
    uint32_t queued; /* so many MAIL_QUEUED were taken in */
};

struct ipc_mail_deliver {
    struct ipc_place place;
    uint64_t job;     /* unique over the master's life */
    uint64_t version; /* of the profile */
    uint64_t tried;   /* servers (bit = index) already tried in this attempt */
    uint64_t skip;    /* servers that must not be tried: down, drained, or others than a trial's */
    uint64_t drained, refusing; /* those of them that an operator, or our password, keeps out */
    uint64_t doubted;           /* servers that it does not start with because they failed lately */
    uint32_t profile;
    uint32_t rule;
    uint32_t deadline_ms; /* from receipt; the attempt is over by then (SP25) */
    uint16_t start;       /* index of the start server */
    uint16_t attempts;    /* before this one */
    uint32_t is_trial;    /* the start is down as well, and this is to show whether it still is */
    uint64_t
        leased; /* identity of the server that a lease for one connection comes with, 0: none */
    uint32_t others; /* leases that other workers have there */
    uint32_t stage;  /* enum stage: what is to be done, and for what `profile` is */
};

struct ipc_mail_cancel {
    uint64_t job;
};

enum ipc_outcome {
    IPC_OUTCOME_DONE,     /* every recipient delivered: the group is finished */
    IPC_OUTCOME_FAILED,   /* nothing left to try, some recipient refused for good: kept as failed */
    IPC_OUTCOME_DEFERRED, /* next_attempt_s says when; an attempt was counted */
    IPC_OUTCOME_NO_ROOM,  /* neither failure nor attempt: come again with `tried` */
    IPC_OUTCOME_NOT_HELD, /* the record could not be read here; nothing was done */
    IPC_OUTCOME_ADVANCED, /* the stage is over, `stages` says so: the next one can begin */
    IPC_OUTCOME_QUARANTINED, /* a scan blocked it */
    IPC_OUTCOME_COUNT
};

enum ipc_outcome_flag {
    IPC_OUTCOME_LOST =
        1 << 0, /* a connection, after the end of data: `served` says no good of it */
    IPC_OUTCOME_BUSY = 1 << 2, /* no room: for want of a connection to the server that is next */
    IPC_OUTCOME_CUT = 1 << 1,  /* by its deadline: the server at hand had not come to a word */
};

struct ipc_mail_outcome {
    struct ipc_place place;
    uint64_t job;
    uint64_t version;
    uint64_t failed; /* servers that failed, in SP22's sense, during this attempt */
    uint64_t tried;
    uint32_t profile;
    uint32_t next_attempt_s;
    uint32_t duration_ms;
    uint16_t outcome; /* enum ipc_outcome */
    uint16_t attempts;
    int16_t served;        /* server that took or judged the message, -1: none */
    uint16_t reused;       /* 1: over a pooled connection */
    uint32_t recipients;   /* still open */
    uint32_t note_segment; /* where the group's newest note lies, 0: none; keeps that segment */
    uint16_t note_slot;
    uint16_t flags;      /* enum ipc_outcome_flag */
    uint32_t note_bytes; /* what it takes there, 0: it is the one from before */
    uint32_t stages;     /* that are over */
};

/* A note was written, and the cell says so, while the delivery goes on: its segment is kept. */
struct ipc_mail_noted {
    uint64_t job;
    uint32_t note_segment;
    uint16_t note_slot;
    uint16_t reserved;
    uint32_t note_bytes;
    uint32_t reserved2;
};

/* An operator has deleted a group whose upload was begun: what the Vault has of it is of no use. */
struct ipc_upload_discard {
    struct ipc_place place;
    uint32_t profile; /* the vault's */
    uint32_t reserved;
};

/* ---- health of servers (SP23) ---- */

enum ipc_server_word {
    IPC_WORD_ANSWERS,
    IPC_WORD_FAILED,        /* in SP22's sense */
    IPC_WORD_REFUSES_LOGIN, /* the same, and our password is why: 535 */
    IPC_WORD_UNDECIDED,     /* it could not be asked here */
    IPC_WORD_COUNT
};

/* A server failed in a delivery that goes on with the next one: told at once, and the only word on
 * it that counts. NO_ROOM is none. */
struct ipc_server_failed {
    uint64_t job;
    uint16_t server; /* index in the list of the job's version */
    uint16_t word;   /* enum ipc_server_word: FAILED or REFUSES_LOGIN */
    uint32_t reserved;
    char text[240]; /* NUL-terminated */
};

/* Connect, greeting, EHLO, QUIT; no mail. Answered once, in IPC_HEALTH_PROBE_MS at the most. */
#define IPC_HEALTH_PROBE_MS 10000

struct ipc_health_probe {
    uint64_t token;
    uint64_t version; /* of the profile */
    uint32_t profile;
    uint32_t server;
    uint64_t leased; /* the server's identity: a lease for the connection comes with it */
    uint32_t others; /* leases that other workers have there */
    uint32_t reserved;
};

struct ipc_health_probed {
    uint64_t token;
    uint32_t profile;
    uint32_t word;  /* enum ipc_server_word */
    char text[240]; /* why, NUL-terminated */
};

/* How many idle connections a worker keeps for one server, for dispatch by affinity. */
/* ---- connections; a server is named by its identity (common/server_uri.h) ---- */

/* What became of the deliveries that wanted a connection to a server, and of the connections. */
#define IPC_POOL_COUNTS(X)                                                 \
    X(hits, "an idle one was there: no handshake")                         \
    X(handed_over, "got one straight from another delivery: no handshake") \
    X(misses, "none was idle: opened a fresh one")                         \
    X(misses_off, "opened a fresh one: pooling is off")                    \
    X(secured, "fresh ones in TLS")                                        \
    X(resumed, "of these, with a session from before")                     \
    X(downgraded, "fresh ones in clear for want of TLS (SP31)")            \
    X(stale, "one that was used again turned out to be dead (SP48)")       \
    X(expired, "closed after its idle time (SP44)")                        \
    X(lost, "the server ended an idle one")                                \
    X(full, "closed because no slot was free (SP43)")                      \
    X(retired, "closed because the profile was saved (SP47)")              \
    X(spent, "closed after the messages or the time that it may live")     \
    X(reclaimed, "closed because another worker needed it (SP49)")

struct ipc_pool_counts { /* since the worker's start */
#define X(name, meaning) uint32_t name;
    IPC_POOL_COUNTS(X)
#undef X
};

/* What a worker has to one server of a profile, for dispatch by affinity and for people. */
struct ipc_connections {
    uint64_t server;
    uint32_t profile;
    uint16_t idle;
    uint16_t open;
    struct ipc_pool_counts counts;
    uint32_t reserved;
};

struct ipc_lease_want { /* that many more are waited for */
    uint64_t server;
    uint32_t profile;
    uint32_t count;
    uint32_t is_patient; /* 1: also if the worker has none; others' are called back for it */
    uint32_t reserved;
};

struct ipc_lease_unwant { /* that many are not waited for any more; and so many were not given */
    uint64_t server;
    uint32_t profile;
    uint32_t count;
    uint32_t is_patient;
    uint32_t reserved;
};

struct ipc_lease { /* the answer, to some or all that were asked for */
    uint64_t server;
    uint32_t profile;
    uint32_t granted;
    uint32_t refused;
    uint32_t unneeded; /* of a patient want: no profile has that server, so no limit either */
    uint32_t others;   /* leases that other workers have there */
    uint32_t limit;    /* how many there may be now in all, 0: no limit */
};

struct ipc_lease_back {
    uint64_t server;
    uint32_t profile;
    uint32_t count;
    uint32_t too_many; /* connections on which the server said that there are too many */
    uint32_t reserved;
};

struct ipc_server_ended { /* the server ended a connection that nobody was using */
    uint64_t server;
    uint32_t profile;
    uint32_t idle_ms;
    uint32_t age_ms;
    uint32_t messages; /* it had carried */
};

struct ipc_server_bears { /* what connections should stay within, 0: no limit is known */
    uint64_t server;
    uint32_t profile;
    uint32_t idle_ms;
    uint32_t age_ms;
    uint32_t messages;
};

struct ipc_reclaim { /* that many are to come back: of idle connections now, else of the next ended
                      */
    uint64_t server;
    uint32_t profile;
    uint32_t count;
};

/* A slot is the right to keep a connection of a profile idle (SP46). */
struct ipc_slot_want { /* so many connections are idle without one */
    uint32_t profile;
    uint32_t count;
};

struct ipc_slots { /* the answer, to some or all that were asked for */
    uint32_t profile;
    uint32_t granted;
    uint32_t refused;
    uint32_t reserved;
};

struct ipc_slot_take { /* another worker wants them, or there are fewer now */
    uint32_t profile;
    uint32_t count;
    uint32_t is_forced; /* 0: only those that no connection has */
    uint32_t reserved;
};

struct ipc_slot_given { /* the answer: the worker has `count` fewer now */
    uint32_t profile;
    uint32_t count;
    uint32_t asked; /* that were asked for */
    uint32_t reserved;
};

/* ---- OAuth tokens (SP34) ---- */

struct ipc_token_want {
    uint64_t version; /* of the profile */
    uint64_t has;     /* serial of the one that the worker has, 0: none */
    uint64_t refused; /* of one that a server did not take, 0: none */
    uint32_t profile;
    uint32_t reserved;
};

struct ipc_token_fetch { /* of the profile's token server; TOKEN_FETCHED is the answer */
    uint64_t version;
    uint32_t profile;
    uint32_t reserved;
};

struct ipc_token_fetched { /* fd: the token, or why there is none */
    uint64_t version;
    uint32_t profile;
    uint32_t is_failed;
    uint32_t lives_s;
    uint32_t reserved;
};

struct ipc_token { /* fd: the token, or why there is none */
    uint64_t version;
    uint64_t serial;
    uint32_t profile;
    uint32_t is_failed;
    uint32_t lives_ms; /* from now on */
    uint32_t fresh_ms; /* the same; later a new one should be asked for, while this still serves */
    uint32_t age_ms;
    uint32_t reserved;
};

/* ---- connection test ---- */

struct ipc_probe { /* fd: the profile as JSON, secrets in clear; the profile need not be stored */
    uint64_t token;
};

struct ipc_probe_step {
    uint64_t token;
    uint32_t ms;
    uint16_t server;
    uint8_t step; /* enum probe_step of common/probe_step.h */
    uint8_t result;
    char text[496]; /* what was seen, or what to do; NUL-terminated UTF-8 */
};

struct ipc_probe_done {
    uint64_t token;
    uint32_t passed;
    uint32_t servers;
};

/* ---- what is in a message, for people ---- */

struct ipc_query { /* fd: an array of struct ipc_place */
    uint64_t token;
    uint32_t count;
    uint32_t detail; /* 1: with envelope, notes and recipients' states */
};

struct ipc_query_rows { /* fd: a JSON array as worker/query.h says */
    uint64_t token;
};

/* ---- mail of the appliance's own: alerts, reports, forwards ---- */

struct ipc_compose { /* fd: a JSON object as worker/composition.h says */
    uint64_t token;
    struct ipc_place attached; /* of a stored group whose message goes with it, id 0: none */
};

struct ipc_composed { /* after its MAIL_QUEUED */
    uint64_t token;
    uint64_t id; /* of the message, 0: there is none */
    int32_t err; /* 0 or a negative errno: nothing was stored */
    uint32_t reserved;
};

/* ---- spool ---- */

struct ipc_rescan {
    uint32_t slot;
    uint32_t reserved;
};

struct ipc_rescanned {
    uint64_t max_id;
    uint32_t slot;
    int32_t err; /* 0 or negative errno */
    uint32_t groups;
    uint32_t damaged;
};

struct ipc_segment {
    uint32_t slot;
    uint32_t segment;
};

struct ipc_segment_sealed {
    uint32_t slot;
    uint32_t segment;
    uint32_t bytes;      /* what emptying it would give back, its states' file included; 0: one
                          * message has it for itself */
    uint32_t is_retired; /* 1: the disk refused a write or sync: what it holds should leave it */
};

/* Groups of which nothing happens until they are told as moved, or the whole as ended. */
struct ipc_segment_compact { /* fd: an array of struct ipc_place, in any order */
    uint32_t slot;
    uint32_t segment; /* records and notes in it are to be copied elsewhere */
    uint32_t count;
    uint32_t reserved;
};

struct ipc_mail_moved { /* durable, and the old cell says so */
    struct ipc_place from;
    struct ipc_place place; /* the same if only the note was moved */
    uint32_t record_bytes;
    uint32_t note_segment;
    uint16_t note_slot;
    uint16_t copy;
    uint32_t note_bytes; /* 0: it stayed where it was, or there is none */
};

struct ipc_segment_compacted {
    uint32_t slot;
    uint32_t segment;
    uint32_t moved; /* groups */
    int32_t err;    /* 0, or why the rest stays where it is */
};

/* ---- life ---- */

struct ipc_heartbeat {
    uint64_t accepted;  /* messages stored since the start of the process: taken in, or made here */
    uint64_t taken;     /* of these, from clients */
    uint64_t refused;   /* senders, recipients, messages, connections answered 5xx at the door */
    uint64_t put_off;   /* the same with 4xx */
    uint64_t delivered; /* groups finished */
    uint64_t bytes_in;
    uint64_t syncs;
    uint32_t connections_in;
    uint32_t connections_out;
    uint32_t jobs;
    uint32_t longest_turn_us;
    uint64_t sessions;   /* inbound connections accepted since the start */
    uint64_t cpu_ms;     /* all its threads, since the start */
    uint32_t disk_hangs; /* 1: a disk sync takes very long: not the worker is stuck */
    uint32_t rss_kib;
    uint32_t listeners_left; /* since the start: LISTENER_CLOSE obeyed, nothing came any more */
    uint32_t reserved;
};

/* A log line of level alert, for `status` (OP08). Cut where it does not fit; NUL-terminated. */
struct ipc_alert {
    char module[32];
    char text[512];
};

#define IPC_MESSAGES(X)                                                           \
    /* name             from    to      fd           payload */                   \
    X(WORKER_READY, WORKER, MASTER, IPC_NO_FD, struct ipc_worker_ready)           \
    X(CONFIGURE, MASTER, WORKER, IPC_WITH_FD, struct ipc_configure)               \
    X(LISTENER, MASTER, WORKER, IPC_WITH_FD, struct ipc_listener)                 \
    X(LISTENER_CLOSE, MASTER, WORKER, IPC_NO_FD, struct ipc_listener)             \
    X(PROFILE, MASTER, WORKER, IPC_WITH_FD, struct ipc_profile)                   \
    X(PROFILE_GONE, MASTER, WORKER, IPC_NO_FD, struct ipc_profile)                \
    X(RULES, MASTER, WORKER, IPC_WITH_FD, struct ipc_rules)                       \
    X(RUNNING, WORKER, MASTER, IPC_NO_FD, struct ipc_running)                     \
    X(MAIL_QUEUED, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_queued)             \
    X(CREDIT, MASTER, WORKER, IPC_NO_FD, struct ipc_credit)                       \
    X(MAIL_DELIVER, MASTER, WORKER, IPC_NO_FD, struct ipc_mail_deliver)           \
    X(MAIL_CANCEL, MASTER, WORKER, IPC_NO_FD, struct ipc_mail_cancel)             \
    X(MAIL_OUTCOME, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_outcome)           \
    X(MAIL_NOTED, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_noted)               \
    X(UPLOAD_DISCARD, MASTER, WORKER, IPC_NO_FD, struct ipc_upload_discard)       \
    X(SERVER_FAILED, WORKER, MASTER, IPC_NO_FD, struct ipc_server_failed)         \
    X(HEALTH_PROBE, MASTER, WORKER, IPC_NO_FD, struct ipc_health_probe)           \
    X(HEALTH_PROBED, WORKER, MASTER, IPC_NO_FD, struct ipc_health_probed)         \
    X(CONNECTIONS, WORKER, MASTER, IPC_NO_FD, struct ipc_connections)             \
    X(LEASE_WANT, WORKER, MASTER, IPC_NO_FD, struct ipc_lease_want)               \
    X(LEASE, MASTER, WORKER, IPC_NO_FD, struct ipc_lease)                         \
    X(LEASE_UNWANT, WORKER, MASTER, IPC_NO_FD, struct ipc_lease_unwant)           \
    X(LEASE_UNWANTED, MASTER, WORKER, IPC_NO_FD, struct ipc_lease_unwant)         \
    X(LEASE_BACK, WORKER, MASTER, IPC_NO_FD, struct ipc_lease_back)               \
    X(RECLAIM, MASTER, WORKER, IPC_NO_FD, struct ipc_reclaim)                     \
    X(SERVER_ENDED, WORKER, MASTER, IPC_NO_FD, struct ipc_server_ended)           \
    X(SERVER_BEARS, MASTER, WORKER, IPC_NO_FD, struct ipc_server_bears)           \
    X(SLOT_WANT, WORKER, MASTER, IPC_NO_FD, struct ipc_slot_want)                 \
    X(SLOTS, MASTER, WORKER, IPC_NO_FD, struct ipc_slots)                         \
    X(SLOT_TAKE, MASTER, WORKER, IPC_NO_FD, struct ipc_slot_take)                 \
    X(SLOT_GIVEN, WORKER, MASTER, IPC_NO_FD, struct ipc_slot_given)               \
    X(TOKEN_WANT, WORKER, MASTER, IPC_NO_FD, struct ipc_token_want)               \
    X(TOKEN_FETCH, MASTER, WORKER, IPC_NO_FD, struct ipc_token_fetch)             \
    X(TOKEN_FETCHED, WORKER, MASTER, IPC_WITH_FD, struct ipc_token_fetched)       \
    X(TOKEN, MASTER, WORKER, IPC_WITH_FD, struct ipc_token)                       \
    X(PROBE, MASTER, WORKER, IPC_WITH_FD, struct ipc_probe)                       \
    X(PROBE_STEP, WORKER, MASTER, IPC_NO_FD, struct ipc_probe_step)               \
    X(PROBE_DONE, WORKER, MASTER, IPC_NO_FD, struct ipc_probe_done)               \
    X(QUERY, MASTER, WORKER, IPC_WITH_FD, struct ipc_query)                       \
    X(QUERY_ROWS, WORKER, MASTER, IPC_WITH_FD, struct ipc_query_rows)             \
    X(COMPOSE, MASTER, WORKER, IPC_WITH_FD, struct ipc_compose)                   \
    X(COMPOSED, WORKER, MASTER, IPC_NO_FD, struct ipc_composed)                   \
    X(RESCAN, MASTER, WORKER, IPC_NO_FD, struct ipc_rescan)                       \
    X(RESCANNED, WORKER, MASTER, IPC_NO_FD, struct ipc_rescanned)                 \
    X(SEGMENT_SEALED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment_sealed)       \
    X(SEGMENT_COMPACT, MASTER, WORKER, IPC_WITH_FD, struct ipc_segment_compact)   \
    X(MAIL_MOVED, WORKER, MASTER, IPC_NO_FD, struct ipc_mail_moved)               \
    X(SEGMENT_COMPACTED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment_compacted) \
    X(SEGMENT_FAILED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment)              \
    X(SEGMENT_RETIRE, MASTER, WORKER, IPC_NO_FD, struct ipc_segment)              \
    X(SEGMENT_GONE, MASTER, WORKER, IPC_NO_FD, struct ipc_segment)                \
    X(SEGMENT_RELEASED, WORKER, MASTER, IPC_NO_FD, struct ipc_segment)            \
    X(SEGMENT_REUSE, MASTER, WORKER, IPC_NO_FD, struct ipc_segment)               \
    X(DRAIN, MASTER, WORKER, IPC_NO_FD, struct ipc_empty)                         \
    X(DRAINED, WORKER, MASTER, IPC_NO_FD, struct ipc_empty)                       \
    X(HEARTBEAT, WORKER, MASTER, IPC_NO_FD, struct ipc_heartbeat)                 \
    X(ALERT, WORKER, MASTER, IPC_NO_FD, struct ipc_alert)

enum ipc_kind {
#define X(name, from, to, fd, payload) IPC_##name,
    IPC_MESSAGES(X)
#undef X
        IPC_KIND_COUNT
};

struct ipc_declaration {
    const char *name;
    enum ipc_side from, to;
    enum ipc_fd fd;
    unsigned bytes;
};

extern const struct ipc_declaration ipc_declarations[IPC_KIND_COUNT];

#endif
