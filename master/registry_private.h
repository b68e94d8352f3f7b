/* master/registry_private.h: how the registry is cut.
 *
 *   registry.c           opened, stopped, closed; watchers
 *   registry_load.c      what the store holds becomes the state; keys; a rotation that was cut off
 *   registry_secret.c    a profile with its secrets sealed
 *   registry_state.c     what the registry holds at one moment
 *   registry_draft.c     the next state, made from the present one
 *   registry_change.c    the one road of every change: serialised, one transaction, audited
 *   registry_announce.c  watchers hear of it
 *   registry_write.c     what a change writes
 *   registry_profile.c   profiles: found, checked, put, deleted
 *   registry_rule.c      rules: found, put, moved, deleted, forgotten
 *   registry_settings.c  settings; standing warnings
 *   registry_alerts.c    those of alerts
 *   registry_drain.c     servers that an operator has drained
 *   registry_account.c   who may use the console
 *   registry_export.c    what goes into a file
 *   registry_import.c    what comes out of one
 *   registry_audit.c     who changed what
 *   registry_rotate.c    a new key
 *   registry_worker.c    what a worker is given */
#ifndef MASTER_REGISTRY_PRIVATE_H
#define MASTER_REGISTRY_PRIVATE_H

#include <sys/queue.h>

#include "common/secret.h"
#include "master/registry.h"
#include "master/store.h"

#define REGISTRY_FORMAT      1    /* "v" of every stored value */
#define REGISTRY_MAX_WAITING 1000 /* changes that wait for their turn */
#define REGISTRY_WATCHERS    8

#define REGISTRY_ACCOUNT_COUNTERS "accounts" /* a key of the table meta */

/* ---- one profile, one rule ---- */

struct registry_profile {
    struct profile *profile; /* no secret in clear */
    char *key;               /* its name as it is compared */
    char *sealed[SECRET_COUNT];
};

struct registry_rule {
    struct rule *rule;
    char *key;
    int64_t hidden_ms; /* since when, monotonic */
};

/* Seals what `profile`, which stays the caller's, has in clear. NULL: no memory or randomness. */
struct registry_profile *registry_profile_seal(const struct secret_keys *keys,
                                               const struct profile *profile);
struct registry_profile *registry_profile_reseal(const struct secret_keys *keys,
                                                 const struct registry_profile *entry);
/* A copy with its secrets in clear. */
int registry_profile_open(const struct secret_keys *keys, const struct registry_profile *entry,
                          struct profile **ret_profile, struct reason *reterr_why);
json_t *registry_profile_to_record(const struct registry_profile *entry);
int registry_profile_from_record(const json_t *record, struct registry_profile **ret_entry,
                                 struct reason *reterr_why);
void registry_profile_free(struct registry_profile *entry);

struct registry_rule *registry_rule_new(struct rule *rule); /* takes `rule` over, also if NULL */
void registry_rule_free(struct registry_rule *entry);

/* ---- the state: never edited in place ---- */

struct pointers {
    void **items;
    size_t count, room;
};

/* 0 or -ENOMEM. */
int pointers_insert(struct pointers *pointers, size_t at, void *item);
void pointers_remove(struct pointers *pointers, size_t at);
int pointers_copy(const struct pointers *from, struct pointers *to);

struct registry_state {
    struct pointers profiles; /* struct registry_profile, in order of their keys */
    struct pointers rules;    /* struct registry_rule, in order */
    struct pointers hidden;   /* struct registry_rule: deleted, but mail may need them */
    struct rule_set *set;     /* the same rules, and the settings, as registry_rules() shows them */
    json_t *alerts;           /* registry_alerts.c; null: nobody is told */
    uint64_t set_version, settings_version;
    uint32_t last_profile, last_rule; /* ids given out so far */
    uint64_t last_version;
};

struct registry_profile *state_profile_at(const struct registry_state *state, size_t index);
struct registry_rule *state_rule_at(const struct registry_state *state, size_t index);
struct registry_rule *state_hidden_at(const struct registry_state *state, size_t index);

/* NULL, or the count of the list: there is none. */
size_t state_find_profile(const struct registry_state *state, uint32_t id);
struct registry_profile *state_profile(const struct registry_state *state, uint32_t id);
struct registry_profile *state_profile_named(const struct registry_state *state, const char *name);
size_t state_find_rule(const struct registry_state *state, uint32_t id);
size_t state_find_rule_named(const struct registry_state *state, const char *name);
/* The first profile whose key is not before this one. */
size_t state_find_key(const struct registry_state *state, const char *key);

/* rule_find_profile and rule_profile_name, with the state as `arg`. */
int state_find_for_rule(const char *name, uint32_t *ret_id, int *ret_type, void *arg);
const char *state_name_of(uint32_t id, void *arg);

