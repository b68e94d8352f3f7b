#include "worker/discard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/auto.h"
#include "common/ipc.h"
#include "common/log.h"
#include "worker/directory.h"
#include "worker/message.h"
#include "worker/note.h"
#include "worker/rest/client.h"
#include "worker/rest/vault_upload.h"

struct discard {
    TAILQ_ENTRY(discard) link;
    struct discards *owner;
    struct rest_client *client;
    uint64_t id; /* of the message */
    char group[VAULT_ID_SIZE];
};

struct discards {
    struct directory *directory;
    struct segment_cache *cache;
    struct http *http;
    TAILQ_HEAD(, discard) all;
    unsigned count;
};

static void discard_free(struct discard *discard)
{
    rest_client_free(&discard->client);
    TAILQ_REMOVE(&discard->owner->all, discard, link);
    discard->owner->count--;
    free(discard);
}

static void on_done(const struct rest_answer *answer, void *arg)
{
    struct discard *discard = arg;

    if (answer->word == REST_OK)
        log_info("upload", "what was begun is discarded: its message was deleted",
                 LOG_ID(discard->id), LOG_STR("group", discard->group));
    else
        log_warning("upload", "what was begun stays at the vault: its message was deleted",
                    LOG_ID(discard->id), LOG_STR("group", discard->group),
                    LOG_STR("reason", answer->why));
    discard_free(discard);
}

static void ask(struct discard *discard)
{
    const struct rest_header headers[] = { { "group_id", discard->group, false },
                                           { NULL, NULL, false } };
    const struct rest_call call = { .method = "DELETE", .path = "/transfer", .headers = headers };

    if (rest_call(discard->client, &call, on_done, discard, NULL) < 0)
        discard_free(discard);
}

/* What its note says of the upload; json_decref(). NULL: nothing. */
static json_t *read_upload(const struct discards *discards, const struct ipc_place *place)
{
    struct message *message = NULL;
    AUTO(json) json_t *note = NULL;

    if (message_open(discards->cache, place, &message, NULL) < 0)
        return NULL;
    if (message->cell.note.segment != 0)
        note = note_read(discards->cache, &message->cell.note, place->id, place->group);
    message_free(&message);
    return json_incref(json_object_get(note, stage_name(STAGE_UPLOAD)));
}

/* Begun at this very address, and not closed. */
static bool is_open_at(const json_t *upload, const struct worker_profile *profile,
                       char ret_group[VAULT_ID_SIZE])
{
    const char *server = json_string_value(json_object_get(upload, "server"));

    return server != NULL && strcmp(server, profile->profile->servers[0].text) == 0 &&
           !json_is_true(json_object_get(upload, "closed")) &&
           rest_member(upload, "group", ret_group, VAULT_ID_SIZE);
}

void discards_begin(struct discards *discards, const struct ipc_upload_discard *order)
{
    AUTO(json) json_t *upload = read_upload(discards, &order->place);
    struct worker_profile *profile = directory_hold(discards->directory, order->profile);
    struct discard *discard = NULL;
    char group[VAULT_ID_SIZE];

    if (profile != NULL && discards->count < DISCARDS_MAX && is_open_at(upload, profile, group))
        discard = calloc(1, sizeof(*discard));
    if (discard != NULL) {
        *discard = (struct discard){ .owner = discards, .id = order->place.id };
        memcpy(discard->group, group, sizeof(group));
        TAILQ_INSERT_TAIL(&discards->all, discard, link);
        discards->count++;
        discard->client = rest_client_new(discards->http, profile, 0);
        if (discard->client != NULL)
            ask(discard);
        else
            discard_free(discard);
    }
    directory_release(profile);
}

struct discards *discards_new(struct directory *directory, struct segment_cache *cache,
                              struct http *http)
{
    struct discards *discards = calloc(1, sizeof(*discards));

    if (discards == NULL)
        return NULL;
    *discards = (struct discards){ .directory = directory, .cache = cache, .http = http };
    TAILQ_INIT(&discards->all);
    return discards;
}

void discards_free(struct discards **discards)
{
    struct discards *d = *discards;

    *discards = NULL;
    if (d == NULL)
        return;
    while (!TAILQ_EMPTY(&d->all))
        discard_free(TAILQ_FIRST(&d->all));
    free(d);
}
