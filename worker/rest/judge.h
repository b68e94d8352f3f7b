/* worker/rest/judge.h: what the answers of a MetaDefender Core or Vault mean, in one place for all
 * who ask them something: uploads, scans, the connection test and the probe of one that is down.
 *
 * Their documentation does not agree with itself about 401 and 403 (a Vault's 401 is also a wrong
 * parameter): both mean that what is asked is not granted, and that asking again does not help.
 * What is said in a body is JSON of this or that form, or HTML of what stands in front. Pure. */
#ifndef WORKER_REST_JUDGE_H
#define WORKER_REST_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/reason.h"

struct http_answer;

enum rest_word {
    REST_OK,      /* 2xx */
    REST_REFUSED, /* 401, 403: our key, or what it may do */
    REST_NO,      /* other 4xx: about what was asked */
    REST_BUSY,    /* 408, 429, 503: another server may have room */
    REST_FAILED,  /* other statuses, no answer, no HTTP */
    REST_SHORT,   /* our own trouble */
};

enum rest_word rest_judge(const struct http_answer *answer);

/* The body is a page for people. */
bool rest_is_page(const struct http_answer *answer);

/* `text` for a person: printable ASCII, anything else as "?", cut at the end; "" if it holds
 * `secret` (NULL: there is none): some servers repeat what they refuse. `bytes` at least 1. */
void rest_clean(const char *text, const char *secret, char *out, size_t bytes);

/* What happened, for a person: "it answered 403: Access denied", with the server's own words where
 * `body` (NULL: it is no JSON) has them as {"err": ...}, {"message": ...} or the like, also in a
 * list; "it answered 404"; or why there was no answer. Never `secret`. */
void rest_say(const struct http_answer *answer, const json_t *body, const char *secret,
              struct reason *out);

#endif
