/* worker/smtp/connection_login.c: AUTH on a session that is as safe as it gets (SP33, SP34).
 *
 * A mechanism that the server does not do after all (504, 534) makes room for the next weaker one;
 * a refused password (535) does not: it would be as wrong there. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/secret.h"
#include "worker/smtp/connection_private.h"

#define TOKEN_NEW_MS  5000 /* so young, it was not withdrawn before its time */
#define AUTH_LINE_MAX 512U /* of a command, with its end (RFC 5321 4.5.3.1.4) */

static enum smtp_connection_state give_up(struct smtp_connection *c,
                                          enum smtp_login_trouble trouble, const char *what)
{
    c->login = trouble;
    smtp_connection_fail(c, SMTP_AT_AUTH, SMTP_UNSAFE, what);
    return c->state;
}

/* The password, or the token; NULL: none. */
static const char *secret_of(const struct smtp_connection *c)
{
    return c->dial.security.token_of != NULL ? c->token : c->dial.security.password;
}

/* ---- may it be sent at all (SP33), and how? ---- */

static enum smtp_login_trouble is_unsafe(const struct smtp_connection *c, const char **ret_what)
{
    const struct smtp_security *security = &c->dial.security;
    const struct tls_facts *facts = stream_tls_facts(c->stream);

    if (facts == NULL && security->tls != SMTP_TLS_NEVER) {
        *ret_what = "the password is not sent in clear";
        return SMTP_LOGIN_IN_CLEAR;
    }
    if (facts != NULL && !facts->is_verified && !security->may_be_anyone) {
        *ret_what = "the password is not sent to a server whose certificate does not check out";
        return SMTP_LOGIN_TO_ANYONE;
    }
    return SMTP_LOGIN_FINE;
}

/* ---- an OAuth token ---- */

static void fail_login(struct smtp_connection *c, int err, const char *what);

static enum smtp_connection_state take_token(struct smtp_connection *c, const struct token *token)
{
    secret_free(&c->token);
    c->token = strdup(token->text);
    c->token_serial = token->serial;
    c->is_token_new = c->is_token_new || token->serial == 0 ||
                      smtp_connection_now_ms(c) - token->got_ms < TOKEN_NEW_MS;
    if (c->token != NULL)
        return AUTH;
    fail_login(c, -ENOMEM, NULL);
    return c->state;
}

static void on_token(struct token_wish *wish, const struct token *token, const char *why)
{
    struct smtp_connection *c =
        (struct smtp_connection *)((char *)wish - offsetof(struct smtp_connection, wish));
    enum smtp_connection_state next;

    c->depth++;
    if (token != NULL)
        next = take_token(c, token);
    else
        next = give_up(c, SMTP_LOGIN_NO_TOKEN, why);
    if (next == AUTH && c->state == TOKEN)
        smtp_connection_go(c, AUTH);
    smtp_connection_leave(c);
}

/* `refused` is the serial of one that the server did not take. */
static enum smtp_connection_state get_token(struct smtp_connection *c, uint64_t refused)
{
    const struct smtp_security *security = &c->dial.security;
    struct token token;

    c->is_token_new = refused != 0;
    c->wish.done = on_token;
    if (tokens_get(security->tokens, security->token_of, security->is_token_own, refused, &c->wish,
                   &token))
        return take_token(c, &token);
    return TOKEN;
}

/* ---- by which mechanism ---- */

/* Those that would do, but cannot with what we have, are as good as refused. */
static unsigned mechanisms_out(const struct smtp_connection *c)
{
    return c->refused | (c->dial.security.token_of != NULL ? SMTP_AUTH_NOT_WITH_TOKEN
                                                           : SMTP_AUTH_NOT_WITH_PASSWORD);
}

static enum smtp_connection_state choose(struct smtp_connection *c)
{
    bool is_offered = (c->extensions.flags & SMTP_HAS_AUTH) != 0;
    bool may_be_later =
        (c->extensions.flags & SMTP_HAS_STARTTLS) != 0 && stream_tls_facts(c->stream) == NULL;

    c->mechanism = smtp_auth_choose(c->extensions.auth, mechanisms_out(c));
    if (c->mechanism != SMTP_MECHANISM_COUNT)
        return c->dial.security.token_of != NULL ? get_token(c, 0) : AUTH;
    if (is_offered)
        return give_up(c, SMTP_LOGIN_NO_COMMON_WAY,
                       c->dial.security.token_of != NULL
                           ? "AUTH is offered, but not by XOAUTH2, which an OAuth token needs"
                           : "AUTH is offered, but no mechanism that works here: SCRAM-SHA-256, "
                             "CRAM-MD5, PLAIN, LOGIN");
    return give_up(c, may_be_later ? SMTP_LOGIN_ONLY_IN_TLS : SMTP_LOGIN_NOT_OFFERED,
                   may_be_later ? "AUTH is not offered in clear" : "AUTH is not offered");
}

enum smtp_connection_state smtp_connection_before_ready(struct smtp_connection *c)
{
    const char *what = NULL;
    enum smtp_login_trouble trouble;

    if (c->dial.security.username == NULL)
        return READY;
    trouble = is_unsafe(c, &what);
    return trouble == SMTP_LOGIN_FINE ? choose(c) : give_up(c, trouble, what);
}

void smtp_connection_forget_login(struct smtp_connection *c)
{
    smtp_auth_free(&c->auth);
    smtp_auth_wipe(c->first);
    smtp_auth_wipe(c->said);
    c->first = c->said = NULL;
}

