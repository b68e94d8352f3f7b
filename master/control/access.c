#include "master/control/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "master/control/cookie.h"

#define MODULE         "console"
#define EXPIRY_MS      5000  /* between looks for sessions that are over */
#define LOG_QUIET_MS   10000 /* between two lines about failed log-ins */
#define AUDIT_QUIET_MS 60000 /* and between two entries: a flood must not wash out the others */

/* ---- log and audit ---- */

static struct registry_actor actor_of(const char *name)
{
    struct registry_actor actor;

    (void)snprintf(actor.text, sizeof(actor.text), "account=%s", name);
    return actor;
}

static const struct registry_actor nobody = { "console" };

static void on_ended(const struct session *session, enum session_end why, void *arg)
{
    struct access *access = arg;
    struct registry_actor actor = actor_of(session->name);
    bool is_own = why == SESSION_LOGGED_OUT;
    char detail[128];

    (void)snprintf(detail, sizeof(detail), "from %s%s%s",
                   *session->client != '\0' ? session->client : "an unknown address",
                   is_own ? "" : ": ", is_own ? "" : session_end_name(why));
    log_info(MODULE, "session ended", LOG_STR("account", session->name),
             LOG_STR("client", session->client), LOG_STR("reason", session_end_name(why)));
    registry_audit_add(access->registry, is_own ? &actor : &nobody,
                       is_own ? "logged out" : "session ended", session->name, detail);
}

const struct session *access_begin(struct access *access, const struct account *account,
                                   const char *client, char out_token[RANDOM_TOKEN_SIZE])
{
    struct registry_actor actor = actor_of(account->name);
    const struct session *session = sessions_begin(access->sessions, account->id, account->name,
                                                   client, loop_now_ms(access->loop), out_token);
    char detail[128];

    if (session == NULL)
        return NULL;
    (void)snprintf(detail, sizeof(detail), "from %s",
                   *client != '\0' ? client : "an unknown address");
    log_info(MODULE, "logged in", LOG_STR("account", account->name), LOG_STR("client", client),
             LOG_STR("role", account_role_name(account->role)));
    registry_account_login(access->registry, account->id, detail, &actor);
    if (!loop_timer_is_set(access->expiry))
        loop_timer_set_ms(access->expiry, EXPIRY_MS);
    return session;
}

void access_failed(struct access *access, const char *what, const struct account *account,
                   const char *client)
{
    const char *name = account != NULL ? account->name : "(no such account)";
    int64_t now_ms = loop_now_ms(access->loop);
    char detail[160];

    access->failed_since_line++;
    access->failed_since_entry++;
    if (now_ms >= access->log_quiet_until_ms) {
        log_warning(MODULE, what, LOG_STR("account", name), LOG_STR("client", client),
                    LOG_INT("since_last_line", access->failed_since_line));
        access->log_quiet_until_ms = now_ms + LOG_QUIET_MS;
        access->failed_since_line = 0;
    }
    if (now_ms >= access->audit_quiet_until_ms) {
        (void)snprintf(detail, sizeof(detail), "from %s; %u since the last such entry", client,
                       access->failed_since_entry);
        registry_audit_add(access->registry, &nobody, what, name, detail);
        access->audit_quiet_until_ms = now_ms + AUDIT_QUIET_MS;
        access->failed_since_entry = 0;
    }
}

/* ---- the first account ---- */

void access_look(struct access *access)
{
    char text[FIRST_CODE_TEXT_SIZE];

    if (registry_account_count(access->registry) > 0) {
        first_code_clear(&access->first);
        return;
    }
    if (access->first.is_set || !access->has_console)
        return;
    if (first_code_make(&access->first, text) == 0)
        log_warning(MODULE,
                    "the console has no account yet: open it and enter this code, or run "
                    "posternctl account add NAME --role admin",
                    LOG_STR("code", text));
    secret_wipe(text, sizeof(text));
}

