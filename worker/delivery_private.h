/* worker/delivery_private.h: a job and what the parts of the delivery do with it.
 *
 *   delivery.c         jobs come, are cut, and go
 *   delivery_begin.c   what a job is about
 *   delivery_walk.c    from server to server: resolve, connect, next
 *   delivery_talk.c    transactions, and what their results mean for the recipients
 *   delivery_visit.c   a scan or an upload: the message taken apart, a server asked
 *   delivery_scan.c    what a Core says of it, and what follows (CO01, SR05)
 *   delivery_upload.c  what a Vault has of it (VA01)
 *   delivery_record.c  outcomes into cells
 *   delivery_settle.c  the end of an attempt: cell, note, outcome
 *   delivery_trim.c    large messages, and the memory that they seem to take
 *   delivery_trail.c   what is kept of the attempt for people
 *   delivery_note.c    the note's JSON
 */
#ifndef WORKER_DELIVERY_PRIVATE_H
#define WORKER_DELIVERY_PRIVATE_H

#include <stdbool.h>
#include <sys/queue.h>

#include <jansson.h>

#include "common/cell.h"
#include "common/stage.h"
#include "worker/delivery.h"
#include "worker/outgoing.h"
#include "worker/smtp/connection.h"
#include "worker/smtp/pool.h"
#include "worker/smtp/transaction.h"
#include "worker/trail.h"

struct loop_timer;
struct message;
struct smtp_failure;
struct visit;
struct worker_profile;

#define DELIVERY_JOBS_KEPT 64 /* job structs kept for the next ones */

/*   to relay:         (READING ->) WALKING -> TALKING -> WALKING ... -> NOTING (-> RECORDING)
 *   to scan, upload:  (READING ->) PARTING -> WALKING -> VISITING (-> SAVING -> VISITING ...)
 *                     -> WALKING ... -> NOTING (-> RECORDING) */
enum job_stage {
    JOB_READING,   /* the message is being brought into memory, or a large one is looked at */
    JOB_PARTING,   /* the message is being taken apart */
    JOB_WALKING,   /* looking for a connection */
    JOB_TALKING,   /* a transaction is under way */
    JOB_VISITING,  /* a scan or an upload is under way */
    JOB_SAVING,    /* the same, and its progress is being written */
    JOB_NOTING,    /* the attempt is over; its note is being written */
    JOB_RECORDING, /* it is over, but its cell could not be written yet */
};

enum recipient_fate {            /* of an open recipient, in this attempt */
                      FATE_NONE, /* still to be tried */
                      FATE_DEFERRED,
                      FATE_LOST, /* may have been delivered */
};

struct recipient {
    const char *address; /* the message's */
    char *text;          /* the last reply, or what happened; NULL: nothing to tell */
    char enhanced[16];
    uint16_t code;
    int8_t server; /* that said so, -1: none */
    uint8_t state; /* enum cell_recipient */
    uint8_t fate;  /* enum recipient_fate */
    bool has_news; /* since the last note */
};

struct job;
typedef void job_saved_cb(struct job *job);

struct job {
    TAILQ_ENTRY(job) link;
    struct delivery *delivery; /* NULL: it is gone, only a note under way still knows the job */
    struct ipc_mail_deliver order;
    enum job_stage stage;
    struct message *message;
    struct worker_profile *profile; /* NULL: not known here */
    struct worker_profile *relay;   /* where it will go in the end; NULL: there now, or not known */
    struct visit *visit;            /* of a scan or an upload, NULL: it is none */
    struct loop_timer *deadline;
    struct read_ahead *read_ahead; /* reading: one of the two */
    struct message_check *check;
    size_t trimmed_bytes; /* delivery_trim.c: of the body, in the pass under way */

    /* The group's recipients, and those of the transaction under way. */
    struct recipient *recipients;
    struct smtp_rcpt *batch;
    uint32_t *batch_of; /* index of each in `recipients` */
    uint32_t count, capacity;

    /* The walk. */
    uint64_t tried, failed, unfit;        /* servers, bit = index */
    int server;                           /* the one at hand, -1: none */
    int served;                           /* the first that took or judged the message, -1: none */
    bool is_reused;                       /* the connection came from the pool, or another job */
    unsigned first_address;               /* of the answer, to begin with */
    unsigned next_address, address_count; /* after the one being talked to */
    struct resolver_query *query;
    struct resolver_answer *answer;
    bool has_lease; /* the one it came with, for the server order.leased */
    struct smtp_ticket ticket;
    struct smtp_connection *connection;
    struct smtp_transaction transaction;
    struct outgoing outgoing; /* what is written into it on its way out */
    const char *lacks;        /* what unfit servers do not offer */

    /* What will be told of it. */
    struct trail trail; /* empty while there is nothing to tell */
    uint64_t passed;    /* servers that it says were passed over */
    char why[400];      /* the last that happened, in words */
    json_t *note;       /* the one that earlier attempts left, NULL: none */
    json_t *told[2];    /* STAGE_SCAN, STAGE_UPLOAD: of each what is known, NULL: nothing */
    int64_t began_ms, server_began_ms, asked_ms, talk_ms;
    enum trail_pool came_by;               /* the connection at hand */
    char protection[SMTP_PROTECTION_SIZE]; /* of it, "": it is in clear, as it should be */
    struct trail_times times;
    bool has_changed; /* recipients' states, since the cell was written */
    bool is_final;    /* the cell says DONE or FAILED */
    job_saved_cb *saved;
    bool is_unrecorded;  /* the cell could not be written */
    bool is_called_back; /* by the master, while it could not be cut */
    unsigned advance;    /* enum cell_flag: what the end of the attempt adds, 0: nothing */
    struct ipc_mail_outcome outcome;
};

