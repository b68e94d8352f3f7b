/* common/profile.h: a server profile (SP01 to SP11, SP4A).
 *
 * JSON in, a checked struct out, and back. Every mistake is reported at once (common/problem.h).
 * One table of properties in profile_property.c says for each: name, types that have it, default,
 * range, whether it is secret, whether its effect is built (common/feature.h).
 *
 * Three JSON forms: what an editor sends and is shown (secrets write-only: "password_set": true),
 * what the store keeps (secrets sealed, put in and taken out by the store), and what a worker gets
 * (secrets in clear, through a sealed memfd only). */
#ifndef COMMON_PROFILE_H
#define COMMON_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/problem.h"
#include "common/server_uri.h"

#define PROFILE_MAX_SERVERS 64

enum profile_preference { PREFERENCE_FAILOVER, PREFERENCE_ROUND_ROBIN };
enum profile_encryption { ENCRYPTION_NONE, ENCRYPTION_OPTIONAL, ENCRYPTION_REQUIRED };
enum profile_grant { GRANT_NONE, GRANT_CLIENT_CREDENTIALS, GRANT_REFRESH_TOKEN };

enum profile_secret { /* the write-only properties */
                      SECRET_PASSWORD,
                      SECRET_API_KEY,
                      SECRET_OAUTH_CLIENT_SECRET,
                      SECRET_OAUTH_REFRESH_TOKEN,
                      SECRET_COUNT
};

struct profile_timeouts { /* seconds, 1 to 3600 */
    unsigned connect_s, greeting_s, handshake_s, command_s, data_block_s, end_of_data_s;
    unsigned transfer_s, result_s; /* core, vault */
};

struct profile_retry {
    unsigned first_s, max_s, lifetime_s, warn_s;
    double factor;
};

struct profile {
    uint32_t id;      /* 0: not stored yet */
    uint64_t version; /* 0: not stored yet */
    enum profile_type type;
    char *name;      /* NFC, trimmed */
    bool incomplete; /* imported without a secret it needs (OP07): its mail is deferred */

    struct server_uri *servers;
    size_t server_count;
    enum profile_preference preference;
    enum profile_encryption encryption;

    char *username;              /* NULL: none */
    char *secrets[SECRET_COUNT]; /* in clear, NULL: none or not present in this form */
    bool secret_set[SECRET_COUNT];
    struct {
        enum profile_grant grant;
        char *client_id, *token_url, *scope, *user;
    } oauth;

    bool client_certificate;
    bool verify_certificate;
    char *ca; /* PEM, NULL: none */

    struct {
        bool enabled;
        unsigned size, expiry_s;
    } pool;
    unsigned max_connections; /* per server over all workers, 0: no limit */
    unsigned max_lifetime_s;  /* 0: none */
    unsigned max_messages;    /* per connection, 0: none */
    unsigned max_recipients;  /* per transaction */
    unsigned max_in_flight;   /* messages; default 20 x servers */
    struct profile_timeouts timeouts;
    struct profile_retry retry;
    char *source_address; /* NULL: system's */
    char *ehlo_name;      /* NULL: the configured hostname */
    char *link_base;      /* core; NULL: none */
};

/* What an editor sent. `stored` is the version it would replace (NULL: a new one): a secret left
 * out is kept from it, if SP60's binding holds; null removes it. Secrets arrive in clear in
 * ret_profile->secrets; a kept one is only marked in secret_set (its clear text, if `stored` has
 * it, is copied). Returns NULL when `problems` has errors or memory is short. */
struct profile *profile_from_input(const json_t *input, const struct profile *stored,
                                   struct problems *problems);

/* The same for an import (OP07): a secret that the profile needs and that is neither given nor kept
 * under SP60's binding is no error but makes the result `incomplete`, with a warning. */
struct profile *profile_from_import(const json_t *input, const struct profile *stored,
                                    struct problems *problems);

/* SP07, which needs to know the configuration: adds the error when the input wants a client
 * certificate and the appliance has none. Call it beside either of the two above. */
void profile_check_digital_id(const json_t *input, bool has_digital_id, struct problems *problems);

/* What the store keeps and the worker gets; both were written by us: no defaults, no warnings.
 * -EBADMSG with the reason if it is not so (an older or newer version of the format). Secrets in
 * clear are taken where they are in place ("password", "oauth": {"client_secret"}); a member
 * "sealed" is the store's own and passed over; anything else unknown is refused. */
int profile_from_record(const json_t *record, struct profile **ret_profile,
                        struct reason *reterr_why);

enum profile_form {
    PROFILE_FORM_SHOWN,  /* "password_set", "not_in_effect": [...]; no secrets */
    PROFILE_FORM_RECORD, /* without secrets; "v": 1; "password_set" and so on stay */
    PROFILE_FORM_WORKER, /* RECORD with secrets in clear */
};
json_t *profile_to_json(const struct profile *profile, enum profile_form form);

void profile_free(struct profile **profile); /* wipes secrets */

const char *profile_type_name(enum profile_type type);
/* "smtp", "core", "vault" or "mft". -1: none of them. */
int profile_type_parse(const char *text);
const char *profile_secret_name(enum profile_secret secret); /* "oauth.client_secret" */

/* The form in which two names are compared: NFC, case-folded (SP02). free(). NULL: not UTF-8. */
char *profile_name_key(const char *name);

/* Why this build must defer this profile's mail instead of sending it without a protection that
 * was asked for (OP09): "starttls_required", "smtps", "credentials", "oauth",
 * "client_certificate", "core", "vault", "incomplete". NULL: nothing in the way for `server`. */
const char *profile_unbuilt_protection(const struct profile *profile, size_t server);

#endif
