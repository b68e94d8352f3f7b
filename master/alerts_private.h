/* master/alerts_private.h: one cause, for alerts.c (the list), alert_news.c (what is to be told)
 * and alert_text.c (in which words). */
#ifndef MASTER_ALERTS_PRIVATE_H
#define MASTER_ALERTS_PRIVATE_H

#include <sys/queue.h>

#include "master/alerts.h"

enum alert_news {
    ALERT_NO_NEWS,
    ALERT_NEW,
    ALERT_STILL, /* or worse */
    ALERT_OVER,
    ALERT_WAS, /* it began and ended while nothing could be told */
};

struct alert {
    TAILQ_ENTRY(alert) link;
    enum alert_kind kind;
    char object[200]; /* "" of a log line */
    char process[16];
    char module[32];
    char text[512];
    json_int_t number, count;  /* it was heard, or began, so often */
    int64_t first_ms, last_ms; /* wall time, as all here */
    int64_t since_ms;          /* it stands, or stood last */
    int64_t ended_ms;          /* 0: it stands, or it is a log line */
    int level;
    bool is_seen;       /* in this round */
    bool is_remembered; /* it stood before a restart, and was not found again yet */
    bool has_cause;     /* a log line about what is another cause */

    int64_t mailed_ms;  /* when it was last told that it is so, 0: never */
    int64_t told_since; /* which standing that was about ... */
    int told_level;
    json_int_t told_count;
    bool is_end_told; /* ... and whether its end was told, too */
    bool is_owed;     /* it is over and was never told, though it was time */
    struct {          /* in a mail that is under way */
        enum alert_news news;
        int64_t since_ms;
        int level;
        json_int_t count;
    } mail;
};

TAILQ_HEAD(alert_list, alert);

struct alerts {
    struct alert_list list; /* the one that began, or was heard, last is first */
    unsigned count;
    json_int_t last_number;
    int64_t (*wall_ms)(void);
    int64_t repeat_ms;
    int64_t grace_until_ms;
    bool has_changed;
};

struct alert_row {
    const char *name;
    const char *subject; /* for people */
    int64_t settle_ms;   /* it must stand for so long before it is news */
    bool repeats;        /* it is told again and again while it stands */
};

extern const struct alert_row alert_rows[ALERT_KIND_COUNT];

enum alert_news alert_news(const struct alerts *alerts, const struct alert *alert);
/* It is over now. */
void alert_end(const struct alerts *alerts, struct alert *alert);
/* It goes into a mail, which has left or not. */
void alert_put_in_mail(struct alert *alert, enum alert_news news);
void alert_mail_ended(const struct alerts *alerts, struct alert *alert, bool has_left);

#endif