struct delivery {
    struct loop *loop;
    struct channel *channel;
    const struct conf *conf;
    struct directory *directory;
    struct segment_cache *cache;
    struct spooler *spooler;
    struct resolver *resolver;
    struct smtp_pool *pool;
    struct http *http;
    struct body_work *body_work;
    TAILQ_HEAD(, job) jobs;
    TAILQ_HEAD(, job) spare;
    unsigned job_count, spare_count;
    struct delivery_figures figures;
    struct loop_timer *record_timer, *pause_timer, *trim_timer;
    unsigned unrecorded; /* jobs whose cell could not be written: all others pause */
    struct loop_timer *drained_timer;
    delivery_drained_cb *drained;
    void *drained_arg;
    bool is_draining;
};

/* ---- delivery.c ---- */

/* The job is over: its outcome leaves. */
void job_end(struct job *job);
/* What belongs to it goes, and so does it: it is in no list. */
void job_forget(struct job *job);

/* Until the attempt is over, in ms; 0: it is. */
int64_t job_time_left(const struct job *job);

/* After a pause of its own, in which it could not be cut: false, it has been now. */
bool job_may_go_on(struct job *job);

/* ---- delivery_trim.c ---- */

/* While it has a large message, what was read of it is let go again and again. */
void job_trim(struct job *job);
void delivery_on_trim_timer(void *arg);

/* ---- delivery_begin.c ---- */

/* Opens the message, if it is old once it is in memory, and walks; or ends the job. */
void job_begin(struct job *job);
const char *job_ehlo_name(const struct job *job);

/* ---- delivery_walk.c ---- */

/* Goes to the next server, or ends the attempt when there is none left. */
void job_walk(struct job *job);
/* Behind the server at hand there is one that may be tried. */
bool job_has_another(const struct job *job);
/* The server at hand failed in SP22's sense; goes on to the next. */
void job_server_failed(struct job *job, unsigned code, const char *what);
/* The lease that it came with is the pool's: used at once, or given back. */
void job_return_lease(struct job *job);
/* A fresh connection to the server at hand, beginning with its address `first`. */
void job_reconnect(struct job *job, unsigned first);
/* Lets go of connection, ticket and query, at once. */
void job_disconnect(struct job *job);

/* Before anything was said to the server at hand: it has failed, unless it is not to blame. */
void job_cannot_begin(struct job *job, int err, const char *what);
/* There is no connection for it to be had. */
void job_connection_failed(struct job *job, const struct smtp_failure *failure);

/* ---- delivery_visit.c ---- */

/* Takes the message apart, and walks with what is in it. */
void job_take_apart(struct job *job);
/* The server at hand is to scan, or to take the upload. */
void job_visit(struct job *job);
/* What was said there is over: its connection is closed. */
void job_leave(struct job *job);
/* Nobody can do it now: true if the rule lets the message go on without (SR05). */
bool job_goes_without(struct job *job);
void visit_free(struct visit **visit);

/* ---- delivery_talk.c ---- */

void job_talk(struct job *job);
/* The connection at hand was lost, or cut, after the end of data (SP22). */
void job_lost(struct job *job, const char *what);
/* Some recipient has no fate in this attempt yet. */
bool job_has_more(const struct job *job);

/* ---- delivery_record.c ---- */

/* Brings the recipients' states into the cell and writes it, if they have changed. */
void job_record(struct job *job);
void job_write_cell(struct job *job); /* the cell as it is */
void job_make_final(struct job *job); /* nobody is left */
uint32_t job_count_open(const struct job *job);
void delivery_on_record_timer(void *arg);

/* ---- delivery_settle.c ---- */

/* Reads what earlier attempts left: cell and note. */
void job_read_recipients(struct job *job);
/* The attempt is over; whoever is still open is deferred, or expired. */
void job_settle(struct job *job);
/* Neither failure nor attempt: come again. But when somebody was judged already it is an attempt,
 * and `what` is why the rest waits for the next. */
void job_settle_no_room(struct job *job, const char *what);
/* The same, for want of a connection: the master knows who has one. */
void job_settle_busy(struct job *job, const char *what);
/* The stage is over, and with it the attempt: `flags` are added to the cell's. */
void job_advance(struct job *job, unsigned flags);
/* A final no of ours to everybody who is open. */
void job_reject(struct job *job, const char *what);
/* Writes a note while the attempt goes on; `done` runs when it is in the cell. If it cannot be
 * written the attempt ends as if it had never been: what nobody knows of would be done again. */
void job_save(struct job *job, job_saved_cb *done);

/* ---- delivery_trail.c ---- */

/* One more step of the trail, about the server at hand, which also becomes `why`. */
void job_trail(struct job *job, enum trail_result result, unsigned code, const char *what);
/* The walk has come to the server at hand, or to its end: whom it passed over. */
void job_trail_passed(struct job *job);
/* A server is begun with; another connection to it is wanted; it is asked for; it is there. */
void job_time_server(struct job *job);
void job_time_again(struct job *job);
void job_time_asked(struct job *job);
void job_time_connected(struct job *job, bool is_reused);
/* The transaction is over. */
void job_time_talked(struct job *job);

/* ---- delivery_note.c ---- */

/* The whole note as text (free()), NULL: no memory. */
char *job_note_text(struct job *job, const char *outcome);
const struct profile *job_profile(const struct job *job); /* NULL: not known here */
/* "smtp://10.0.0.1:25", "" for -1. */
const char *job_server_text(const struct job *job, int server);

#endif