void access_warn(const struct access *access, json_t *warnings)
{
    const char *lacking = NULL;

    if (!access->has_console)
        return;
    if (registry_account_count(access->registry) == 0)
        lacking = "the console has no account yet: nobody can log in until posternctl account add "
                  "NAME --role admin, or the code in the log is entered there";
    else if (registry_account_admins(access->registry) == 0)
        lacking = "no account is an administrator: the console can change nothing";
    if (lacking != NULL)
        (void)json_array_append_new(warnings, json_string(lacking));
    if (access->is_in_clear)
        (void)json_array_append_new(
            warnings, json_string("console.plain_http: passwords and secrets that are entered in "
                                  "the console cross the network in clear"));
}

/* ---- sessions ---- */

const struct session *access_session(struct access *access, const char *cookies,
                                     const struct account **ret_account)
{
    char token[RANDOM_TOKEN_SIZE];
    const struct session *session = NULL;

    if (cookie_token(cookies, access->is_plain, token))
        session = sessions_find(access->sessions, token, loop_now_ms(access->loop));
    secret_wipe(token, sizeof(token));
    if (session == NULL)
        return NULL;
    *ret_account = registry_account(access->registry, session->account);
    return *ret_account != NULL ? session : NULL;
}

void access_touch(struct access *access, const struct session *session)
{
    sessions_touch(access->sessions, session, loop_now_ms(access->loop));
}

static void on_expiry(void *arg)
{
    struct access *access = arg;

    sessions_expire(access->sessions, loop_now_ms(access->loop));
    if (sessions_count(access->sessions) > 0)
        loop_timer_set_ms(access->expiry, EXPIRY_MS);
}

/* ---- life ---- */

static struct session_rules session_rules_of(const struct conf *conf)
{
    return (struct session_rules){ .idle_ms = conf->console_session_idle * 1000,
                                   .max_ms = conf->console_session_max * 1000 };
}

static struct login_limit_rules limit_rules_of(const struct conf *conf)
{
    return (struct login_limit_rules){ .tries = (unsigned)conf->console_login_tries,
                                       .window_ms = conf->console_login_window * 1000 };
}

static bool is_loopback(const char *listen)
{
    struct address address;

    if (address_parse(listen, 0, &address) < 0)
        return false;
    if (address.sa.sa_family == AF_INET)
        return ntohl(address.in.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address.in6.sin6_addr);
}

static void set_listener(struct access *access, const struct conf *conf)
{
    access->has_console = *conf->console_listen != '\0';
    access->is_plain = conf->console_plain_http;
    access->is_in_clear =
        access->has_console && access->is_plain && !is_loopback(conf->console_listen);
}

void access_reload(struct access *access, const struct conf *conf)
{
    const struct session_rules sessions = session_rules_of(conf);
    const struct login_limit_rules limit = limit_rules_of(conf);

    sessions_set_rules(access->sessions, &sessions);
    login_limit_set_rules(access->limit, &limit);
    set_listener(access, conf);
    access_look(access);
}

int access_new(struct loop *loop, struct registry *registry, const struct conf *conf,
               struct access **ret_access)
{
    const struct session_rules sessions = session_rules_of(conf);
    const struct login_limit_rules limit = limit_rules_of(conf);
    struct access *access = calloc(1, sizeof(*access));

    if (access == NULL)
        return -ENOMEM;
    access->loop = loop;
    access->registry = registry;
    access->hasher = hasher_new(loop);
    access->sessions = sessions_new(&sessions, on_ended, access);
    access->limit = login_limit_new(&limit);
    access->expiry = loop_timer_new(loop, on_expiry, access);
    if (access->hasher == NULL || access->sessions == NULL || access->limit == NULL ||
        access->expiry == NULL) {
        access_free(&access);
        return -ENOMEM;
    }
    set_listener(access, conf);
    access_look(access);
    *ret_access = access;
    return 0;
}

void access_stop(struct access *access)
{
    hasher_free(&access->hasher);
}

void access_free(struct access **access)
{
    struct access *a = *access;

    if (a == NULL)
        return;
    hasher_free(&a->hasher);
    loop_timer_free(&a->expiry);
    sessions_free(&a->sessions);
    login_limit_free(&a->limit);
    first_code_clear(&a->first);
    free(a);
    *access = NULL;
}
