/* worker/directory.h: the profiles and rules this worker runs with, as the master pushed them.
 *
 * Profiles are kept by id in their newest version; an older version lives on while a job holds it.
 * The owner of the channel's handlers (worker/main.c) fills it; ingress and delivery read it. */
#ifndef WORKER_DIRECTORY_H
#define WORKER_DIRECTORY_H

#include <stdint.h>

#include "common/profile.h"
#include "common/reason.h"
#include "common/rule.h"

struct directory;
struct tls_context;

/* A profile in one version, shared by its users. */
struct worker_profile {
    struct profile *profile;
    unsigned holders;
    bool is_retired; /* a newer version, or none, has come: pooled connections are let go (SP47) */
    struct tls_context *tls; /* worker/tls_keeper.h's, of this generation; NULL: not needed yet */
    unsigned tls_generation;
};

/* Runs when a version is retired, before anything else learns of the new one. */
typedef void directory_retired_cb(struct worker_profile *profile, void *arg);

struct directory *directory_new(void);
void directory_free(struct directory **directory);
void directory_watch(struct directory *directory, directory_retired_cb *retired, void *arg);

int directory_put_profile(struct directory *directory, const char *json, size_t bytes,
                          struct reason *reterr_why);
void directory_drop_profile(struct directory *directory, uint32_t id);
int directory_put_rules(struct directory *directory, const char *json, size_t bytes,
                        struct reason *reterr_why);

/* NULL if unknown. Ends with directory_release(). */
struct worker_profile *directory_hold(struct directory *directory, uint32_t id);
void directory_release(struct worker_profile *profile);
/* One more holder of a version that is held already. */
struct worker_profile *directory_share(struct worker_profile *profile);

/* Never NULL: empty before the first RULES. Good until the next turn of the loop. */
const struct rule_set *directory_rules(const struct directory *directory);
const struct rule *directory_rule(const struct directory *directory, uint32_t id);

#endif
