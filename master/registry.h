/* master/registry.h: profiles, rules and settings as the master knows them.
 *
 * The registry holds the current versions in memory and is the only user of the store. Reading is
 * from memory. Every change is checked against the present state, written in one LMDB transaction
 * together with its audit entry by the I/O thread, and only then becomes current, is announced to
 * the watchers (workers get the new version, SP54), and answered. Changes are serialised: a second
 * one that was checked against what the first replaced is refused with REGISTRY_STALE, not merged.
 *
 * Secrets are sealed on the way in, also in memory, and opened only on the way to a worker
 * (registry_profile_memfd) or to a connection test (registry_profile_check, registry_import_check).
 * What registry_profile() gives has none in clear. */
#ifndef MASTER_REGISTRY_H
#define MASTER_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/conf.h"
#include "common/profile.h"
#include "common/reason.h"
#include "common/rule.h"
#include "master/account.h"
#include "master/alert_settings.h"

struct io_thread;
struct loop;
struct registry;

enum registry_result {
    REGISTRY_OK,
    REGISTRY_INVALID,    /* 422: see problems */
    REGISTRY_NOT_FOUND,  /* 404 */
    REGISTRY_STALE,      /* 412: version does not match */
    REGISTRY_IN_USE,     /* 409: problems lists the rules, or counts the mail */
    REGISTRY_LAST_ADMIN, /* 409: no account would be left that may change accounts */
    REGISTRY_STORE,      /* 507/500: the store could not be written; nothing changed */
};

#define REGISTRY_MAX_PROFILES 1000U
#define REGISTRY_MAX_ACCOUNTS 1000U
#define REGISTRY_MAX_AUDIT    100000U /* entries; beyond, the oldest leave */

/* How many groups wait that need this profile or rule: asked before a delete (SP53).
 * REGISTRY_MAIL_UNKNOWN: the queue is not complete yet; nothing that mail may need is deleted. */
#define REGISTRY_MAIL_UNKNOWN UINT64_MAX
typedef uint64_t registry_mail_count(uint32_t profile, uint32_t rule, void *arg);
/* Something became current: profile 0 means the rules or settings; `gone`: it was deleted. Profiles
 * come before the rules that name them; a change of many is told over several turns of the loop. */
typedef void registry_watch_cb(uint32_t profile, bool gone, void *arg);

/* Opens <state_dir>/store and the key file (both are made at first start). A missing or wrong key
 * beside a store with secrets refuses, naming the file, changing nothing (SP61). A key rotation
 * that a crash cut off is finished. For the start: it waits for the disk. */
int registry_open(struct loop *loop, struct io_thread *io, const struct conf *conf,
                  struct registry **ret_registry, struct reason *reterr_why);
/* After a reload: what the registry has of the configuration (is there a digital ID, SP07). */
void registry_reload(struct registry *registry, const struct conf *conf);
/* The end begins: what waits is answered (REGISTRY_STORE, from inside this call), and so is all
 * that still comes, from the loop. What is with the I/O thread is finished by io_thread_free(). */
void registry_stop(struct registry *registry);

/* What became current and is still being told is told to the end, at once: for whoever is about to
 * look at everything. */
void registry_announce_rest(struct registry *registry);
void registry_free(struct registry **registry); /* after io_thread_free(); NULL inside is allowed */
void registry_set_mail_count(struct registry *registry, registry_mail_count *count, void *arg);
void registry_watch(struct registry *registry, registry_watch_cb *cb, void *arg);

/* Profiles in order of their names. The pointer is good until the next turn of the loop. */
size_t registry_profile_count(const struct registry *registry);
const struct profile *registry_profile_at(const struct registry *registry, size_t index);
const struct profile *registry_profile(const struct registry *registry, uint32_t id);
const struct profile *registry_profile_named(const struct registry *registry, const char *name);

/* Rules in order, as an editor sees them. Workers get the deleted ones that mail still needs, too,
 * behind them, hidden: they match nothing. Pointers as above. */
