#include "worker/rest/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/profile.h"
#include "worker/http.h"
#include "worker/rest/client.h"

#define PATH_SHOWN 64
#define SHOWN_MAX  64 /* bytes of a product's name or version that are shown */

struct rest_question {
    struct rest_client *client;
    const struct profile *profile;
    const struct server_uri *server;
    rest_found_cb *done;
    void *arg;
    struct reason version; /* what it says it is */
};

static const char *kind_of(const struct rest_question *question)
{
    return question->profile->type == PROFILE_CORE ? "Core" : "Vault";
}

static const char *key_of(const struct rest_question *question)
{
    return question->profile->secrets[SECRET_API_KEY];
}

/* ---- the end ---- */

static void question_free(struct rest_question *question)
{
    rest_client_free(&question->client);
    free(question);
}

static void finish(struct rest_question *question, enum rest_word word, enum rest_trouble trouble,
                   const char *text)
{
    const struct rest_found found = { .word = word, .trouble = trouble, .text = text };

    rest_client_free(&question->client);
    question->done(&found, question->arg);
    question_free(question);
}

/* ---- what is wrong ---- */

/* nginx: "The plain HTTP request was sent to HTTPS port"; Go: "Client sent an HTTP request to an
 * HTTPS server". */
static bool says_tls(const struct rest_question *question, const struct http_answer *answer)
{
    return question->server->scheme == SERVER_HTTP && answer->status == 400 &&
           strcasestr(answer->body, "HTTP request") != NULL &&
           strcasestr(answer->body, "HTTPS") != NULL;
}

static enum rest_trouble trouble_of_status(const struct rest_question *question,
                                           const struct http_answer *answer)
{
    switch (rest_judge(answer)) {
    case REST_REFUSED: return REST_KEY;
    case REST_BUSY: return REST_NOT_READY;
    case REST_FAILED: return answer->status / 100 == 3 ? REST_ELSEWHERE : REST_BROKEN;
    case REST_NO:
    case REST_OK:
    case REST_SHORT: break;
    }
    if (says_tls(question, answer))
        return REST_SPEAKS_TLS;
    return answer->status == 404 ? REST_PLACE : REST_OTHER_KIND;
}

static enum rest_trouble trouble_of(const struct rest_question *question,
                                    const struct http_answer *answer)
{
    switch (answer->event) {
    case HTTP_ANSWERED: return trouble_of_status(question, answer);
    case HTTP_TIMED_OUT: return REST_SILENT;
    case HTTP_UNREACHABLE:
    case HTTP_NONSENSE: return REST_LOST;
    case HTTP_TLS_FAILED: return REST_UNTRUSTED;
    case HTTP_TOO_LARGE: return REST_OTHER_KIND;
    case HTTP_SHORT: break;
    }
    return REST_OURS;
}

static void finish_wrong(struct rest_question *question, const char *path,
                         const struct rest_answer *answer)
{
    struct reason why;

    reason_format(&why, "GET %.*s%s: %s", PATH_SHOWN, question->server->path, path, answer->why);
    finish(question, answer->word, trouble_of(question, answer->http), why.text);
}

static int get(struct rest_question *question, const char *path, rest_done_cb *done,
               struct reason *reterr_why)
{
    const struct rest_call call = { .method = "GET", .path = path };

    return rest_call(question->client, &call, done, question, reterr_why);
}

/* ---- GET /readyz ---- */

static void on_ready(const struct rest_answer *answer, void *arg)
{
    struct rest_question *question = arg;
    struct reason text;

    if (answer->status == 404) {
        reason_format(&text, "%s; Cores before version 5 do not tell whether they are ready",
                      question->version.text);
        finish(question, REST_OK, REST_NO_TROUBLE, text.text);
    } else if (answer->word == REST_OK) {
        reason_format(&text, "%s, ready", question->version.text);
        finish(question, REST_OK, REST_NO_TROUBLE, text.text);
    } else {
        finish_wrong(question, "/readyz", answer);
    }
}

/* ---- GET /version ---- */

/* "name value", if the member is there. */
static void add_member(const struct rest_question *question, const json_t *json, const char *member,
                       struct reason *text)
{
    const char *value = json_string_value(json_object_get(json, member));
    char clean[SHOWN_MAX + 1];
    size_t used = strlen(text->text);

    rest_clean(value != NULL ? value : "", key_of(question), clean, sizeof(clean));
    if (clean[0] != '\0')
        (void)snprintf(text->text + used, sizeof(text->text) - used, " %s", clean);
}

/* A Core answers with an object; of a Vault it is known that it speaks JSON. */
static bool read_version(struct rest_question *question, const json_t *json)
{
    const bool is_core = question->profile->type == PROFILE_CORE;

    reason_format(&question->version, "MetaDefender %s", kind_of(question));
    if (is_core)
        add_member(question, json, "product_id", &question->version);
    add_member(question, json, "version", &question->version);
    return json != NULL && (!is_core || json_is_object(json));
}

static void finish_other_kind(struct rest_question *question, const struct rest_answer *answer)
{
    struct reason why;

    reason_format(&why, "GET %.*s/version: it answered%s, but not as a MetaDefender %s does",
                  PATH_SHOWN, question->server->path,
                  rest_is_page(answer->http) ? " with a page for people" : "", kind_of(question));
    finish(question, REST_NO, REST_OTHER_KIND, why.text);
}

static void on_version(const struct rest_answer *answer, void *arg)
{
    struct rest_question *question = arg;
    struct reason why = { "" };

    if (answer->word != REST_OK)
        finish_wrong(question, "/version", answer);
    else if (!read_version(question, answer->body))
        finish_other_kind(question, answer);
    else if (question->profile->type == PROFILE_VAULT)
        finish(question, REST_OK, REST_NO_TROUBLE, question->version.text);
    else if (get(question, "/readyz", on_ready, &why) < 0)
        finish(question, REST_SHORT, REST_OURS, why.text);
}

/* ---- the beginning ---- */

int rest_ask(struct http *http, const struct profile *profile, unsigned server, rest_found_cb *done,
             void *arg, struct rest_question **ret_question, struct reason *reterr_why)
{
    struct rest_question *question = calloc(1, sizeof(*question));
    int err;

    if (question == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    *question = (struct rest_question){
        .client = rest_client_borrow(http, profile, server),
        .profile = profile,
        .server = &profile->servers[server],
        .done = done,
        .arg = arg,
    };
    err = question->client != NULL ? get(question, "/version", on_version, reterr_why)
                                   : reason_set(reterr_why, -ENOMEM, "out of memory");
    if (err < 0) {
        question_free(question);
        return err;
    }
    *ret_question = question;
    return 0;
}

void rest_cancel(struct rest_question **question)
{
    struct rest_question *gone = *question;

    *question = NULL;
    if (gone != NULL)
        question_free(gone);
}
