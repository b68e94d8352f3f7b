#include "worker/smtp/auth.h"

#include <errno.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/secret.h"

static const struct {
    const char *name;
    bool begins; /* we have the first word */
    bool proves; /* the server shows that it knows the password, too */
} rows[SMTP_MECHANISM_COUNT] = {
    [SMTP_AUTH_SCRAM_SHA_256] = { "SCRAM-SHA-256", true, true },
    [SMTP_AUTH_CRAM_MD5] = { "CRAM-MD5", false, false },
    [SMTP_AUTH_PLAIN] = { "PLAIN", true, false },
    [SMTP_AUTH_LOGIN] = { "LOGIN", false, false },
    [SMTP_AUTH_XOAUTH2] = { "XOAUTH2", true, false },
};

struct smtp_auth {
    enum smtp_mechanism mechanism;
    Gsasl *library;
    Gsasl_session *session;
    const char *username, *token; /* with XOAUTH2 */
    bool is_done;
};

const char *smtp_mechanism_name(enum smtp_mechanism mechanism)
{
    return rows[mechanism].name;
}

enum smtp_mechanism smtp_mechanism_of(const char *name, size_t bytes)
{
    unsigned i = 0;

    while (i < SMTP_MECHANISM_COUNT &&
           (strlen(rows[i].name) != bytes || strncasecmp(rows[i].name, name, bytes) != 0))
        i++;
    return i;
}

enum smtp_mechanism smtp_auth_choose(unsigned offered, unsigned refused)
{
    unsigned i = 0;

    while (i < SMTP_MECHANISM_COUNT && ((offered & ~refused) >> i & 1) == 0)
        i++;
    return i;
}

int smtp_auth_new(enum smtp_mechanism mechanism, const char *username, const char *password,
                  struct smtp_auth **ret_auth)
{
    struct smtp_auth *auth = calloc(1, sizeof(*auth));

    if (auth == NULL)
        return -ENOMEM;
    auth->mechanism = mechanism;
    if (mechanism == SMTP_AUTH_XOAUTH2) {
        auth->username = username;
        auth->token = password;
        *ret_auth = auth;
        return 0;
    }
    if (gsasl_init(&auth->library) != GSASL_OK ||
        gsasl_client_start(auth->library, rows[mechanism].name, &auth->session) != GSASL_OK ||
        gsasl_property_set(auth->session, GSASL_AUTHID, username) != GSASL_OK ||
        gsasl_property_set(auth->session, GSASL_PASSWORD, password) != GSASL_OK) {
        smtp_auth_free(&auth);
        return -ENOMEM;
    }
    *ret_auth = auth;
    return 0;
}

/* The library frees what it was given without a look back. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    char *text = (char *)gsasl_property_fast(session, property);

    if (text != NULL)
        explicit_bzero(text, strlen(text));
}

void smtp_auth_free(struct smtp_auth **auth)
{
    struct smtp_auth *a = *auth;

    *auth = NULL;
    if (a == NULL)
        return;
    if (a->session != NULL) {
        wipe_property(a->session, GSASL_PASSWORD);
        gsasl_finish(a->session);
    }
    if (a->library != NULL)
        gsasl_done(a->library);
    free(a);
}

static int step(struct smtp_auth *auth, const char *challenge, char **ret_text,
                struct reason *reterr_why)
{
    char *text = NULL;
    int rc = gsasl_step64(auth->session, challenge, &text);

    if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
        auth->is_done = rc == GSASL_OK;
        *ret_text = text;
        return 0;
    }
    if (rc == GSASL_MALLOC_ERROR)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    return reason_set(reterr_why, -EBADMSG, "%s: %s", rows[auth->mechanism].name,
                      gsasl_strerror(rc));
}

/* "user=" user ^A "auth=Bearer " token ^A ^A, in base64. */
static int say_token(const struct smtp_auth *auth, char **ret_text, struct reason *reterr_why)
{
    const size_t size =
        strlen(auth->username) + strlen(auth->token) + sizeof("user=^auth=Bearer ^^");
    char *clear = malloc(size);
    int rc = GSASL_MALLOC_ERROR;

    if (clear != NULL) {
        (void)snprintf(clear, size, "user=%s\001auth=Bearer %s\001\001", auth->username,
                       auth->token);
        rc = gsasl_base64_to(clear, strlen(clear), ret_text, NULL);
        secret_free(&clear);
    }
    return rc == GSASL_OK ? 0 : reason_set(reterr_why, -ENOMEM, "out of memory");
}

int smtp_auth_begin(struct smtp_auth *auth, char **ret_text, struct reason *reterr_why)
{
    *ret_text = NULL;
    if (auth->mechanism == SMTP_AUTH_XOAUTH2)
        return say_token(auth, ret_text, reterr_why);
    return rows[auth->mechanism].begins ? step(auth, "", ret_text, reterr_why) : 0;
}

/* "r=...,s=...,i=4096" in base64. 0: it says no such thing. */
static unsigned long rounds_asked(const char *challenge)
{
    unsigned long rounds = 0;
    const char *found;
    char *text, *copy;
    size_t bytes;

    if (gsasl_base64_from(challenge, strlen(challenge), &text, &bytes) != GSASL_OK)
        return 0;
    copy = strndup(text, bytes);
    gsasl_free(text);
    found = copy != NULL ? strstr(copy, ",i=") : NULL;
    if (found != NULL)
        rounds = strtoul(found + 3, NULL, 10);
    free(copy);
    return rounds;
}

int smtp_auth_answer(struct smtp_auth *auth, const char *challenge, char **ret_text,
                     struct reason *reterr_why)
{
    unsigned long rounds = auth->mechanism == SMTP_AUTH_SCRAM_SHA_256 ? rounds_asked(challenge) : 0;

    if (auth->mechanism == SMTP_AUTH_XOAUTH2) {
        *ret_text = NULL; /* that it is refused comes as a reply then */
        return 0;
    }
    if (rounds > SMTP_SCRAM_ROUNDS_MAX)
        return reason_set(reterr_why, -EBADMSG,
                          "SCRAM-SHA-256: the server asks for %lu rounds; %u are the most", rounds,
                          SMTP_SCRAM_ROUNDS_MAX);
    return step(auth, challenge, ret_text, reterr_why);
}

bool smtp_auth_is_complete(const struct smtp_auth *auth)
{
    return auth->is_done || !rows[auth->mechanism].proves;
}

void smtp_auth_wipe(char *text)
{
    if (text == NULL)
        return;
    explicit_bzero(text, strlen(text));
    gsasl_free(text);
}
