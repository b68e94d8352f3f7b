/* worker/probe_advice.h: what a failed step of a connection test means, and what to do about it.
 *
 * Pure: words for a person who sets up a profile. */
#ifndef WORKER_PROBE_ADVICE_H
#define WORKER_PROBE_ADVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/conf.h"
#include "common/probe_step.h"
#include "common/server_uri.h"
#include "worker/rest/ask.h"
#include "worker/smtp/connection.h"

struct sockaddr;

/* The step that a point of the SMTP client belongs to; `is_smtps`: TLS comes first there. */
enum probe_step probe_step_of(enum smtp_point point, bool is_smtps);

/* Writes "what happened; what to do": what happened is cut at PROBE_SEEN_MAX bytes, so that 490 are
 * enough for both. */
#define PROBE_SEEN_MAX 300
void probe_advise(const struct server_uri *server, const struct smtp_failure *failure, char *out,
                  size_t bytes);

/* The same for a REQUEST to a Core or Vault that was not REST_OK. */
void probe_advise_rest(const struct server_uri *server, enum profile_type type, bool has_key,
                       const struct rest_found *found, char *out, size_t bytes);

/* The same for a step that was still under way after `limit_s`. */
void probe_advise_late(const struct server_uri *server, enum probe_step step, unsigned limit_s,
                       char *out, size_t bytes);

/* SP17: is `peer` a door of this very gateway? */
bool probe_is_ourselves(const struct conf *conf, const struct sockaddr *peer);

#endif
