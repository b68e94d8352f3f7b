/* master/registry.c: opened, loaded, read, closed. */
#include "master/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/loop.h"
#include "common/memfd.h"
#include "master/io_thread.h"
#include "master/key_file.h"
#include "master/registry_private.h"

struct loading {
    struct registry *registry;
    struct reason *why;
    json_t *rules; /* id -> record */
    json_t *order, *hidden;
    bool has_secrets, only_looks;
    int err;
};

static json_t *read_value(struct loading *loading, const char *key, const char *value, size_t bytes)
{
    json_error_t error;
    json_t *json = json_loadb(value, bytes, 0, &error);

    if (json == NULL || json_integer_value(json_object_get(json, "v")) != REGISTRY_FORMAT) {
        loading->err =
            reason_set(loading->why, -EBADMSG, "store: %s: %s (this version reads format %d)", key,
                       json == NULL ? error.text : "written by another version", REGISTRY_FORMAT);
        json_decref(json);
        return NULL;
    }
    return json;
}

static int load_profile(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *loading = arg;
    json_t *json = read_value(loading, key, value, bytes);
    struct profile *profile = NULL;
    struct reason why = { "" };

    if (json == NULL)
        return -1;
    if (json_object_size(json_object_get(json, "sealed")) > 0)
        loading->has_secrets = true;
    if (!loading->only_looks) {
        loading->err = registry_open_profile(&loading->registry->keys, json, &profile, &why);
        if (loading->err < 0)
            (void)reason_set(loading->why, loading->err, "store: profile %s (key_file %s)",
                             why.text, loading->registry->key_path);
        else
            loading->err = registry_place_profile(loading->registry, profile);
    }
    json_decref(json);
    return loading->err;
}

static int load_rule(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *loading = arg;
    json_t *json = read_value(loading, key, value, bytes);

    if (json == NULL || json_object_set_new(loading->rules, key, json) < 0)
        return -1;
    return 0;
}

static int load_meta(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *loading = arg;
    json_t *json = read_value(loading, key, value, bytes);

    if (json == NULL)
        return -1;
    if (strcmp(key, "counters") == 0) {
        loading->registry->last_id = (uint32_t)json_integer_value(json_object_get(json, "id"));
        loading->registry->last_version =
            (uint64_t)json_integer_value(json_object_get(json, "version"));
    } else if (strcmp(key, "rules") == 0) {
        loading->order = json_incref(json_object_get(json, "order"));
        loading->hidden = json_incref(json_object_get(json, "hidden"));
    }
    json_decref(json);
    return 0;
}

static int load_settings(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *loading = arg;
    json_t *json = read_value(loading, key, value, bytes), *postmaster;
    struct rule_set *rules = loading->registry->rules;

    if (json == NULL)
        return -1;
    loading->registry->settings_version =
        (uint64_t)json_integer_value(json_object_get(json, "version"));
    postmaster = json_object_get(json, "postmaster");
    if (json_is_object(postmaster)) {
        rules->postmaster = strdup(json_string_value(json_object_get(postmaster, "mailbox")));
        rules->postmaster_profile =
            (uint32_t)json_integer_value(json_object_get(postmaster, "profile"));
    }
    json_decref(json);
    return 0;
}

static int load_last_audit(const char *key, const char *value, size_t bytes, void *arg)
{
    struct loading *loading = arg;

    (void)value;
    (void)bytes;
    loading->registry->last_audit = store_key_number(key);
    return 1;
}

/* Makes the rules of `ids` from their records and appends them to the array. */
static int make_rules(struct loading *loading, const json_t *ids, struct rule ***array,
                      size_t *count)
{
    size_t index;
    json_t *id;

    *array = calloc(json_array_size(ids) + 1, sizeof(struct rule *));
    if (*array == NULL)
        return -ENOMEM;
    json_array_foreach (ids, index, id) {
        char key[STORE_KEY_MAX + 1];
        json_t *record;
        int err;

        store_number_key((uint64_t)json_integer_value(id), key);
        record = json_object_get(loading->rules, key);
        if (record == NULL)
            continue;
        err = rule_from_record(record, &(*array)[*count], loading->why);
        if (err < 0)
            return err;
        (*count)++;
    }
    return 0;
}

static int load(struct registry *registry, struct loading *loading)
{
    static const struct {
        enum store_table table;
        int backwards;
        store_each *each;
    } steps[] = {
        { STORE_META, 0, load_meta },        { STORE_PROFILES, 0, load_profile },
        { STORE_RULES, 0, load_rule },       { STORE_SETTINGS, 0, load_settings },
        { STORE_AUDIT, 1, load_last_audit },
    };
    int err = 0;

    registry->rules = calloc(1, sizeof(*registry->rules));
    loading->rules = json_object();
    if (registry->rules == NULL || loading->rules == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == 0; i++) {
        err = store_list(registry->store, steps[i].table, NULL, steps[i].backwards, steps[i].each,
                         loading);
        if (err == 0)
            err = loading->err;
    }
    if (err == 0)
        err = make_rules(loading, loading->order, &registry->rules->rules, &registry->rules->count);
    if (err == 0)
        err = make_rules(loading, loading->hidden, &registry->hidden, &registry->hidden_count);
    for (size_t i = 0; i < registry->rules->count; i++)
        registry->rules->enabled_count += registry->rules->rules[i]->enabled;
    /* An expected version of 0 means "whatever is there": what was never stored needs another. */
    if (registry->last_version == 0)
        registry->last_version = 1;
    if (registry->settings_version == 0)
        registry->settings_version = 1;
    registry->rules->version = registry->last_version;
    return err;
}

