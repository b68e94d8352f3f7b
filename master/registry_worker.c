/* master/registry_worker.c: what a worker is given, as sealed memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "master/registry_private.h"

static int seal_text(const char *name, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    int fd = text != NULL ? memfd_seal(name, text, strlen(text)) : -ENOMEM;

    json_decref(json);
    secret_free(&text);
    return fd;
}

int registry_profile_memfd(struct registry *registry, uint32_t id)
{
    const struct registry_profile *entry = state_profile(&registry->now, id);
    struct profile *clear = NULL;
    int err;

    if (entry == NULL)
        return -ENOENT;
    err = registry_profile_open(&registry->keys, entry, &clear, NULL);
    if (err < 0)
        return err;
    err = seal_text("profile", profile_to_json(clear, PROFILE_FORM_WORKER));
    profile_free(&clear);
    return err;
}

/* The visible rules and, behind them, the hidden ones. */
static int make_rules_fd(const struct registry_state *state)
{
    struct rule_set set = *state->set;
    int fd = -ENOMEM;

    set.count = state->rules.count + state->hidden.count;
    set.rules = calloc(set.count + 1, sizeof(struct rule *));
    if (set.rules == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < state->rules.count; i++)
        set.rules[i] = state_rule_at(state, i)->rule;
    for (size_t i = 0; i < state->hidden.count; i++)
        set.rules[state->rules.count + i] = state_hidden_at(state, i)->rule;
    fd = seal_text("rules", rule_set_to_json(&set));
    free(set.rules);
    return fd;
}

/* Every worker gets the same, and nobody can change it: it is made once per version. */
int registry_rules_memfd(struct registry *registry)
{
    int fd;

    if (registry->rules_fd < 0)
        registry->rules_fd = make_rules_fd(&registry->now);
    if (registry->rules_fd < 0)
        return registry->rules_fd;
    fd = fcntl(registry->rules_fd, F_DUPFD_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

void registry_forget_rules_fd(struct registry *registry)
{
    if (registry->rules_fd >= 0)
        close(registry->rules_fd);
    registry->rules_fd = -1;
}
