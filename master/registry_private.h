/* master/registry_private.h: what the files of the registry share.
 *
 * registry.c opens and reads; registry_change.c is the one road of every change (serialised,
 * one transaction, audited); registry_profile.c, registry_rule.c, registry_settings.c,
 * registry_rotate.c and registry_transfer.c say what each change writes and what then becomes
 * current. */
#ifndef MASTER_REGISTRY_PRIVATE_H
#define MASTER_REGISTRY_PRIVATE_H

#include <sys/queue.h>

#include "common/secret.h"
#include "master/registry.h"
#include "master/store.h"

#define REGISTRY_MAX_WAITING 256 /* changes that wait for their turn */
#define REGISTRY_FORMAT      1   /* "v" of every stored value */

struct request;

/* Looks at the present state, fills the request's change set and what is to become current.
 * Anything but REGISTRY_OK ends the request with that answer, and nothing has changed. */
typedef enum registry_result request_prepare(struct registry *registry, struct request *request);
/* After the commit: makes it current. Cannot fail. */
typedef void request_apply(struct registry *registry, struct request *request);

struct request {
    TAILQ_ENTRY(request) link;
    struct registry *registry;
    request_prepare *prepare;
    request_apply *apply;
    int (*work)(struct request *request); /* in the I/O thread; NULL: commit the change set */
    registry_done_cb *done;
    void *arg;
    struct registry_actor actor;
    struct registry_answer answer;

    /* what was asked */
    uint32_t id;
    uint64_t if_match;
    unsigned position;
    char how[32];
    json_t *input;
    struct profile *profile; /* put: what to store */
    struct registry_import *import;

    /* what to write, what then holds */
    struct store_change *changes;
    size_t change_count, change_room;
    int change_err;
    struct rule_set *rules; /* not NULL: the new list */
    uint32_t watch_profile;
    bool is_gone, watch_rules;
    struct secret_keys keys;
};

TAILQ_HEAD(request_list, request);

struct registry {
    struct loop *loop;
    struct io_thread *io;
    struct loop_timer *kick; /* starts the next request outside of the caller's stack */
    struct store *store;
    struct secret_keys keys;
    char *key_path;
    bool has_digital_id; /* tls.certificate and tls.key are set (SP07) */

    struct profile **profiles; /* in order of their names' keys */
    size_t profile_count;
    struct rule_set *rules; /* visible ones, in order; postmaster */
    struct rule **hidden;   /* deleted, but mail still needs them */
    size_t hidden_count;
    uint64_t settings_version;
    uint32_t last_id;
    uint64_t last_version, last_audit;

    registry_mail_count *mail_count;
    void *mail_count_arg;
    struct registry_watcher {
        registry_watch_cb *cb;
        void *arg;
    } watchers[4];
    unsigned watcher_count;

    struct request_list waiting;
    unsigned waiting_count;
    struct request *running;
};

/* ---- registry_change.c ---- */

/* NULL: no memory, or too many wait; `done` has then been told by the caller's own means. The
 * request runs when it is its turn, at the earliest in the next turn of the loop. */
struct request *request_new(struct registry *registry, request_prepare *prepare,
                            request_apply *apply, const struct registry_actor *actor,
                            registry_done_cb *done, void *arg);
void request_submit(struct request *request);
void request_drop_all(struct registry *registry);
void registry_start_waiting(void *arg); /* the kick timer's callback */

/* Adds to the change set; `value` is taken over, NULL deletes. Trouble shows at the commit. */
void request_write(struct request *request, enum store_table table, const char *key, json_t *value);
void request_write_number(struct request *request, enum store_table table, uint64_t number,
                          json_t *value);
void request_audit(struct request *request, const char *what, const char *object,
                   const char *detail);
/* Ids and versions of what the request stores: ever growing, written with the same transaction. */
uint32_t request_next_id(struct request *request);
uint64_t request_next_version(struct request *request);

/* ---- registry_profile.c, registry_rule.c, registry_settings.c ---- */

size_t registry_find_profile(const struct registry *registry, uint32_t id); /* count: none */
/* The stored form, secrets sealed. NULL: no memory. */
json_t *registry_seal_profile(const struct registry *registry, const struct secret_keys *keys,
                              const struct profile *profile);
int registry_open_profile(const struct secret_keys *keys, const json_t *record,
                          struct profile **ret_profile, struct reason *reterr_why);
/* Takes `profile` in, in place of the one with its id or anew. */
int registry_place_profile(struct registry *registry, struct profile *profile);

int registry_find_for_rule(const char *name, uint32_t *ret_id, int *ret_type, void *arg);
const char *registry_name_of(uint32_t id, void *arg);
struct rule_set *registry_copy_rules(const struct registry *registry);
void request_write_rule(struct request *request, const struct rule *rule);
void request_write_order(struct request *request, const struct rule_set *rules);
void request_write_settings(struct request *request, const struct rule_set *rules);
/* Reads {"postmaster": ...} into `rules`. */
enum registry_result registry_read_settings(const struct registry *registry, const json_t *input,
                                            struct rule_set *rules, struct problems *problems);
void registry_become_rules(struct registry *registry, struct request *request);

#endif