/* Makes the set from the rules; `postmaster` is copied. */
int state_make_set(struct registry_state *state, const char *postmaster, uint32_t profile);
void state_free_set(struct registry_state *state); /* the rules in it are the state's */

/* ---- a draft of the next state: registry_draft.c ---- */

struct draft {
    struct registry_state next;
    uint64_t generation;                         /* of the state it was made from */
    struct pointers made_profiles, old_profiles; /* old: no longer in `next` */
    struct pointers made_rules, old_rules;
    char *postmaster;
    uint32_t postmaster_profile;
    bool rules_changed, settings_changed;
    bool is_quiet;   /* nothing that a watcher could see has changed */
    bool has_failed; /* memory was short at some step; or no id is left */
};

struct draft *draft_new(const struct registry *registry); /* NULL: no memory */
/* Frees what the draft made; after it was applied: what it replaced. */
void draft_free(struct draft **draft, bool is_applied);

uint32_t draft_next_profile_id(struct draft *draft);
uint32_t draft_next_rule_id(struct draft *draft);
uint64_t draft_next_version(struct draft *draft);

/* Entries are taken over; NULL is noted as a failure. The one with the same id is replaced. */
void draft_put_profile(struct draft *draft, struct registry_profile *entry);
void draft_remove_profile(struct draft *draft, uint32_t id);
void draft_put_rule(struct draft *draft, struct registry_rule *entry); /* a new one goes last */
void draft_move_rule(struct draft *draft, size_t from, size_t to);
void draft_hide_rule(struct draft *draft, size_t index);
void draft_forget_hidden(struct draft *draft, size_t index);
/* All settings; `alerts` is taken over. */
void draft_set_settings(struct draft *draft, const char *postmaster, uint32_t profile,
                        json_t *alerts);

/* Numbers the versions of what lists have changed. 0, -ENOMEM, or -EOVERFLOW (no id left). */
int draft_finish(struct draft *draft);

/* ---- a change: registry_change.c ---- */

struct request;

/* In the loop: looks at the present state and makes the draft (or leaves it NULL). Anything but
 * REGISTRY_OK ends the request with that answer, and nothing has changed. */
typedef enum registry_result request_prepare(struct registry *registry, struct request *request);
/* In the I/O thread: all that takes its time. It may read the present state, as nothing changes it
 * meanwhile, and say why in the answer. */
typedef int request_work(struct request *request);
/* What belongs to the change beside the draft, in the loop, whatever the result; before the draft
 * becomes current. */
typedef void request_after(struct registry *registry, struct request *request);

struct request {
    TAILQ_ENTRY(request) link;
    struct registry *registry;
    request_prepare *prepare;
    request_work *work;
    request_after *after;
    registry_done_cb *done; /* NULL: nobody waits */
    void *arg;
    struct registry_actor actor;
    struct registry_answer answer;

    /* what was asked */
    uint32_t id;
    uint64_t if_match;
    unsigned position;
    char how[32];
    json_t *input;
    struct profile *profile;
    struct registry_import *import;
    json_t *drained;         /* what registry->drained will be */
    struct account *account; /* to come; once that is current: what was there */
    enum registry_account_how account_how;
    int64_t login_ms;

    /* what is written, and what then holds */
    struct draft *draft;
    size_t announced; /* steps of registry_announce() */
    json_t *audit;    /* entries without number, time and author */
    uint64_t last_audit;
    struct store_change *changes;
    size_t change_count, change_room;
    bool has_failed;         /* memory was short while the change set was made */
    bool is_committed;       /* what was written holds, whatever else went wrong */
    bool is_refused;         /* too many wait, or the end has begun */
    struct secret_keys keys; /* rotation: what the key file holds by now */
};

TAILQ_HEAD(request_list, request);

/* Never NULL: a process that cannot have a few hundred bytes ends. */
struct request *request_new(struct registry *registry, request_prepare *prepare,
                            const struct registry_actor *actor, registry_done_cb *done, void *arg);
/* It runs when it is its turn, at the earliest in the next turn of the loop. */
void request_submit(struct request *request);
void request_free(struct request *request);
int request_store(struct request *request); /* the usual work: writes all, and commits it */
int request_commit(struct request *request);
/* The draft and the present state change places. */
void request_make_current(struct request *request);
/* It is answered, and the next one's turn has come. */
void request_conclude(struct request *request);

/* For REGISTRY_STORE and the like. */
enum registry_result request_fail(struct request *request, enum registry_result result, int err,
                                  const char *text);
