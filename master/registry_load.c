/* master/registry_load.c: what the store holds becomes the state.
 *
 * We wrote all of it, so anything unknown, incomplete or of another format refuses the start with
 * its place: half a set of rules is worse than none. Nothing is changed before all was read and
 * every secret has opened. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/log.h"
#include "master/key_file.h"
#include "master/registry_private.h"

struct loading {
    struct registry *registry;
    struct registry_state *state;
    struct reason *why;
    const char *table;
    struct pointers rules; /* visible ones, in any order: the order comes with `order` */
    json_t *order;
    char *postmaster;
    uint32_t postmaster_profile;
    int err;
};

static int fail(struct loading *l, const char *key, const char *text)
{
    l->err = reason_set(l->why, -EBADMSG, "store: %s/%s: %.300s", l->table, key, text);
    return l->err;
}

/* A value of the format this build knows; NULL: refused. */
static json_t *read_value(struct loading *l, const char *key, const char *value, size_t bytes)
{
    json_t *json = json_loadb(value, bytes, JSON_REJECT_DUPLICATES, NULL);
    const json_t *format = json_object_get(json, "v");

    if (json_is_integer(format) && json_integer_value(format) == REGISTRY_FORMAT)
        return json;
    (void)fail(l, key, json == NULL ? "is not readable" : "was written by another version");
    json_decref(json);
    return NULL;
}

/* ---- one table after the other ---- */

static int load_profile(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *l = arg;
    AUTO(json) json_t *record = read_value(l, key, value, bytes);
    struct registry_profile *entry = NULL;
    struct reason why = { "out of memory" };

    if (record == NULL)
        return l->err;
    if (registry_profile_from_record(record, &entry, &why) < 0)
        return fail(l, key, why.text);
    if (store_key_number(key) != entry->profile->id ||
        pointers_insert(&l->state->profiles, state_find_key(l->state, entry->key), entry) < 0) {
        registry_profile_free(entry);
        return fail(l, key, "is not at its place");
    }
    return 0;
}

static int load_rule(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *l = arg;
    AUTO(json) json_t *record = read_value(l, key, value, bytes);
    struct registry_rule *entry;
    struct rule *rule = NULL;
    struct reason why = { "out of memory" };
    struct pointers *list;

    if (record == NULL)
        return l->err;
    if (rule_from_record(record, &rule, &why) < 0)
        return fail(l, key, why.text);
    entry = registry_rule_new(rule);
    if (entry == NULL)
        return fail(l, key, why.text);
    entry->hidden_ms = clock_mono_ms();
    list = entry->rule->hidden ? &l->state->hidden : &l->rules;
    if (store_key_number(key) != entry->rule->id || pointers_insert(list, list->count, entry) < 0) {
        registry_rule_free(entry);
        return fail(l, key, "is not at its place");
    }
    return 0;
}

static int load_account(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *l = arg;
    AUTO(json) json_t *record = read_value(l, key, value, bytes);
    struct account *account = NULL;
    struct reason why = { "out of memory" };

    if (record == NULL)
        return l->err;
    if (account_from_record(record, &account, &why) < 0)
        return fail(l, key, why.text);
    if (store_key_number(key) != account->id || registry_take_account(l->registry, account) < 0) {
        account_free(&account);
        return fail(l, key, "is not at its place");
    }
    return 0;
}

/* False: it is not a number of this range. */
static bool read_number(const json_t *json, const char *name, uint64_t max, uint64_t *ret_number)
{
    const json_t *value = json_object_get(json, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max)
        return false;
    *ret_number = (uint64_t)json_integer_value(value);
    return true;
}

static int load_counters(struct loading *l, const char *key, const json_t *json)
{
    struct registry_state *state = l->state;
    uint64_t profile, rule;

    if (!read_number(json, "profile", UINT32_MAX, &profile) ||
        !read_number(json, "rule", UINT32_MAX, &rule) ||
        !read_number(json, "version", INT64_MAX, &state->last_version) ||
        !read_number(json, "rules_version", INT64_MAX, &state->set_version))
        return fail(l, key, "is not complete");
    state->last_profile = (uint32_t)profile;
    state->last_rule = (uint32_t)rule;
    return 0;
}