const struct rule_set *registry_rules(const struct registry *registry);
const struct rule *registry_rule_named(const struct registry *registry, const char *name);
/* By id; one that was deleted but that queued mail still needs is found, too. */
const struct rule *registry_rule(const struct registry *registry, uint32_t id);

/* Who asks for a change, for the audit log: "uid=0", "account=alice". */
struct registry_actor {
    char text[16 + 4 * ACCOUNT_NAME_CHARS];
};

struct registry_answer {
    enum registry_result result;
    uint32_t id;
    uint64_t version;         /* the new one */
    struct problems problems; /* errors and warnings */
    struct reason why;
    struct registry_import *import; /* of registry_import_check() */
};
typedef void registry_done_cb(struct registry_answer *answer, void *arg); /* answer: borrowed */

/* Checks an editor's profile without storing: the result has its secrets (kept ones included) in
 * clear and is what a probe is given. `id` 0: by the input's own "id", then its name (an "id" of
 * null means a new one, whose name must be free). Its version is what it expects to replace: the
 * input's, if it has one, else the present one. Returns NULL with the errors in `problems`. */
struct profile *registry_profile_check(struct registry *registry, const json_t *input, uint32_t id,
                                       struct problems *problems);

/* Stores what registry_profile_check() returned, if what it replaces is still there (and a new
 * one's name still free): otherwise REGISTRY_STALE. `if_match` 0: no further expectation. `how`
 * goes into the audit ("tested", "not tested"). `profile` is taken over. `done` never runs from
 * inside the call. */
void registry_profile_put(struct registry *registry, struct profile *profile, uint64_t if_match,
                          const char *how, const struct registry_actor *actor,
                          registry_done_cb *done, void *arg);
void registry_profile_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                             const struct registry_actor *actor, registry_done_cb *done, void *arg);

void registry_rule_put(struct registry *registry, const json_t *input, uint32_t id,
                       uint64_t if_match, const struct registry_actor *actor,
                       registry_done_cb *done, void *arg);
/* A deleted rule is kept hidden until no mail needs it and none can be under way that was matched
 * by it (smtp.session_timeout). */
void registry_rule_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg);
/* `position` counts from 1. */
void registry_rule_move(struct registry *registry, uint32_t id, unsigned position,
                        const struct registry_actor *actor, registry_done_cb *done, void *arg);

/* {"postmaster": {"mailbox": "...", "profile": "name"} or null,
 *  "alerts": {"profile": "name", "to": [...], "from": "...", and thresholds} or null} */
json_t *registry_settings_shown(const struct registry *registry);
uint64_t registry_settings_version(const struct registry *registry);
/* The setting `alerts`; unset: profile 0, and the thresholds' defaults. */
void registry_alerts(const struct registry *registry, struct alert_settings *ret_settings);
void registry_settings_put(struct registry *registry, const json_t *input, uint64_t if_match,
                           const struct registry_actor *actor, registry_done_cb *done, void *arg);

/* Was this server (by its normalised URI) drained by an operator? */
bool registry_is_drained(const struct registry *registry, uint32_t profile, const char *uri);
/* Drained, or enabled again (SP23). REGISTRY_NOT_FOUND: the profile has no such server. A server
 * that leaves its profile's list is drained no longer than until the next such order. */
void registry_server_drain(struct registry *registry, uint32_t profile, const char *uri,
                           bool is_drained, const struct registry_actor *actor,
                           registry_done_cb *done, void *arg);

/* Accounts of the console, in order of their names. Pointers as above. */
size_t registry_account_count(const struct registry *registry);
const struct account *registry_account_at(const struct registry *registry, size_t index);
const struct account *registry_account(const struct registry *registry, uint32_t id);
const struct account *registry_account_named(const struct registry *registry, const char *name);
unsigned registry_account_admins(const struct registry *registry);