/* The key file, made at the very first start; a store with secrets never gets another one. */
static int load_keys(struct registry *registry, struct reason *why)
{
    struct loading look = { .registry = registry, .why = why, .only_looks = true };
    int err = key_file_read(registry->key_path, &registry->keys, why);

    if (err != -ENOENT)
        return err;
    err = store_list(registry->store, STORE_PROFILES, NULL, STORE_FORWARDS, load_profile, &look);
    if (err < 0 || look.err < 0)
        return err < 0 ? err : look.err;
    if (look.has_secrets)
        return reason_set(why, -ENOKEY,
                          "key_file %s is missing, and the store has secrets that only it opens: "
                          "put it back, from a backup if need be",
                          registry->key_path);
    registry->keys.count = 1;
    err = secret_key_make(&registry->keys.keys[0]);
    return err < 0 ? reason_set(why, err, "no randomness for a key")
                   : key_file_write(registry->key_path, &registry->keys, why);
}

static int make_state_dir(const char *path, struct reason *why)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "state_dir %s: %s", path, strerror(errno));
    return 0;
}

int registry_open(struct loop *loop, struct io_thread *io, const struct conf *conf,
                  struct registry **ret_registry, struct reason *reterr_why)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    struct reason unused = { "" }, *why = reterr_why != NULL ? reterr_why : &unused;
    struct loading loading = { .registry = registry, .why = why };
    char directory[4096];
    int err = -ENOMEM;

    if (registry == NULL)
        return reason_set(why, -ENOMEM, "out of memory");
    why->text[0] = '\0';
    registry->loop = loop;
    registry->io = io;
    registry->has_digital_id = conf->tls_certificate[0] != '\0' && conf->tls_key[0] != '\0';
    TAILQ_INIT(&registry->waiting);
    registry->kick = loop_timer_new(loop, registry_start_waiting, registry);
    registry->key_path = strdup(conf->top_key_file);
    (void)snprintf(directory, sizeof(directory), "%s/store", conf->top_state_dir);
    if (registry->kick != NULL && registry->key_path != NULL)
        err = make_state_dir(conf->top_state_dir, why);
    if (err == 0)
        err = store_open(directory, STORE_LIMITS, &registry->store, why);
    if (err == 0)
        err = load_keys(registry, why);
    if (err == 0)
        err = load(registry, &loading);
    json_decref(loading.rules);
    json_decref(loading.order);
    json_decref(loading.hidden);
    if (err < 0) {
        registry_free(&registry);
        return why->text[0] != '\0' ? err : reason_set(why, err, "store: %s", strerror(-err));
    }
    *ret_registry = registry;
    return 0;
}

void registry_free(struct registry **registry)
{
    struct registry *r = *registry;

    if (r == NULL)
        return;
    *registry = NULL;
    request_drop_all(r);
    loop_timer_free(&r->kick);
    for (size_t i = 0; i < r->profile_count; i++)
        profile_free(&r->profiles[i]);
    free(r->profiles);
    for (size_t i = 0; i < r->hidden_count; i++)
        rule_free(&r->hidden[i]);
    free(r->hidden);
    rule_set_free(&r->rules);
    store_close(&r->store);
    secret_wipe(&r->keys, sizeof(r->keys));
    free(r->key_path);
    free(r);
}

void registry_set_mail_count(struct registry *registry, registry_mail_count *count, void *arg)
{
    registry->mail_count = count;
    registry->mail_count_arg = arg;
}

void registry_watch(struct registry *registry, registry_watch_cb *cb, void *arg)
{
    if (registry->watcher_count == sizeof(registry->watchers) / sizeof(registry->watchers[0]))
        abort(); /* a fixed, small number of modules watch */
    registry->watchers[registry->watcher_count++] = (struct registry_watcher){ cb, arg };
}

/* ---- audit ---- */

struct audit_page {
    json_t *entries;
    unsigned left;
};

static int take_entry(const char *key, const char *value, size_t bytes, void *arg)
{
    struct audit_page *page = arg;
    json_t *entry = json_loadb(value, bytes, 0, NULL);

    (void)key;
    if (entry != NULL)
        (void)json_array_append_new(page->entries, entry);
    return --page->left == 0;
}

json_t *registry_audit(struct registry *registry, uint64_t before, unsigned limit)
{
    struct audit_page page = { .entries = json_array(), .left = limit > 0 ? limit : 1 };
    char from[STORE_KEY_MAX + 1];

    store_number_key(before, from);
    (void)store_list(registry->store, STORE_AUDIT, before != 0 ? from : NULL, 1, take_entry, &page);
    return page.entries;
}

static enum registry_result prepare_entry(struct registry *registry, struct request *request)
{
    (void)registry;
    request_audit(request, json_string_value(json_object_get(request->input, "what")),
                  json_string_value(json_object_get(request->input, "object")),
                  json_string_value(json_object_get(request->input, "detail")));
    return REGISTRY_OK;
}

static void apply_entry(struct registry *registry, struct request *request)
{
    (void)registry;
    (void)request;
}

static void on_entry_written(struct registry_answer *answer, void *arg)
{
    (void)answer;
    (void)arg;
}

void registry_audit_add(struct registry *registry, const struct registry_actor *actor,
                        const char *what, const char *object, const char *detail)
{
    struct request *request =
        request_new(registry, prepare_entry, apply_entry, actor, on_entry_written, NULL);

    if (request == NULL)
        return;
    request->input = json_pack("{ss ss* ss*}", "what", what, "object", object, "detail", detail);
    request_submit(request);
}
