/* common/ipc_mail.h: what master and workers say of a message: that it is stored, that it is to be
 * scanned, uploaded or delivered, and what came of it; what is in it; and one to be made here. */
#ifndef COMMON_IPC_MAIL_H
#define COMMON_IPC_MAIL_H

#include <stdint.h>

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

#endif
