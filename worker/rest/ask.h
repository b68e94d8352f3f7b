/* worker/rest/ask.h: is a Core or Vault there, is it one, and does it take our key? Asked by the
 * connection test (SP51) and by the probe of a server that is down (SP23).
 *
 * GET /version with the profile's key and the profile's trust, then of a Core GET /readyz, which
 * those before version 5 do not know. On a connection of its own, at most one at a time, which is
 * closed before the end is told (SP49). Nothing is uploaded. How long all of it may take is for who
 * asks to say. */
#ifndef WORKER_REST_ASK_H
#define WORKER_REST_ASK_H

#include "common/reason.h"
#include "worker/rest/judge.h"

struct http;
struct profile;
struct rest_question;

enum rest_trouble { /* what a person has to look for */
                    REST_NO_TROUBLE,
                    REST_KEY,        /* not taken, or not given */
                    REST_PLACE,      /* nothing there of that name */
                    REST_ELSEWHERE,  /* a redirect */
                    REST_OTHER_KIND, /* it answers, but not as a Core or Vault does */
                    REST_SPEAKS_TLS, /* and was spoken to in clear */
                    REST_NOT_READY,  /* busy, or says so itself */
                    REST_BROKEN,     /* another 5xx */
                    REST_SILENT,
                    REST_LOST,      /* closed, reset, or what comes is not HTTP */
                    REST_UNTRUSTED, /* TLS, which had gone well before */
                    REST_OURS,      /* memory, or a profile that cannot be asked with */
};

struct rest_found {
    enum rest_word word;
    enum rest_trouble trouble; /* REST_NO_TROUBLE if and only if REST_OK */
    const char *text;          /* what was seen, for people; of the key nothing */
};

/* Runs once, never from inside a call; the question is over. */
typedef void rest_found_cb(const struct rest_found *found, void *arg);

/* The profile is borrowed until then. 0, or a negative errno with the reason and nothing begun. */
int rest_ask(struct http *http, const struct profile *profile, unsigned server, rest_found_cb *done,
             void *arg, struct rest_question **ret_question, struct reason *reterr_why);
/* Its connection is closed at once. NULL inside is allowed; sets NULL. */
void rest_cancel(struct rest_question **question);

#endif
