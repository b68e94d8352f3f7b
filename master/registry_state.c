/* master/registry_state.c: what the registry holds at one moment: kept, copied, looked things up
 * in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "master/registry_private.h"

/* ---- lists of pointers ---- */

int pointers_insert(struct pointers *pointers, size_t at, void *item)
{
    if (pointers->count == pointers->room) {
        size_t room = pointers->room * 2 + 8;
        void **grown = realloc(pointers->items, room * sizeof(void *));

        if (grown == NULL)
            return -ENOMEM;
        pointers->items = grown;
        pointers->room = room;
    }
    memmove(&pointers->items[at + 1], &pointers->items[at],
            (pointers->count - at) * sizeof(void *));
    pointers->items[at] = item;
    pointers->count++;
    return 0;
}

void pointers_remove(struct pointers *pointers, size_t at)
{
    pointers->count--;
    memmove(&pointers->items[at], &pointers->items[at + 1],
            (pointers->count - at) * sizeof(void *));
}

int pointers_copy(const struct pointers *from, struct pointers *to)
{
    *to = (struct pointers){ .count = from->count, .room = from->count + 1 };
    to->items = calloc(to->room, sizeof(void *));
    if (to->items == NULL)
        return -ENOMEM;
    if (from->count > 0)
        memcpy(to->items, from->items, from->count * sizeof(void *));
    return 0;
}

/* ---- reading a state ---- */

struct registry_profile *state_profile_at(const struct registry_state *state, size_t index)
{
    return state->profiles.items[index];
}

struct registry_rule *state_rule_at(const struct registry_state *state, size_t index)
{
    return state->rules.items[index];
}

struct registry_rule *state_hidden_at(const struct registry_state *state, size_t index)
{
    return state->hidden.items[index];
}

size_t state_find_profile(const struct registry_state *state, uint32_t id)
{
    size_t i = 0;

    while (i < state->profiles.count && state_profile_at(state, i)->profile->id != id)
        i++;
    return i;
}

struct registry_profile *state_profile(const struct registry_state *state, uint32_t id)
{
    size_t at = state_find_profile(state, id);

    return at < state->profiles.count ? state_profile_at(state, at) : NULL;
}

size_t state_find_key(const struct registry_state *state, const char *key)
{
    size_t low = 0, high = state->profiles.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(state_profile_at(state, middle)->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct registry_profile *state_profile_named(const struct registry_state *state, const char *name)
{
    char *key = profile_name_key(name);
    struct registry_profile *found = NULL;
    size_t at;

    if (key == NULL)
        return NULL;
    at = state_find_key(state, key);
    if (at < state->profiles.count && strcmp(state_profile_at(state, at)->key, key) == 0)
        found = state_profile_at(state, at);
    free(key);
    return found;
}

size_t state_find_rule(const struct registry_state *state, uint32_t id)
{
    size_t i = 0;

    while (i < state->rules.count && state_rule_at(state, i)->rule->id != id)
        i++;
    return i;
}

size_t state_find_rule_named(const struct registry_state *state, const char *name)
{
    char *key = profile_name_key(name);
    size_t i = 0;

    while (key != NULL && i < state->rules.count && strcmp(state_rule_at(state, i)->key, key) != 0)
        i++;
    i = key != NULL ? i : state->rules.count;
    free(key);
    return i;
}

int state_find_for_rule(const char *name, uint32_t *ret_id, int *ret_type, void *arg)
{
    const struct registry_profile *entry = state_profile_named(arg, name);

    if (entry == NULL)
        return -ENOENT;
    *ret_id = entry->profile->id;
    *ret_type = (int)entry->profile->type;
    return 0;
}

const char *state_name_of(uint32_t id, void *arg)
{
    const struct registry_profile *entry = state_profile(arg, id);

    return entry != NULL ? entry->profile->name : NULL;
}

void state_free_set(struct registry_state *state)
{
    json_decref(state->alerts);
    state->alerts = NULL;
    if (state->set == NULL)
        return;
    free(state->set->rules);
    free(state->set->postmaster);
    free(state->set);
    state->set = NULL;
}

int state_make_set(struct registry_state *state, const char *postmaster, uint32_t profile)
{
    struct rule_set *set = state->set = calloc(1, sizeof(*set));

    if (set == NULL)
        return -ENOMEM;
    set->rules = calloc(state->rules.count + 1, sizeof(struct rule *));
    set->postmaster = postmaster != NULL ? strdup(postmaster) : NULL;
    if (set->rules == NULL || (postmaster != NULL && set->postmaster == NULL)) {
        state_free_set(state);
        return -ENOMEM;
    }
    set->postmaster_profile = postmaster != NULL ? profile : 0;
    set->version = state->set_version;
    set->count = state->rules.count;
    for (size_t i = 0; i < set->count; i++) {
        set->rules[i] = state_rule_at(state, i)->rule;
        set->enabled_count += set->rules[i]->enabled;
    }
    return 0;
}