static int load_account_counters(struct loading *l, const char *key, const json_t *json)
{
    uint64_t account;

    if (!read_number(json, "account", UINT32_MAX, &account) ||
        !read_number(json, "version", INT64_MAX, &l->registry->last_account_version))
        return fail(l, key, "is not complete");
    l->registry->last_account = (uint32_t)account;
    return 0;
}

static int load_meta(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *l = arg;
    AUTO(json) json_t *json = read_value(l, key, value, bytes);

    if (json == NULL)
        return l->err;
    if (strcmp(key, "counters") == 0)
        return load_counters(l, key, json);
    if (strcmp(key, REGISTRY_ACCOUNT_COUNTERS) == 0)
        return load_account_counters(l, key, json);
    if (strcmp(key, "rule_order") != 0)
        return fail(l, key, "is not known to this version");
    l->order = json_incref(json_object_get(json, "ids"));
    return 0;
}

static int load_settings(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *l = arg;
    AUTO(json) json_t *json = read_value(l, key, value, bytes);
    const json_t *postmaster = json_object_get(json, "postmaster");
    json_t *alerts = json_object_get(json, "alerts");
    const char *mailbox = json_string_value(json_object_get(postmaster, "mailbox"));
    uint64_t profile;

    if (json == NULL)
        return l->err;
    if (strcmp(key, "drained") == 0)
        return registry_read_drained(json, &l->registry->drained) ? 0
                                                                  : fail(l, key, "is not complete");
    /* What was written before there were alerts does not have them. */
    if (strcmp(key, "general") != 0 || json_object_size(json) != (alerts != NULL ? 4 : 3))
        return fail(l, key, "is not known to this version");
    if (!read_number(json, "version", INT64_MAX, &l->state->settings_version))
        return fail(l, key, "is not complete");
    if (alerts != NULL && !registry_are_alerts(alerts))
        return fail(l, key, "alerts is not complete");
    if (alerts != NULL)
        l->state->alerts = json_incref(alerts);
    if (json_is_null(postmaster))
        return 0;
    if (mailbox == NULL || !read_number(postmaster, "profile", UINT32_MAX, &profile))
        return fail(l, key, "postmaster is not complete");
    l->postmaster = strdup(mailbox);
    l->postmaster_profile = (uint32_t)profile;
    return l->postmaster != NULL ? 0 : fail(l, key, "out of memory");
}

static int load_last_audit(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *l = arg;

    (void)value;
    (void)bytes;
    l->registry->last_audit = store_key_number(key);
    return 1;
}

static int load_tables(struct loading *l)
{
    static const struct {
        enum store_table table;
        const char *name;
        enum store_direction direction;
        store_each *each;
    } steps[] = {
        { STORE_META, "meta", STORE_FORWARDS, load_meta },
        { STORE_PROFILES, "profiles", STORE_FORWARDS, load_profile },
        { STORE_RULES, "rules", STORE_FORWARDS, load_rule },
        { STORE_SETTINGS, "settings", STORE_FORWARDS, load_settings },
        { STORE_ACCOUNTS, "accounts", STORE_FORWARDS, load_account },
        { STORE_AUDIT, "audit", STORE_BACKWARDS, load_last_audit },
    };

    for (size_t i = 0; i < ARRAY_LEN(steps) && l->err == 0; i++) {
        int err;

        l->table = steps[i].name;
        err = store_list(l->registry->store, steps[i].table, NULL, steps[i].direction,
                         steps[i].each, l);
        if (err < 0)
            l->err = reason_set(l->why, err, "store: %s: %s", l->table, strerror(-err));
    }
    return l->err;
}

static struct registry_rule *take_rule(struct loading *l, json_int_t id)
{
    for (size_t i = 0; i < l->rules.count; i++) {
        struct registry_rule *entry = l->rules.items[i];

        if (entry->rule->id == id) {
            pointers_remove(&l->rules, i);
            return entry;
        }
    }
    return NULL;
}

