/* master/registry_draft.c: the next state, made from the present one.
 *
 * A draft shares with the present state everything that it does not change, and remembers what it
 * made and what it replaced: one of the two is freed when it is over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "master/registry_private.h"

struct registry_rule *registry_rule_new(struct rule *rule)
{
    struct registry_rule *entry = rule != NULL ? calloc(1, sizeof(*entry)) : NULL;

    if (entry == NULL) {
        rule_free(&rule);
        return NULL;
    }
    entry->rule = rule;
    entry->key = profile_name_key(rule->name);
    if (entry->key != NULL)
        return entry;
    registry_rule_free(entry);
    return NULL;
}

void registry_rule_free(struct registry_rule *entry)
{
    if (entry == NULL)
        return;
    rule_free(&entry->rule);
    free(entry->key);
    free(entry);
}

static int copy_postmaster(struct draft *draft, const char *mailbox, uint32_t profile)
{
    char *copy = mailbox != NULL ? strdup(mailbox) : NULL;

    if (mailbox != NULL && copy == NULL)
        return -ENOMEM;
    free(draft->postmaster);
    draft->postmaster = copy;
    draft->postmaster_profile = mailbox != NULL ? profile : 0;
    return 0;
}

struct draft *draft_new(const struct registry *registry)
{
    const struct registry_state *now = &registry->now;
    struct draft *draft = calloc(1, sizeof(*draft));

    if (draft == NULL)
        return NULL;
    draft->next = *now;
    draft->next.set = NULL;
    json_incref(draft->next.alerts);
    draft->next.profiles = draft->next.rules = draft->next.hidden = (struct pointers){ 0 };
    draft->generation = registry->generation;
    if (copy_postmaster(draft, now->set->postmaster, now->set->postmaster_profile) < 0 ||
        pointers_copy(&now->profiles, &draft->next.profiles) < 0 ||
        pointers_copy(&now->rules, &draft->next.rules) < 0 ||
        pointers_copy(&now->hidden, &draft->next.hidden) < 0)
        draft_free(&draft, false);
    return draft;
}

static void free_entries(struct pointers *profiles, struct pointers *rules)
{
    for (size_t i = 0; i < profiles->count; i++)
        registry_profile_free(profiles->items[i]);
    for (size_t i = 0; i < rules->count; i++)
        registry_rule_free(rules->items[i]);
}

void draft_free(struct draft **draft, bool is_applied)
{
    struct draft *d = *draft;

    if (d == NULL)
        return;
    *draft = NULL;
    if (is_applied)
        free_entries(&d->old_profiles, &d->old_rules);
    else
        free_entries(&d->made_profiles, &d->made_rules);
    free(d->made_profiles.items);
    free(d->old_profiles.items);
    free(d->made_rules.items);
    free(d->old_rules.items);
    free(d->next.profiles.items);
    free(d->next.rules.items);
    free(d->next.hidden.items);
    state_free_set(&d->next);
    free(d->postmaster);
    free(d);
}

static uint32_t next_id(struct draft *draft, uint32_t *last)
{
    if (*last == UINT32_MAX) {
        draft->has_failed = true;
        return 0;
    }
    return ++*last;
}

uint32_t draft_next_profile_id(struct draft *draft)
{
    return next_id(draft, &draft->next.last_profile);
}

uint32_t draft_next_rule_id(struct draft *draft)
{
    return next_id(draft, &draft->next.last_rule);
}

uint64_t draft_next_version(struct draft *draft)
{
    return ++draft->next.last_version;
}

/* One that the draft itself made and replaces again is neither made nor old. */
static void note_old(struct draft *draft, struct pointers *made, struct pointers *old, void *item,
                     void (*release)(void *))
{
    for (size_t i = 0; i < made->count; i++) {
        if (made->items[i] == item) {
            pointers_remove(made, i);
            release(item);
            return;
        }
    }
    draft->has_failed |= pointers_insert(old, old->count, item) < 0;
}

static void release_profile(void *item)
{
    registry_profile_free(item);
}

static void release_rule(void *item)
{
    registry_rule_free(item);
}

