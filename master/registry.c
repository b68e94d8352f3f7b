/* master/registry.c: opened, stopped, closed; watched. */
#include "master/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/auto.h"
#include "common/loop.h"
#include "master/registry_private.h"

/* After the last rule push an SMTP session may go on with the rules it has: its own limit, and some
 * time for the spool and the channel. */
#define SESSION_MARGIN_MS 60000

static int make_state_dir(const char *path, struct reason *why)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "state_dir %s: %s", path, strerror(errno));
    return 0;
}

static int open_store(struct registry *registry, const char *state_dir, struct reason *why)
{
    AUTO(free) char *directory = NULL;
    int err = make_state_dir(state_dir, why);

    if (err < 0)
        return err;
    if (asprintf(&directory, "%s/store", state_dir) < 0) {
        directory = NULL;
        return reason_set(why, -ENOMEM, "out of memory");
    }
    return store_open(directory, STORE_LIMITS, &registry->store, why);
}

static int make_parts(struct registry *registry, struct loop *loop, const struct conf *conf)
{
    registry->key_path = strdup(conf->top_key_file);
    registry->kick = loop_timer_new(loop, registry_on_kick, registry);
    registry->announce = loop_timer_new(loop, registry_on_announce, registry);
    registry->sweep = loop_timer_new(loop, registry_on_sweep, registry);
    registry->forget = loop_timer_new(loop, registry_on_forget, registry);
    return registry->key_path != NULL && registry->kick != NULL && registry->announce != NULL &&
                   registry->sweep != NULL && registry->forget != NULL
               ? 0
               : -ENOMEM;
}

int registry_open(struct loop *loop, struct io_thread *io, const struct conf *conf,
                  struct registry **ret_registry, struct reason *reterr_why)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    struct reason why = { "out of memory" };
    int err = -ENOMEM;

    secret_guard_json();
    if (registry != NULL) {
        registry->loop = loop;
        registry->io = io;
        registry->rules_fd = -1;
        TAILQ_INIT(&registry->waiting);
        TAILQ_INIT(&registry->retired);
        registry_reload(registry, conf);
        err = make_parts(registry, loop, conf);
    }
    if (err == 0)
        err = open_store(registry, conf->top_state_dir, &why);
    if (err == 0)
        err = registry_load(registry, &why);
    if (err < 0) {
        registry_free(&registry);
        return reason_set(reterr_why, err, "%s", why.text);
    }
    registry_watch_hidden(registry);
    *ret_registry = registry;
    return 0;
}

void registry_reload(struct registry *registry, const struct conf *conf)
{
    registry->has_digital_id = *conf->tls_certificate != '\0' && *conf->tls_key != '\0';
    registry->session_ms = conf->smtp_session_timeout * 1000 + SESSION_MARGIN_MS;
}

static void free_state(struct registry_state *state)
{
    state_free_set(state);
    for (size_t i = 0; i < state->profiles.count; i++)
        registry_profile_free(state_profile_at(state, i));
    for (size_t i = 0; i < state->rules.count; i++)
        registry_rule_free(state_rule_at(state, i));
    for (size_t i = 0; i < state->hidden.count; i++)
        registry_rule_free(state_hidden_at(state, i));
    free(state->profiles.items);
    free(state->rules.items);
    free(state->hidden.items);
}

static void free_accounts(struct pointers *accounts)
{
    for (size_t i = 0; i < accounts->count; i++)
        account_free((struct account **)&accounts->items[i]);
    free(accounts->items);
}

void registry_free(struct registry **registry)
{
    struct registry *r = *registry;

    if (r == NULL)
        return;
    registry_stop(r);
    registry_write_last_audit(r);
    registry_on_sweep(r);
    loop_timer_free(&r->kick);
    loop_timer_free(&r->announce);
    loop_timer_free(&r->sweep);
    loop_timer_free(&r->forget);
    registry_forget_rules_fd(r);
    free_state(&r->now);
    json_decref(r->drained);
    free_accounts(&r->accounts);
    store_close(&r->store);
    secret_wipe(&r->keys, sizeof(r->keys));
    free(r->key_path);
    free(r);
    *registry = NULL;
}

void registry_set_mail_count(struct registry *registry, registry_mail_count *count, void *arg)
{
    registry->mail_count = count;
    registry->mail_count_arg = arg;
}

void registry_watch(struct registry *registry, registry_watch_cb *cb, void *arg)
{
    if (registry->watcher_count == REGISTRY_WATCHERS)
        abort(); /* a fixed, small number of modules watch */
    registry->watchers[registry->watcher_count++] = (struct registry_watcher){ cb, arg };
}