void smtp_connection_forget_token(struct smtp_connection *c)
{
    tokens_cancel(&c->wish);
    secret_free(&c->token);
}

/* A server that repeats what it was told would have it in our logs. */
static void hide_secrets(struct smtp_connection *c)
{
    bool is_told = c->said != NULL && c->said[0] != '\0' && strstr(c->reply.text, c->said) != NULL;

    const char *secret = secret_of(c);

    if (is_told || (secret[0] != '\0' && strstr(c->reply.text, secret) != NULL))
        (void)snprintf(c->reply.text, sizeof(c->reply.text),
                       "(not shown: the reply repeats what we said)");
}

/* ---- what is said ---- */

static void wipe(const void *data, size_t bytes, void *arg)
{
    (void)arg;
    explicit_bzero((void *)data, bytes);
    free((void *)data);
}

/* By reference, so that no copy of the secret stays behind; "" is a line, too. */
static void send_secret(struct smtp_connection *c, const char *before, const char *secret)
{
    size_t bytes = strlen(before) + strlen(secret) + 2;
    char *line = malloc(bytes + 1);

    smtp_auth_wipe(c->said);
    c->said = strdup(secret);
    if (line == NULL || c->said == NULL) {
        free(line);
        smtp_connection_fail(c, SMTP_AT_AUTH, SMTP_SHORT, "out of memory");
        return;
    }
    (void)snprintf(line, bytes + 1, "%s%s\r\n", before, secret);
    if (evbuffer_add_reference(stream_output(c->stream), line, bytes, wipe, NULL) != 0) {
        wipe(line, bytes, NULL);
        smtp_connection_fail(c, SMTP_AT_AUTH, SMTP_SHORT, "out of memory");
        return;
    }
    stream_kick(c->stream);
}

static void fail_login(struct smtp_connection *c, int err, const char *what)
{
    if (err == -ENOMEM)
        smtp_connection_fail(c, SMTP_AT_AUTH, SMTP_SHORT, "out of memory");
    else
        smtp_connection_fail(c, SMTP_AT_AUTH, SMTP_GARBAGE, what);
}

void smtp_connection_begin_login(struct smtp_connection *c)
{
    const struct smtp_security *security = &c->dial.security;
    struct reason why = { "" };
    char command[48], *first = NULL;
    int err;

    smtp_connection_forget_login(c);
    err = smtp_auth_new(c->mechanism, security->username, secret_of(c), &c->auth);
    if (err == 0)
        err = smtp_auth_begin(c->auth, &first, &why);
    if (err < 0) {
        fail_login(c, err, why.text);
        return;
    }
    (void)snprintf(command, sizeof(command), "AUTH %s%s", smtp_mechanism_name(c->mechanism),
                   first != NULL ? " " : "");
    if (first != NULL && strlen(command) + strlen(first) + 2 > AUTH_LINE_MAX) {
        /* Too long for a command: it waits until the server asks for it. */
        c->first = first;
        first = NULL;
        command[strlen(command) - 1] = '\0';
    }
    send_secret(c, command, first != NULL ? first : "");
    smtp_auth_wipe(first);
}

/* ---- what a reply means ---- */

static enum smtp_connection_state answer(struct smtp_connection *c)
{
    struct reason why = { "" };
    char *text = c->first;
    int err = 0;

    c->first = NULL;
    if (text == NULL)
        err = smtp_auth_answer(c->auth, c->reply.text, &text, &why);
    if (err < 0)
        fail_login(c, err, why.text);
    else
        send_secret(c, "", text != NULL ? text : "");
    smtp_auth_wipe(text);
    return c->state;
}

static enum smtp_connection_state get_in(struct smtp_connection *c)
{
    if (!smtp_auth_is_complete(c->auth))
        return give_up(c, SMTP_LOGIN_UNPROVEN,
                       "the server let us in, but did not show that it knows the password");
    smtp_connection_forget_login(c);
    smtp_connection_forget_token(c);
    c->is_logged_in = true;
    if (c->ops->on_step != NULL)
        c->ops->on_step(SMTP_AT_AUTH, &c->reply, c->owner);
    return c->state == AUTH ? READY : c->state;
}

/* It may have been withdrawn before its time: once a new one is tried. */
static bool may_be_token(const struct smtp_connection *c)
{
    return c->reply.code == 535 && c->dial.security.token_of != NULL && !c->is_token_new;
}

enum smtp_connection_state smtp_connection_on_auth(struct smtp_connection *c)
{
    const struct smtp_reply *reply = &c->reply;
    char what[SMTP_REPLY_TEXT_SIZE + 64];
    enum smtp_event event = smtp_event_of(reply);

    if (reply->code == 334)
        return answer(c);
    hide_secrets(c);
    if (reply->code == 235)
        return get_in(c);
    if (may_be_token(c)) {
        enum smtp_connection_state next = get_token(c, c->token_serial);

        if (next == AUTH)
            smtp_connection_go(c, AUTH); /* from itself */
        return next;
    }
    if (reply->code == 504 || reply->code == 534) {
        c->refused |= 1U << c->mechanism;
        if (smtp_auth_choose(c->extensions.auth, mechanisms_out(c)) != SMTP_MECHANISM_COUNT) {
            (void)choose(c);
            smtp_connection_go(c, AUTH); /* from itself: no other state is between */
            return c->state;
        }
    }
    (void)snprintf(what, sizeof(what), "%u %s", reply->code, reply->text);
    smtp_connection_fail(c, SMTP_AT_AUTH, event == SMTP_SAID_OK ? SMTP_SAID_ODD : event, what);
    return c->state;
}