void draft_remove_profile(struct draft *draft, uint32_t id)
{
    size_t at = state_find_profile(&draft->next, id);
    struct registry_profile *old;

    if (at == draft->next.profiles.count)
        return;
    old = state_profile_at(&draft->next, at);
    pointers_remove(&draft->next.profiles, at);
    note_old(draft, &draft->made_profiles, &draft->old_profiles, old, release_profile);
}

void draft_put_profile(struct draft *draft, struct registry_profile *entry)
{
    if (entry == NULL ||
        pointers_insert(&draft->made_profiles, draft->made_profiles.count, entry) < 0) {
        registry_profile_free(entry);
        draft->has_failed = true;
        return;
    }
    draft_remove_profile(draft, entry->profile->id);
    draft->has_failed |=
        pointers_insert(&draft->next.profiles, state_find_key(&draft->next, entry->key), entry) < 0;
}

static bool note_made_rule(struct draft *draft, struct registry_rule *entry)
{
    draft->rules_changed = true;
    if (entry != NULL && pointers_insert(&draft->made_rules, draft->made_rules.count, entry) == 0)
        return true;
    registry_rule_free(entry);
    draft->has_failed = true;
    return false;
}

void draft_put_rule(struct draft *draft, struct registry_rule *entry)
{
    struct pointers *rules = &draft->next.rules;
    size_t at;

    if (!note_made_rule(draft, entry))
        return;
    at = state_find_rule(&draft->next, entry->rule->id);
    if (at == rules->count) {
        draft->has_failed |= pointers_insert(rules, at, entry) < 0;
    } else {
        struct registry_rule *old = state_rule_at(&draft->next, at);

        rules->items[at] = entry;
        note_old(draft, &draft->made_rules, &draft->old_rules, old, release_rule);
    }
}

void draft_move_rule(struct draft *draft, size_t from, size_t to)
{
    struct registry_rule *entry = state_rule_at(&draft->next, from);

    pointers_remove(&draft->next.rules, from);
    (void)pointers_insert(&draft->next.rules, to, entry); /* there is room: one was taken out */
    draft->rules_changed = true;
}

/* By way of its record, as what is current is not edited. */
static struct registry_rule *make_hidden(const struct rule *rule)
{
    json_t *record = rule_to_record(rule);
    struct rule *copy = NULL;
    struct registry_rule *entry;

    (void)rule_from_record(record, &copy, NULL);
    json_decref(record);
    entry = registry_rule_new(copy);
    if (entry == NULL)
        return NULL;
    entry->rule->hidden = true;
    entry->rule->enabled = false;
    entry->hidden_ms = clock_mono_ms();
    return entry;
}

void draft_hide_rule(struct draft *draft, size_t index)
{
    struct registry_rule *old = state_rule_at(&draft->next, index);
    struct registry_rule *entry = make_hidden(old->rule);

    if (!note_made_rule(draft, entry))
        return;
    pointers_remove(&draft->next.rules, index);
    note_old(draft, &draft->made_rules, &draft->old_rules, old, release_rule);
    draft->has_failed |= pointers_insert(&draft->next.hidden, draft->next.hidden.count, entry) < 0;
}

void draft_forget_hidden(struct draft *draft, size_t index)
{
    struct registry_rule *old = state_hidden_at(&draft->next, index);

    pointers_remove(&draft->next.hidden, index);
    note_old(draft, &draft->made_rules, &draft->old_rules, old, release_rule);
    draft->rules_changed = true;
}

void draft_set_settings(struct draft *draft, const char *postmaster, uint32_t profile,
                        json_t *alerts)
{
    draft->has_failed |= copy_postmaster(draft, postmaster, profile) < 0 || alerts == NULL;
    json_decref(draft->next.alerts);
    draft->next.alerts = alerts;
    draft->settings_changed = true;
    draft->next.settings_version = draft_next_version(draft);
}

int draft_finish(struct draft *draft)
{
    struct registry_state *next = &draft->next;

    if (draft->has_failed)
        return next->last_profile == UINT32_MAX || next->last_rule == UINT32_MAX ? -EOVERFLOW
                                                                                 : -ENOMEM;
    if (draft->settings_changed || draft->rules_changed)
        next->set_version = draft_next_version(draft);
    return state_make_set(next, draft->postmaster, draft->postmaster_profile);
}
