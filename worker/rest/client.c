#include "worker/rest/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/profile.h"
#include "common/secret.h"
#include "worker/directory.h"
#include "worker/http.h"

#define ANSWER_MAX (1U << 20) /* bytes: results list every engine of a scanner */
#define LINES_MAX  16

struct rest_client {
    struct http *http;
    struct worker_profile *held; /* NULL: the profile is borrowed */
    const struct profile *profile;
    const struct server_uri *server;
    struct http_session *session;
    struct http_job *job;
    rest_done_cb *done;
    void *arg;
};

struct rest_client *rest_client_borrow(struct http *http, const struct profile *profile,
                                       unsigned server)
{
    struct rest_client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        return NULL;
    client->http = http;
    client->profile = profile;
    client->server = &profile->servers[server];
    client->session = http_session_new(http);
    if (client->session == NULL)
        rest_client_free(&client);
    return client;
}

struct rest_client *rest_client_new(struct http *http, struct worker_profile *profile,
                                    unsigned server)
{
    struct rest_client *client = rest_client_borrow(http, profile->profile, server);

    if (client != NULL)
        client->held = directory_share(profile);
    return client;
}

void rest_client_free(struct rest_client **client)
{
    struct rest_client *c = *client;

    *client = NULL;
    if (c == NULL)
        return;
    http_cancel(&c->job);
    http_session_free(&c->session);
    if (c->held != NULL)
        directory_release(c->held);
    free(c);
}

/* ---- answers ---- */

bool rest_member(const json_t *object, const char *name, char *out, size_t size)
{
    const json_t *member = json_object_get(object, name);
    int bytes = -1;

    if (json_is_string(member))
        bytes = snprintf(out, size, "%s", json_string_value(member));
    else if (json_is_integer(member))
        bytes = snprintf(out, size, "%lld", (long long)json_integer_value(member));
    return bytes > 0 && (size_t)bytes < size;
}

static void on_answer(const struct http_answer *answer, void *arg)
{
    struct rest_client *client = arg;
    struct reason why = { "" };
    AUTO(json) json_t *body = NULL;
    struct rest_answer told = {
        .word = rest_judge(answer),
        .status = answer->status,
        .why = why.text,
        .http = answer,
    };

    client->job = NULL;
    if (answer->event == HTTP_ANSWERED)
        body = json_loadb(answer->body, answer->body_bytes, JSON_DECODE_ANY, NULL);
    told.body = body;
    if (told.word != REST_OK)
        rest_say(answer, body, client->profile->secrets[SECRET_API_KEY], &why);
    client->done(&told, client->arg); /* last: it may free the client */
}

/* ---- requests ---- */

struct lines { /* "Name: value"; secret blocks */
    const char *line[LINES_MAX + 1];
    unsigned count;
    bool is_short;
};

static bool is_fit(const char *value)
{
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value < ' ' || (unsigned char)*value > '~')
            return false;
    }
    return true;
}

static void add_line(struct lines *lines, const char *name, const char *value)
{
    size_t room = strlen(name) + strlen(value) + 3;
    char *line = lines->count < LINES_MAX ? secret_block_new(room) : NULL;

    lines->is_short |= line == NULL;
    if (line == NULL)
        return;
    (void)snprintf(line, room, "%s: %s", name, value);
    lines->line[lines->count++] = line;
}

static void add_header(struct lines *lines, const struct rest_header *header)
{
    char *encoded;

    if (header->value == NULL || header->value[0] == '\0')
        return;
    if (!header->is_encoded && is_fit(header->value)) {
        add_line(lines, header->name, header->value);
        return;
    }
    encoded = http_encode(header->value);
    lines->is_short |= encoded == NULL;
    if (encoded != NULL)
        add_line(lines, header->name, encoded);
    secret_free(&encoded);
}

static void add_key(struct lines *lines, const struct profile *profile)
{
    const char *key = profile->secrets[SECRET_API_KEY];
    char bearer[SECRET_MAX_BYTES + 16];

    if (key == NULL)
        return;
    if (profile->type == PROFILE_CORE) {
        add_line(lines, "apikey", key);
        return;
    }
    (void)snprintf(bearer, sizeof(bearer), "Bearer %s", key);
    add_line(lines, "Authorization", bearer);
    secret_wipe(bearer, sizeof(bearer));
}

static void free_lines(struct lines *lines)
{
    while (lines->count > 0)
        secret_block_free((char *)lines->line[--lines->count]);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int start(struct rest_client *client, const struct rest_call *call,
                 const struct lines *lines, struct reason *reterr_why)
{
    const struct profile *profile = client->profile;
    const int64_t stall_ms = least((int64_t)profile->timeouts.transfer_s * 1000, HTTP_TOTAL_MAX_MS);
    char url[SERVER_URI_MAX + 512];
    const struct http_request request = {
        .method = call->method,
        .url = url,
        .headers = lines->line,
        .source = call->source,
        .session = client->session,
        .ca = profile->ca,
        .is_unverified = !profile->verify_certificate,
        .shows_id = profile->client_certificate,
        .connect_ms = (int64_t)(profile->timeouts.connect_s + profile->timeouts.handshake_s) * 1000,
        .total_ms = call->source != NULL ? HTTP_TOTAL_MAX_MS : stall_ms,
        .stall_ms = stall_ms,
        .answer_max = ANSWER_MAX,
    };
    int bytes = snprintf(url, sizeof(url), "%s%s", client->server->text, call->path);

    if (bytes < 0 || (size_t)bytes >= sizeof(url))
        return reason_set(reterr_why, -EINVAL, "an address that is too long");
    return http_start(client->http, &request, on_answer, client, &client->job, reterr_why);
}

int rest_call(struct rest_client *client, const struct rest_call *call, rest_done_cb *done,
              void *arg, struct reason *reterr_why)
{
    struct lines lines = { .count = 0 };
    int err;

    client->done = done;
    client->arg = arg;
    add_key(&lines, client->profile);
    for (const struct rest_header *h = call->headers; h != NULL && h->name != NULL; h++)
        add_header(&lines, h);
    if (lines.is_short)
        err = reason_set(reterr_why, -ENOMEM, "out of memory");
    else
        err = start(client, call, &lines, reterr_why);
    free_lines(&lines);
    return err;
}