/* Every visible rule has exactly one place. */
static int order_rules(struct loading *l)
{
    struct pointers *rules = &l->state->rules;
    const json_t *id;
    size_t i;

    l->table = "meta";
    json_array_foreach (l->order, i, id) {
        struct registry_rule *entry = take_rule(l, json_integer_value(id));

        if (entry == NULL)
            return fail(l, "rule_order", "names a rule that is not there");
        if (pointers_insert(rules, rules->count, entry) < 0) {
            registry_rule_free(entry);
            return fail(l, "rule_order", "out of memory");
        }
    }
    return l->rules.count == 0 ? 0 : fail(l, "rule_order", "does not name every rule");
}

static void free_loading(struct loading *l)
{
    for (size_t i = 0; i < l->rules.count; i++)
        registry_rule_free(l->rules.items[i]);
    free(l->rules.items);
    json_decref(l->order);
    free(l->postmaster);
}

static int load_state(struct registry *registry, struct reason *why)
{
    struct loading l = { .registry = registry, .state = &registry->now, .why = why };
    int err;

    /* An expected version of 0 means "whatever is there": what was never stored has another. */
    l.state->alerts = json_null();
    l.state->last_version = l.state->set_version = l.state->settings_version = 1;
    err = load_tables(&l);
    if (err == 0)
        err = order_rules(&l);
    if (err == 0)
        err = state_make_set(l.state, l.postmaster, l.postmaster_profile);
    free_loading(&l);
    return err;
}

/* ---- keys ---- */

static bool has_secrets(const struct registry_state *state)
{
    for (size_t i = 0; i < state->profiles.count; i++) {
        for (unsigned k = 0; k < SECRET_COUNT; k++) {
            if (state_profile_at(state, i)->sealed[k] != NULL)
                return true;
        }
    }
    return false;
}

/* At the very first start, or while there is nothing that another key has sealed. */
static int make_key(struct registry *registry, struct reason *why)
{
    int err;

    if (has_secrets(&registry->now))
        return reason_set(why, -ENOKEY,
                          "key_file %s is missing, and the store holds secrets that only it opens: "
                          "put it back (nothing was changed)",
                          registry->key_path);
    registry->keys.count = 1;
    err = secret_key_make(&registry->keys.keys[0]);
    if (err < 0)
        return reason_set(why, err, "there is no randomness for a key");
    return key_file_write(registry->key_path, &registry->keys, why);
}

/* A wrong key shows before anybody needs a secret. */
static int try_keys(struct registry *registry, struct reason *why)
{
    for (size_t i = 0; i < registry->now.profiles.count; i++) {
        const struct registry_profile *entry = state_profile_at(&registry->now, i);
        struct reason detail = { "out of memory" };
        struct profile *clear = NULL;
        int err = registry_profile_open(&registry->keys, entry, &clear, &detail);

        profile_free(&clear);
        if (err < 0)
            return reason_set(why, err,
                              "key_file %s is not the one that the store was sealed with: profile "
                              "%" PRIu32 ": %.150s (nothing was changed)",
                              registry->key_path, entry->profile->id, detail.text);
    }
    return 0;
}

static int load_keys(struct registry *registry, struct reason *why)
{
    int err = key_file_read(registry->key_path, &registry->keys, why);

    if (err == -ENOENT)
        return make_key(registry, why);
    return err < 0 ? err : try_keys(registry, why);
}

int registry_load(struct registry *registry, struct reason *why)
{
    int err = load_state(registry, why);

    if (err == 0)
        err = load_keys(registry, why);
    if (err < 0 || registry->keys.count == 1)
        return err;
    err = registry_finish_rotation(registry, why);
    if (err < 0) /* everything is readable all the same, and `status` says it */
        log_warning("registry", "a key rotation that was cut off could not be finished",
                    LOG_STR("reason", why->text));
    return 0;
}
