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

struct sockaddr;

enum rule_on_blocked { BLOCKED_QUARANTINE, BLOCKED_REJECT, BLOCKED_PASS_WITH_HEADER };
enum rule_scan_unavailable { SCAN_UNAVAILABLE_DEFER, SCAN_UNAVAILABLE_PASS_WITH_HEADER };
enum rule_upload_unavailable { UPLOAD_UNAVAILABLE_DEFER, UPLOAD_UNAVAILABLE_SKIP };
enum rule_links { LINKS_NONE, LINKS_HEADER, LINKS_TEXT_PART };

struct rule_network {
    unsigned char address[16]; /* IPv4 as IPv4-mapped */
    unsigned prefix;           /* 0 to 128 */
    bool is_ipv4;
};

struct rule_pattern { /* "*@example.net", "user@*", exact, "*" */
    char *local;  /* NULL: any */
    char *domain; /* lower case, A-labels; NULL: any */
    bool is_null_sender; /* "<>" */
};

struct rule {
    uint32_t id;
    uint64_t version;
    char *name;
    bool enabled;
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
        char *expires; /* "dd:hh:mm:ss" as Vault wants it */
        char **share_with;
        size_t share_with_count;
        enum rule_links links;
    } upload;
};

/* Finds a profile by its name for a reference: 0 and its id and type, or -ENOENT. */
typedef int rule_find_profile(const char *name, uint32_t *ret_id, int *ret_type, void *arg);
/* The name of a profile, NULL if there is none. */
typedef const char *rule_profile_name(uint32_t id, void *arg);

struct rule *rule_from_input(const json_t *input, rule_find_profile *find, void *arg,
                             struct problems *problems);
int rule_from_record(const json_t *record, struct rule **ret_rule, struct reason *reterr_why);
json_t *rule_to_record(const struct rule *rule);
json_t *rule_to_shown(const struct rule *rule, rule_profile_name *name_of, void *arg);
void rule_free(struct rule **rule);

/* An ordered list and the settings that stand beside it: what a worker is given as RULES. */
struct rule_set {
    uint64_t version;
    struct rule **rules; /* in order */
    size_t count;
    size_t enabled_count;
    char *postmaster;            /* mailbox, NULL: unset (SR03) */
    uint32_t postmaster_profile; /* rule 0 */
};

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

/* `sender` and `recipient` are addresses without <>; "" is the null sender. */
enum rule_verdict rule_set_match(const struct rule_set *set, const struct sockaddr *client,
                                 const char *sender, const char *recipient,
                                 const struct rule **ret_rule);

#endif