enum registry_account_how {
    REGISTRY_ACCOUNT_FREELY,
    REGISTRY_ACCOUNT_KEEP_ADMIN, /* put, delete: else REGISTRY_LAST_ADMIN */
    REGISTRY_ACCOUNT_FIRST,      /* add: if there is none yet, else REGISTRY_STALE */
};

/* Is the name free (for a new account: id 0, and is there room for it)? Once more when it is
 * stored. */
bool registry_account_check(const struct registry *registry, uint32_t id, const char *name,
                            struct problems *problems);
void registry_account_add(struct registry *registry, const char *name, enum account_role role,
                          const char *hash, enum registry_account_how how,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg);
void registry_account_put(struct registry *registry, uint32_t id, const char *name,
                          enum account_role role, uint64_t if_match, enum registry_account_how how,
                          const struct registry_actor *actor, registry_done_cb *done, void *arg);
/* `expected`: the hash that is to be replaced, else REGISTRY_STALE; NULL: whatever is there. */
void registry_account_password(struct registry *registry, uint32_t id, const char *hash,
                               const char *expected, const struct registry_actor *actor,
                               registry_done_cb *done, void *arg);
void registry_account_delete(struct registry *registry, uint32_t id, uint64_t if_match,
                             enum registry_account_how how, const struct registry_actor *actor,
                             registry_done_cb *done, void *arg);
/* It has logged in: when is kept, and an entry is written. Nothing waits for it: who must see that
 * the disk is full can still log in. */
void registry_account_login(struct registry *registry, uint32_t id, const char *detail,
                            const struct registry_actor *actor);

/* What a worker is given: memfds (common/memfd.h) or negative errno. */
int registry_profile_memfd(struct registry *registry, uint32_t id);
int registry_rules_memfd(struct registry *registry);

/* [{"number", "time", "who", "what", "object", "detail"}], newest first, at most `limit`, older
 * than entry number `before` (0: from the newest). NULL: no memory, or the store cannot be read. */
json_t *registry_audit(struct registry *registry, uint64_t before, unsigned limit);
/* An entry of its own, for what is no change of the registry (a queue order). */
void registry_audit_add(struct registry *registry, const struct registry_actor *actor,
                        const char *what, const char *object, const char *detail);

/* New key beside the old, everything resealed in one transaction, old one dropped (SP61). When it
 * fails half way, everything stays readable and the next one goes on from there. */
void registry_key_rotate(struct registry *registry, const struct registry_actor *actor,
                         registry_done_cb *done, void *arg);

/* {"profiles": [...], "rules": [...], "settings": {...}}; a secret shows only as "..._set" (OP07).
 */
json_t *registry_export(const struct registry *registry);

/* An import in two steps, so that connections can be tested between them: check, then store, all
 * or nothing. Profiles and rules are found by name (ids and versions in the file are those of
 * another machine); what the file does not name stays as it is. New rules go last; a file that
 * names every rule sets their order, too. A profile left without a secret it needs becomes
 * `incomplete` (OP07). */
struct registry_import;

/* The check waits for its turn behind the changes that were asked for earlier. `done` finds the
 * import in the answer, and may take it out; REGISTRY_INVALID: the errors. */
void registry_import_check(struct registry *registry, json_t *input, registry_done_cb *done,
                           void *arg);
/* Profiles that must be tested: the incomplete ones are not among them. */
size_t registry_import_count(const struct registry_import *import);
const struct profile *registry_import_profile(const struct registry_import *import, size_t index);
/* Names of the others. */
json_t *registry_import_incomplete(const struct registry_import *import);
void registry_import_free(struct registry_import **import);

/* Takes `import` over. REGISTRY_STALE if anything changed since the check. */
void registry_import_store(struct registry *registry, struct registry_import *import,
                           const char *how, const struct registry_actor *actor,
                           registry_done_cb *done, void *arg);

/* Standing warnings for `status`: no enabled rule, no postmaster, ... An array of strings. */
json_t *registry_warnings(const struct registry *registry);

#endif
