/* master/control/access.h: what log-ins at the console need: hashes, sessions, limits, the code of
 * the first start.
 *
 * Begins, ends and failures of log-ins are logged and audited here; failures at a bounded rate, as
 * anybody can make them. */
#ifndef MASTER_CONTROL_ACCESS_H
#define MASTER_CONTROL_ACCESS_H

#include <stdbool.h>

#include <jansson.h>

#include "common/conf.h"
#include "master/control/first_code.h"
#include "master/control/login_limit.h"
#include "master/control/sessions.h"
#include "master/hasher.h"
#include "master/registry.h"

struct loop;

struct access {
    struct loop *loop;
    struct registry *registry;
    struct hasher *hasher; /* NULL once the end has begun */
    struct sessions *sessions;
    struct login_limit *limit;
    struct first_code first;
    struct loop_timer *expiry;
    bool has_console;
    bool is_plain;    /* console.plain_http */
    bool is_in_clear; /* and beyond this machine */
    int64_t log_quiet_until_ms, audit_quiet_until_ms;
    unsigned failed_since_line, failed_since_entry;
};

/* While there is a console and no account the code of the first start is made and logged. 0 or a
 * negative errno.
 */
int access_new(struct loop *loop, struct registry *registry, const struct conf *conf,
               struct access **ret_access);
void access_reload(struct access *access, const struct conf *conf);
/* Hashes under way are finished, those that wait given up: their callbacks run from inside. */
void access_stop(struct access *access);
void access_free(struct access **access); /* NULL inside is allowed */

/* By a Cookie header (NULL: there is none), with its account as it is now. NULL: none; good until
 * the next turn of the loop. */
const struct session *access_session(struct access *access, const char *cookies,
                                     const struct account **ret_account);
void access_touch(struct access *access, const struct session *session);

/* A log-in: NULL when there is no randomness. */
const struct session *access_begin(struct access *access, const struct account *account,
                                   const char *client, char out_token[RANDOM_TOKEN_SIZE]);

/* Somebody could not log in. `account`: NULL if there is none of the name that was given, which is
 * not said: it may be a password in the wrong field. `what`: "log-in failed", ... */
void access_failed(struct access *access, const char *what, const struct account *account,
                   const char *client);

/* Accounts have changed: is there still, or again, a first one to be made? */
void access_look(struct access *access);

/* For `status`, as long as they are true. */
void access_warn(const struct access *access, json_t *warnings);

#endif
