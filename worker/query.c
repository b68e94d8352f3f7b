#include "worker/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/channel.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/memfd.h"
#include "worker/message.h"
#include "worker/note.h"

struct query {
    struct channel *channel;
    struct segment_cache *cache;
};

static const char *const recipient_states[] = {
    [CELL_RCPT_OPEN] = "open",
    [CELL_RCPT_DELIVERED] = "delivered",
    [CELL_RCPT_REFUSED] = "refused",
    [CELL_RCPT_EXPIRED] = "expired",
};

struct query *query_new(struct channel *channel, struct segment_cache *cache)
{
    struct query *query = calloc(1, sizeof(*query));

    if (query != NULL)
        *query = (struct query){ .channel = channel, .cache = cache };
    return query;
}

void query_free(struct query **query)
{
    free(*query);
    *query = NULL;
}

/* Foreign bytes: what is not UTF-8 is shown with its bytes escaped. */
static json_t *shown_text(const char *text)
{
    json_t *json = json_string(text);
    size_t length = strlen(text);
    char *escaped;

    if (json != NULL || (escaped = malloc(length * 4 + 1)) == NULL)
        return json;
    for (size_t i = 0, at = 0; i <= length; i++) {
        static const char digits[] = "0123456789abcdef";
        unsigned char byte = (unsigned char)text[i];

        if (byte < 0x80) {
            escaped[at++] = text[i];
            continue;
        }
        escaped[at++] = '\\';
        escaped[at++] = 'x';
        escaped[at++] = digits[byte >> 4];
        escaped[at++] = digits[byte & 15];
    }
    json = json_string(escaped);
    free(escaped);
    return json;
}

static json_t *find_recipient(const json_t *noted, const char *address)
{
    size_t i;
    json_t *entry;

    json_array_foreach (noted, i, entry) {
        const char *other = json_string_value(json_object_get(entry, "address"));

        if (other != NULL && strcmp(other, address) == 0)
            return json_incref(entry);
    }
    return json_pack("{so}", "address", shown_text(address));
}

/* What the note knows of a recipient; its state is the cell's. */
static json_t *show_recipient(const struct message *message, uint32_t index, const json_t *noted)
{
    const struct envelope *envelope = message->envelope;
    const char *address = envelope->recipients[message->group->first + index].address;
    json_t *entry = find_recipient(noted, address);

    (void)json_object_set_new(
        entry, "state", json_string(recipient_states[cell_recipient_get(&message->cell, index)]));
    return entry;
}

/* What a note tells besides the recipients. */
static const char *const noted_members[] = { "scan", "upload", "attempts" };

static json_t *show_message(struct query *query, const struct message *message, bool detail)
{
    const struct envelope *envelope = message->envelope;
    uint32_t count = message->group->count,
             most = detail ? QUERY_DETAIL_RECIPIENTS : QUERY_LIST_RECIPIENTS;
    json_t *recipients = json_array(), *row, *note = NULL;
    const json_t *noted;

    if (detail)
        note =
            note_read(query->cache, &message->cell.note, message->place.id, message->place.group);
    noted = json_object_get(note, "recipients");
    for (uint32_t i = 0; i < count && i < most; i++) {
        const char *address = envelope->recipients[message->group->first + i].address;

        (void)json_array_append_new(recipients, detail ? show_recipient(message, i, noted)
                                                       : shown_text(address));
    }
    row = json_pack("{so so so so sI}", "sender", shown_text(envelope->sender), "client",
                    shown_text(envelope->client), "helo", shown_text(envelope->helo), "recipients",
                    recipients, "recipient_count", (json_int_t)count);
    for (size_t i = 0; row != NULL && i < ARRAY_LEN(noted_members); i++) {
        json_t *member = json_object_get(note, noted_members[i]);

        if (member != NULL)
            (void)json_object_set(row, noted_members[i], member);
    }
    json_decref(note);
    return row;
}

static json_t *answer_place(struct query *query, const struct ipc_place *place, bool detail)
{
    struct message *message;
    struct reason why = { "" };
    json_t *row;

    if (message_open(query->cache, place, &message, &why) < 0) {
        log_warning("query", "cannot read a queued message", LOG_ID(place->id),
                    LOG_STR("reason", why.text));
        return json_null();
    }
    row = show_message(query, message, detail);
    message_free(&message);
    return row != NULL ? row : json_null();
}

/* ---- groups that are not in the queue any more ---- */

static bool is_asked(const struct ipc_place *places, size_t count, uint32_t group)
{
    size_t i = 0;

    while (i < count && places[i].group != group)
        i++;
    return i < count;
}

static void add_finished(struct query *query, const struct ipc_place *place, json_t *list)
{
    static const char *const states[CELL_STAGE_COUNT] = {
        [CELL_DONE] = "delivered", [CELL_DELETED] = "deleted"
    };
    struct message *message;
    const char *state;

    if (message_open(query->cache, place, &message, NULL) < 0)
        return;
    state = states[message->cell.stage];
    if (state != NULL)
        (void)json_array_append_new(list, json_pack("{si ss so}", "group", (int)place->group,
                                                    "state", state, "message",
                                                    show_message(query, message, true)));
    message_free(&message);
}

static json_t *show_finished(struct query *query, const struct ipc_place *places, size_t count)
{
    json_t *list = json_array();
    struct message *message;
    uint32_t groups = 0;

    if (count > 0 && message_open(query->cache, &places[0], &message, NULL) == 0) {
        groups = message->envelope->group_count;
        message_free(&message);
    }
    for (uint32_t group = 0; group < groups; group++) {
        struct ipc_place place = places[0];

        place.group = (uint16_t)group;
        place.cell = places[0].cell - places[0].group + group;
        if (!is_asked(places, count, group))
            add_finished(query, &place, list);
    }
    return list;
}

/* ---- the answer ---- */

static char *answer_all(struct query *query, const struct ipc_query *order,
                        const struct ipc_place *places, size_t count)
{
    json_t *rows = json_array();
    char *text;

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(rows, answer_place(query, &places[i], order->detail != 0));
    if (order->detail != 0)
        (void)json_array_append_new(rows, show_finished(query, places, count));
    text = json_dumps(rows, JSON_COMPACT);
    json_decref(rows);
    return text;
}

void query_answer(struct query *query, const struct ipc_query *order, int fd)
{
    const struct ipc_query_rows answer = { .token = order->token };
    AUTO(free) char *places = NULL;
    AUTO(free) char *text = NULL;
    size_t bytes = 0;
    int rows, err = memfd_read(fd, &places, &bytes);

    close(fd);
    if (err == 0 && order->count <= QUERY_MAX_PLACES &&
        order->count <= bytes / sizeof(struct ipc_place))
        text = answer_all(query, order, (const void *)places, order->count);
    rows = memfd_seal("rows", text != NULL ? text : "[]", text != NULL ? strlen(text) : 2);
    if (rows < 0) {
        log_error("query", "cannot answer", LOG_STR("reason", strerror(-rows)));
        return; /* the master's deadline tells the asker */
    }
    channel_send_fd(query->channel, IPC_QUERY_ROWS, &answer, rows);
}
