/* common/rule.h: security rules (SR01 to SR05): which profile a recipient's mail goes through.
 *
 * JSON in, a checked struct out, and back; and the match, which workers run at RCPT and the master
 * runs for "which rule" (SR06). References are names in an editor's JSON, ids in the record. */
#ifndef COMMON_RULE_H
#define COMMON_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/problem.h"
#include "common/reason.h"
#include "common/stage.h"

struct sockaddr;

enum rule_on_blocked { BLOCKED_QUARANTINE, BLOCKED_REJECT, BLOCKED_PASS_WITH_HEADER };
enum rule_scan_unavailable { SCAN_UNAVAILABLE_DEFER, SCAN_UNAVAILABLE_PASS_WITH_HEADER };
enum rule_upload_unavailable { UPLOAD_UNAVAILABLE_DEFER, UPLOAD_UNAVAILABLE_SKIP };
enum rule_links { LINKS_NONE, LINKS_HEADER, LINKS_TEXT_PART };

#define RULE_MAX_CLIENTS  256U
#define RULE_MAX_PATTERNS 1000U /* of senders, and of recipients */
#define RULE_MAX_SHARES   100U
#define RULE_MAX_RULES    1000U /* in a set */

struct rule_network {
    unsigned char address[16]; /* IPv4 as IPv4-mapped */
    unsigned prefix;           /* of these 128 bits: 96 to 128 for IPv4 */
    bool is_ipv4;              /* ::/0 is not for IPv4 clients, 0.0.0.0/0 is */
};

struct rule_pattern {    /* "*@example.net", "user@*", exact, "*" */
    char *local;         /* without quotes; NULL: any */
    char *domain;        /* lower case, A-labels; NULL: any */
    bool is_null_sender; /* "<>" */
};

struct rule {
    uint32_t id;
    uint64_t version;
    char *name;
    bool enabled;
    bool hidden; /* deleted, but mail that waits still needs it (SP53): matches nothing */
    bool allow_open_relay;
    bool verify_recipients;
    struct rule_network *clients;
    struct rule_pattern *senders, *recipients;
    size_t client_count, sender_count, recipient_count;
    uint32_t relay, core, vault; /* profile ids; 0: none */
    struct {
        enum rule_on_blocked on_blocked;
        enum rule_scan_unavailable on_unavailable;
        bool add_headers;
        char *workflow;
    } scan;
    struct {
        enum rule_upload_unavailable on_unavailable;
        char *expires; /* "dd:hh:mm:ss" as Vault wants it; NULL: Vault's own default */
        char **share_with;
        size_t share_with_count;
        enum rule_links links;
    } upload;
};

/* Finds a profile by its name for a reference: 0 and its id and type, or -ENOENT. */
typedef int rule_find_profile(const char *name, uint32_t *ret_id, int *ret_type, void *arg);
/* The name of a profile, NULL if there is none. */
typedef const char *rule_profile_name(uint32_t id, void *arg);

/* What an editor sent, every mistake at once. `id` and `version` are the caller's to set. NULL when
 * `problems` has errors or memory is short. */
struct rule *rule_from_input(const json_t *input, rule_find_profile *find, void *arg,
                             struct problems *problems);
/* "v": 1. -EBADMSG with the reason for what was not written so. */
int rule_from_record(const json_t *record, struct rule **ret_rule, struct reason *reterr_why);
json_t *rule_to_record(const struct rule *rule);
json_t *rule_to_shown(const struct rule *rule, rule_profile_name *name_of, void *arg);
void rule_free(struct rule **rule);

/* The profile of one stage of its mail (common/stage.h), 0: it has no such stage. The relay is that
 * of new mail: a message may have been rerouted. */
uint32_t rule_stage_profile(const struct rule *rule, enum stage stage);

/* May its mail go on without this stage when no server takes it (SR05, on_unavailable)? */
bool rule_goes_without(const struct rule *rule, enum stage stage);

/* Why this build must defer the mail of this rule (OP09): "core", "vault". NULL: nothing. */
const char *rule_unbuilt_protection(const struct rule *rule);

/* One mailbox, local part and domain, as the setting `postmaster` wants it. 0 or -EINVAL. */
int rule_mailbox_check(const char *text, struct reason *reterr_why);

/* An ordered list and the settings that stand beside it: what a worker is given as RULES. */
struct rule_set {
    uint64_t version;
    struct rule **rules; /* in order */
    size_t count;
    size_t enabled_count; /* filled by rule_set_from_json(); whoever builds a set counts himself */
    char *postmaster;     /* mailbox, NULL: unset (SR03) */
    uint32_t postmaster_profile; /* rule 0 */
};

/* {"v": 1, "version": N, "rules": [records], "settings": {"postmaster": mailbox or null,
 * "postmaster_profile": id}} */
int rule_set_from_json(const json_t *json, struct rule_set **ret_set, struct reason *reterr_why);
json_t *rule_set_to_json(const struct rule_set *set);
void rule_set_free(struct rule_set **set);

enum rule_verdict {
    RULE_MATCH,         /* *ret_rule is it */
    RULE_POSTMASTER,    /* rule 0: the setting */
    RULE_NO_POSTMASTER, /* 451 4.3.5 */
    RULE_NONE_ENABLED,  /* 451 4.3.5 */
    RULE_NO_MATCH,      /* 550 5.7.1 */
};

/* `sender` and `recipient` are addresses without <>; "" is the null sender.
 *
 * Local parts are compared without regard to ASCII case and to quoting: RFC 5321 would allow a
 * server to tell Bob from bob, but none of note does, and a rule that "Bob"@... walks around is no
 * protection. Domains: ASCII case and IDN form do not count.
 *
 * `postmaster` without a domain is rule 0's. With a domain it is, too, if some enabled rule names
 * that domain (it is one of ours), or no rule matches; otherwise it is mail to somebody else's
 * postmaster, which an outbound rule for all domains carries like any other. */
enum rule_verdict rule_set_match(const struct rule_set *set, const struct sockaddr *client,
                                 const char *sender, const char *recipient,
                                 const struct rule **ret_rule);

#endif
