/* master/registry_write.c: what a request writes, as one set of changes of the store.
 *
 * docs/store.md has the layout. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "master/registry_private.h"

static void add_change(struct request *request, enum store_table table, const char *key,
                       char *value)
{
    struct store_change *change;

    if (request->change_count == request->change_room) {
        size_t room = request->change_room * 2 + 8;
        struct store_change *grown = realloc(request->changes, room * sizeof(*grown));

        if (grown == NULL) {
            request->has_failed = true;
            free(value);
            return;
        }
        request->changes = grown;
        request->change_room = room;
    }
    change = &request->changes[request->change_count++];
    change->table = table;
    (void)snprintf(change->key, sizeof(change->key), "%s", key);
    change->value = value;
}

void request_write(struct request *request, enum store_table table, const char *key, json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    if (text == NULL)
        request->has_failed = true;
    else
        add_change(request, table, key, text);
}

void request_write_number(struct request *request, enum store_table table, uint64_t number,
                          json_t *value)
{
    char key[STORE_KEY_MAX + 1];

    store_number_key(number, key);
    request_write(request, table, key, value);
}

void request_delete_number(struct request *request, enum store_table table, uint64_t number)
{
    char key[STORE_KEY_MAX + 1];

    store_number_key(number, key);
    add_change(request, table, key, NULL);
}

static void write_profiles(struct request *request)
{
    const struct draft *draft = request->draft;

    for (size_t i = 0; i < draft->made_profiles.count; i++) {
        const struct registry_profile *entry = draft->made_profiles.items[i];

        request_write_number(request, STORE_PROFILES, entry->profile->id,
                             registry_profile_to_record(entry));
    }
    for (size_t i = 0; i < draft->old_profiles.count; i++) {
        const struct registry_profile *entry = draft->old_profiles.items[i];

        if (state_profile(&draft->next, entry->profile->id) == NULL)
            request_delete_number(request, STORE_PROFILES, entry->profile->id);
    }
}

static bool has_rule(const struct registry_state *state, uint32_t id)
{
    for (size_t i = 0; i < state->hidden.count; i++) {
        if (state_hidden_at(state, i)->rule->id == id)
            return true;
    }
    return state_find_rule(state, id) < state->rules.count;
}

static void write_rules(struct request *request)
{
    const struct draft *draft = request->draft;
    json_t *order = json_array();

    for (size_t i = 0; i < draft->made_rules.count; i++) {
        const struct registry_rule *entry = draft->made_rules.items[i];

        request_write_number(request, STORE_RULES, entry->rule->id, rule_to_record(entry->rule));
    }
    for (size_t i = 0; i < draft->old_rules.count; i++) {
        const struct registry_rule *entry = draft->old_rules.items[i];

        if (!has_rule(&draft->next, entry->rule->id))
            request_delete_number(request, STORE_RULES, entry->rule->id);
    }
    for (size_t i = 0; i < draft->next.rules.count; i++) {
        if (json_array_append_new(order, json_integer(state_rule_at(&draft->next, i)->rule->id)) <
            0)
            request->has_failed = true;
    }
    request_write(request, STORE_META, "rule_order",
                  json_pack("{si so}", "v", REGISTRY_FORMAT, "ids", order));
}

static void write_settings(struct request *request)
{
    const struct draft *draft = request->draft;
    json_t *postmaster = draft->postmaster != NULL
                             ? json_pack("{ss sI}", "mailbox", draft->postmaster, "profile",
                                         (json_int_t)draft->postmaster_profile)
                             : json_null();

    request_write(request, STORE_SETTINGS, "general",
                  json_pack("{si sI so sO?}", "v", REGISTRY_FORMAT, "version",
                            (json_int_t)draft->next.settings_version, "postmaster", postmaster,
                            "alerts", draft->next.alerts));
}

static void write_counters(struct request *request)
{
    const struct registry_state *next = &request->draft->next;

    request_write(request, STORE_META, "counters",
                  json_pack("{si sI sI sI sI}", "v", REGISTRY_FORMAT, "profile",
                            (json_int_t)next->last_profile, "rule", (json_int_t)next->last_rule,
                            "version", (json_int_t)next->last_version, "rules_version",
                            (json_int_t)next->set_version));
}

/* Entries get their numbers when it is certain that this request comes next. */
static void write_audit(struct request *request)
{
    char now[CLOCK_TEXT_SIZE];
    json_t *entry;
    size_t i;

    clock_text(clock_wall_ms(), now);
    request->last_audit = request->registry->last_audit;
    json_array_foreach (request->audit, i, entry) {
        uint64_t number = ++request->last_audit;
        json_t *record = json_pack("{si sI ss ss}", "v", REGISTRY_FORMAT, "number",
                                   (json_int_t)number, "time", now, "who", request->actor.text);

        if (record == NULL || json_object_update(record, entry) < 0)
            request->has_failed = true;
        request_write_number(request, STORE_AUDIT, number, record);
        if (number > REGISTRY_MAX_AUDIT)
            request_delete_number(request, STORE_AUDIT, number - REGISTRY_MAX_AUDIT);
    }
}

int request_write_all(struct request *request)
{
    struct reason *why = &request->answer.why;
    int err = request->draft != NULL ? draft_finish(request->draft) : 0;

    if (err < 0)
        return reason_set(why, err, err == -EOVERFLOW ? "no id is left" : "out of memory");
    if (request->draft != NULL) {
        write_profiles(request);
        if (request->draft->rules_changed)
            write_rules(request);
        if (request->draft->settings_changed)
            write_settings(request);
        write_counters(request);
    }
    write_audit(request);
    return request->has_failed ? reason_set(why, -ENOMEM, "out of memory") : 0;
}
