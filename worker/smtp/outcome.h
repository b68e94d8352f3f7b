/* worker/smtp/outcome.h: what everything that can happen in an SMTP talk means for the mail (SP22).
 * Pure: one table over (point, event), and the three rules of its order of judgement.
 *
 * `point` is how far the talk had got, `event` what came, `situation` the rest that matters. The
 * verdict is about one recipient at SMTP_AT_RCPT, about the transaction's accepted recipients
 * elsewhere. */
#ifndef WORKER_SMTP_OUTCOME_H
#define WORKER_SMTP_OUTCOME_H

#include <stdbool.h>

struct smtp_reply;

enum smtp_point {
    SMTP_AT_CONNECT, /* looking up the name, connecting */
    SMTP_AT_GREETING,
    SMTP_AT_EHLO,
    SMTP_AT_HELO, /* after EHLO was refused */
    SMTP_AT_STARTTLS,
    SMTP_AT_TLS, /* the handshake */
    SMTP_AT_CERTIFICATE,
    SMTP_AT_AUTH,
    SMTP_AT_RSET, /* clears away an earlier transaction */
    SMTP_AT_MAIL,
    SMTP_AT_RCPT,
    SMTP_AT_DATA,
    SMTP_AT_BODY, /* the content is leaving, its last octets have not */
    SMTP_AT_END,  /* the last octets have left */
    SMTP_POINT_COUNT
};

enum smtp_event {
    SMTP_SAID_OK,         /* 2xx */
    SMTP_SAID_GO_AHEAD,   /* 354 */
    SMTP_SAID_ODD,        /* other 3xx */
    SMTP_SAID_CLOSING,    /* 421 */
    SMTP_SAID_SYSTEM,     /* 4xx that speaks of the system: 4.3.x, 432, 451 4.7.500 */
    SMTP_SAID_TOO_MANY,   /* recipients: 452 4.5.3, 552 x.5.3 */
    SMTP_SAID_452,        /* without enhanced code: too many recipients, or no space */
    SMTP_SAID_LATER_BARE, /* other 4xx without enhanced code */
    SMTP_SAID_LATER,      /* other 4xx */
    SMTP_SAID_NO,         /* 5xx */
    SMTP_GARBAGE,         /* no reply in SMTP's sense */
    SMTP_UNREACHABLE,     /* no address, refused, no route */
    SMTP_CUT,             /* connection lost */
    SMTP_TIMED_OUT,
    SMTP_UNSAFE, /* no TLS where it is required, or not with whom it should be */
    SMTP_SHORT,  /* this side has no memory or descriptors for it (common/shortage.h) */
    SMTP_EVENT_COUNT
};

enum smtp_verdict {
    SMTP_GO_ON,     /* the talk continues; a recipient: accepted */
    SMTP_FALL_BACK, /* to HELO */
    SMTP_DELIVERED,
    SMTP_REFUSED,            /* for good */
    SMTP_DEFERRED,           /* this attempt is over for them */
    SMTP_DEFERRED_BY_SYSTEM, /* of a recipient: if all are, the server failed */
    SMTP_SPLIT,              /* of a recipient: not now, but at once in another transaction */
    SMTP_FAILED,             /* the server failed: try the next */
    SMTP_LOST,               /* after the end of data: may have been taken; deferred, no next */
    SMTP_NO_ROOM,            /* too many connections while another is open (SP49); a shortage */
    SMTP_RESTART,            /* the reused connection was dead: again on a fresh one (SP48) */
    SMTP_VERDICT_COUNT
};

struct smtp_situation {
    bool is_reused;   /* the connection came from the pool */
    bool is_crowded;  /* another connection to this server is open */
    bool is_too_many; /* the reply can mean "too many connections": smtp_reply_is_crowding() */
    bool is_after_accepted; /* an earlier recipient of this transaction was accepted */
};

enum smtp_event smtp_event_of(const struct smtp_reply *reply);

/* 421, x.3.2, 432 or 4.7.0. */
bool smtp_reply_is_crowding(const struct smtp_reply *reply);

enum smtp_verdict smtp_judge(enum smtp_point point, enum smtp_event event,
                             const struct smtp_situation *situation);

/* After the last RCPT: GO_ON if one was accepted, FAILED if every one was deferred by the system,
 * otherwise DEFERRED: each has its own verdict and nothing is left for this transaction. */
struct smtp_rcpt_counts {
    unsigned asked, accepted, by_system;
};
enum smtp_verdict smtp_judge_rcpts(const struct smtp_rcpt_counts *counts);

const char *smtp_point_name(enum smtp_point point); /* "greeting", "end of data", ... */
const char *smtp_event_name(enum smtp_event event); /* "connection lost", ... */
const char *smtp_verdict_name(enum smtp_verdict verdict);

#endif
