#include "worker/token_fetch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/profile.h"
#include "common/secret.h"
#include "common/server_uri.h"
#include "worker/http.h"

#define CONNECT_LIMIT_MS 5000
#define ANSWER_MAX       (64U << 10)
#define WORDS_MAX        200 /* of the server's own, shown to people */

struct token_fetch {
    struct http_job *job;
    token_fetched_cb *done;
    void *arg;
    char *secrets[SECRET_COUNT]; /* that were sent: what repeats them is not shown */
};

static void free_fetch(struct token_fetch *fetch)
{
    for (unsigned i = 0; i < SECRET_COUNT; i++)
        secret_free(&fetch->secrets[i]);
    free(fetch);
}

/* ---- what is sent ---- */

struct form {
    char *text; /* wiped block by block as it grows */
    size_t bytes;
    bool is_short;
};

static void form_add(struct form *form, const char *name, const char *value)
{
    char *encoded, *grown;
    size_t room;

    if (value == NULL || form->is_short)
        return;
    encoded = http_encode(value);
    room = encoded != NULL ? form->bytes + strlen(name) + strlen(encoded) + 3 : 0;
    grown = encoded != NULL ? secret_block_resize(form->text, room) : NULL;
    if (grown != NULL) {
        form->text = grown;
        form->bytes += (size_t)snprintf(grown + form->bytes, room - form->bytes, "%s%s=%s",
                                        form->bytes > 0 ? "&" : "", name, encoded);
    }
    form->is_short = grown == NULL;
    secret_free(&encoded);
}

static void fill_form(struct form *form, const struct profile *profile)
{
    const bool is_refresh = profile->oauth.grant == GRANT_REFRESH_TOKEN;

    form_add(form, "grant_type", is_refresh ? "refresh_token" : "client_credentials");
    form_add(form, "client_id", profile->oauth.client_id);
    form_add(form, "client_secret", profile->secrets[SECRET_OAUTH_CLIENT_SECRET]);
    if (is_refresh)
        form_add(form, "refresh_token", profile->secrets[SECRET_OAUTH_REFRESH_TOKEN]);
    form_add(form, "scope", profile->oauth.scope);
}

/* ---- what comes back ---- */

static void end(struct token_fetch *fetch, const char *token, unsigned lives_s, const char *why)
{
    fetch->done(token, lives_s, why, fetch->arg);
    free_fetch(fetch);
}

static bool repeats_secret(const struct token_fetch *fetch, const char *text)
{
    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        if (fetch->secrets[i] != NULL && strstr(text, fetch->secrets[i]) != NULL)
            return true;
    }
    return false;
}

/* The server's word, as far as it is fit for a line of the log; "": it said none. */
static const char *words_of(const struct token_fetch *fetch, const json_t *answer,
                            const char *member, char out[WORDS_MAX + 3])
{
    const char *text = json_string_value(json_object_get(answer, member));
    size_t bytes = 2;

    out[0] = '\0';
    if (text == NULL || text[0] == '\0' || repeats_secret(fetch, text))
        return out;
    memcpy(out, ": ", 2);
    for (; *text != '\0' && bytes < WORDS_MAX + 2; text++)
        out[bytes++] = (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text;
    out[bytes] = '\0';
    return out;
}

static void end_refused(struct token_fetch *fetch, long status, const json_t *answer)
{
    char code[WORDS_MAX + 3], description[WORDS_MAX + 3];
    struct reason why;

    reason_format(&why, "the token server answered %ld%s%s", status,
                  words_of(fetch, answer, "error", code),
                  words_of(fetch, answer, "error_description", description));
    end(fetch, NULL, 0, why.text);
}

static bool is_fit(const char *token)
{
    size_t bytes = token != NULL ? strlen(token) : 0;

    for (size_t i = 0; i < bytes; i++) {
        if (token[i] <= ' ' || token[i] == 0x7f)
            return false;
    }
    return bytes > 0 && bytes <= TOKEN_MAX_BYTES;
}

static unsigned life_of(const json_t *answer)
{
    const json_t *said = json_object_get(answer, "expires_in");
    json_int_t seconds = TOKEN_LIFE_UNSAID_S;

    if (json_is_integer(said))
        seconds = json_integer_value(said);
    else if (json_is_string(said)) /* some do */
        seconds = strtoll(json_string_value(said), NULL, 10);
    if (seconds < 1)
        seconds = 1;
    return seconds < TOKEN_LIFE_MAX_S ? (unsigned)seconds : TOKEN_LIFE_MAX_S;
}

static void on_answer(const struct http_answer *answer, void *arg)
{
    struct token_fetch *fetch = arg;
    AUTO(json) json_t *root = NULL;
    const char *token;

    fetch->job = NULL;
    if (answer->event != HTTP_ANSWERED) {
        struct reason why;

        reason_format(&why, "the token server: %s", answer->why);
        end(fetch, NULL, 0, why.text);
        return;
    }
    root = json_loadb(answer->body, answer->body_bytes, 0, NULL);
    if (answer->status != 200) {
        end_refused(fetch, answer->status, root);
        return;
    }
    token = json_string_value(json_object_get(root, "access_token"));
    if (is_fit(token))
        end(fetch, token, life_of(root), NULL);
    else
        end(fetch, NULL, 0,
            token != NULL ? "the token server's access_token is no token: 1 to 8192 visible "
                            "characters would be"
                          : "the token server answered 200 without an access_token");
}

/* ---- from outside ---- */

static int keep_secrets(struct token_fetch *fetch, const struct profile *profile)
{
    for (unsigned i = 0; i < SECRET_COUNT; i++) {
        if (profile->secrets[i] == NULL || profile->secrets[i][0] == '\0')
            continue;
        fetch->secrets[i] = strdup(profile->secrets[i]);
        if (fetch->secrets[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int send_request(struct http *http, const struct profile *profile, struct token_fetch *fetch,
                        struct reason *reterr_why)
{
    static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
                                           "Accept: application/json", NULL };
    struct http_request request = {
        .method = "POST",
        .url = profile->oauth.token_url,
        .headers = headers,
        .ca = profile->ca,
        .shows_id = profile->client_certificate,
        .is_alone = true, /* a refresh token may serve once only */
        .connect_ms = CONNECT_LIMIT_MS,
        .total_ms = TOKEN_FETCH_LIMIT_MS,
        .answer_max = ANSWER_MAX,
    };
    struct form form = { 0 };
    int err = -ENOMEM;

    fill_form(&form, profile);
    request.body = form.text;
    request.body_bytes = form.bytes;
    if (!form.is_short)
        err = http_start(http, &request, on_answer, fetch, &fetch->job, reterr_why);
    else
        reason_format(reterr_why, "out of memory");
    secret_block_free(form.text);
    return err;
}

int token_fetch_begin(struct http *http, const struct profile *profile, token_fetched_cb *done,
                      void *arg, struct token_fetch **ret_fetch, struct reason *reterr_why)
{
    struct token_fetch *fetch = calloc(1, sizeof(*fetch));
    int err;

    if (fetch == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    fetch->done = done;
    fetch->arg = arg;
    err = keep_secrets(fetch, profile);
    if (err < 0)
        reason_format(reterr_why, "out of memory");
    else
        err = send_request(http, profile, fetch, reterr_why);
    if (err < 0) {
        free_fetch(fetch);
        return err;
    }
    *ret_fetch = fetch;
    return 0;
}

void token_fetch_cancel(struct token_fetch **fetch)
{
    struct token_fetch *f = *fetch;

    *fetch = NULL;
    if (f == NULL)
        return;
    http_cancel(&f->job);
    free_fetch(f);
}