/* Is the present version (0: there is none) what the request and its input expect to replace? A
 * read only "version" that is no number is a mistake. */
enum registry_result request_check_version(struct request *request, uint64_t present);
void request_audit(struct request *request, const char *what, const char *object,
                   const char *detail);
/* ---- what it writes: registry_write.c ---- */

/* The draft, the counters and the audit. 0 or a negative errno. */
int request_write_all(struct request *request);
/* Adds to the change set; `value` is taken over, NULL is noted as a failure. */
void request_write(struct request *request, enum store_table table, const char *key, json_t *value);
void request_write_number(struct request *request, enum store_table table, uint64_t number,
                          json_t *value);
void request_delete_number(struct request *request, enum store_table table, uint64_t number);

/* ---- the registry ---- */

struct registry {
    struct loop *loop;
    struct io_thread *io;
    struct loop_timer *kick;     /* the next request, outside of its caller's stack */
    struct loop_timer *announce; /* goes on telling the watchers */
    struct loop_timer *sweep;    /* frees what was replaced, a turn later */
    struct loop_timer *forget;   /* looks after hidden rules */
    struct store *store;
    struct secret_keys keys; /* what the key file holds; the first one seals */
    char *key_path;
    bool has_digital_id;
    int64_t session_ms; /* an SMTP session may go on for this long with rules it was given */

    struct registry_state now;
    uint64_t generation; /* of `now`: grows with every change of it */
    uint64_t last_audit;
    json_t *drained;          /* [{"profile": id, "server": uri}], NULL: none ever was */
    struct pointers accounts; /* struct account, in order of their keys */
    uint32_t last_account;
    uint64_t last_account_version;
    int rules_fd; /* what workers are given, -1: to be made */

    registry_mail_count *mail_count;
    void *mail_count_arg;
    struct registry_watcher {
        registry_watch_cb *cb;
        void *arg;
    } watchers[REGISTRY_WATCHERS];
    unsigned watcher_count;

    struct request_list waiting, retired;
    unsigned waiting_count;
    struct request *running;
    struct request *announcing; /* the running one, once it is current */
    bool is_stopping;
};

void registry_write_last_audit(struct registry *registry);
/* Tells the watchers what the request has made current, then concludes it. A long list is told over
 * several turns of the loop. */
void registry_announce(struct request *request);
void registry_on_announce(void *arg);
void registry_on_kick(void *arg);
void registry_on_sweep(void *arg);
void registry_on_forget(void *arg);

/* The last steps of opening: registry_load.c. */
int registry_load(struct registry *registry, struct reason *why);

/* The list of drained servers from its record; false: it is none. */
bool registry_read_drained(const json_t *json, json_t **ret_drained);

/* One that the store holds; it stays the caller's when this fails (-ENOMEM, -EEXIST). */
int registry_take_account(struct registry *registry, struct account *account);

/* Two keys are in the file: registry_rotate.c. */
int registry_finish_rotation(struct registry *registry, struct reason *why);

/* Armed while there are hidden rules. */
void registry_watch_hidden(struct registry *registry);
void registry_forget_rules_fd(struct registry *registry);

/* Takes "id" and "version" (NULL: not wanted) out of an input: 0 if left out or null. False: they
 * are no numbers, and that was noted. */
bool registry_read_numbers(const json_t *input, uint32_t *ret_id, uint64_t *ret_version,
                           struct problems *problems);

/* Mail that needs the profile or the rule. */
uint64_t registry_mail(const struct registry *registry, uint32_t profile, uint32_t rule);

/* Reads {"postmaster": ..., "alerts": ...} into the draft; `prefix` stands before the names of
 * properties. */
void registry_read_settings(struct draft *draft, const json_t *input, const char *prefix,
                            struct problems *problems);

/* ---- settings while they are read ---- */

struct settings_reading {
    struct draft *draft;
    const char *prefix;
    struct problems *problems;
};

void settings_add(const struct settings_reading *r, const char *property, const json_t *value,
                  const char *allowed, const char *problem);
/* The smtp profile of that name; NULL: there is none, and that was noted. */
const struct profile *settings_profile(const struct settings_reading *r, const char *property,
                                       const json_t *value);

/* What is kept of an editor's `alerts`; worth nothing if problems were noted. */
json_t *registry_read_alerts(const struct settings_reading *r, const json_t *input);
/* Is it such a record? */
bool registry_are_alerts(const json_t *record);
uint32_t registry_alerts_profile(const struct registry_state *state); /* 0: none */
json_t *registry_alerts_shown(const struct registry_state *state);

/* "changed: name, servers": the members in which two objects differ; "" if in none. */
void audit_describe(const json_t *before, const json_t *after, char *out, size_t size);

#endif
