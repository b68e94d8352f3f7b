/* master/control/messages.c: what waits in the queue, and the way of one message (MQ06).
 *
 * What the master knows of a group (struct queue_view) comes at once; what is in the message only a
 * worker may read, so every answer asks one and goes on without it when none can be asked: then
 * "message" is null. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/clock.h"
#include "common/envelope.h"
#include "common/id.h"
#include "master/control/queue_shown.h"
#include "master/control/scan_links.h"

#define LIST_DEFAULT 100

/* Views that wait for a worker to say what is in them. */
struct reading {
    struct call *call;
    struct queue_view *views;
    size_t count;
    bool more;
    uint64_t total; /* of a list: on all pages */
    bool is_one;    /* all groups of one message */
    bool is_detail; /* with recipients' states and notes */
};

static struct reading *reading_new(struct call *call, size_t count)
{
    struct reading *reading = calloc(1, sizeof(*reading));

    if (!reading)
        return NULL;
    reading->call = call;
    reading->count = count;
    reading->views = calloc(count > 0 ? count : 1, sizeof(*reading->views));
    if (reading->views)
        return reading;
    free(reading);
    return NULL;
}

static struct call *reading_end(struct reading *reading)
{
    struct call *call = reading->call;

    free(reading->views);
    free(reading);
    return call;
}

/* ---- answers ---- */

/* What a worker said of it. */
static void add_message(const struct reading *reading, size_t index, const json_t *rows,
                        json_t *row)
{
    json_t *message = rows ? json_array_get(rows, index) : NULL;

    scan_links_add(reading->call->control->registry, reading->views[index].rule, message);
    if (message)
        json_object_set(row, "message", message);
    else
        json_object_set_new(row, "message", json_null());
}

static json_t *list_answer(const struct reading *reading, const json_t *rows)
{
    json_t *list = json_array();
    json_t *next = json_null();

    for (size_t i = 0; i < reading->count; i++) {
        json_t *row = queue_shown(reading->call->control, &reading->views[i], true);

        add_message(reading, i, rows, row);
        json_array_append_new(list, row);
    }
    if (reading->more && reading->count > 0) {
        const struct ipc_place *last = &reading->views[reading->count - 1].place;
        char id[ID_TEXT_SIZE], text[ID_TEXT_SIZE + 8];

        snprintf(text, sizeof(text), "%s.%u", id_text(last->id, id), last->group);
        next = json_string(text);
    }
    return json_pack("{s:o, s:o, s:I}", "messages", list, "next", next, "total",
                     (json_int_t)reading->total);
}

/* One message: what is the same for all its groups stands once. Behind those in the queue come the
 * finished ones, which only a worker knows of. */
static json_t *message_answer(const struct reading *reading, const json_t *rows)
{
    const struct queue_view *first = &reading->views[0];
    char id[ID_TEXT_SIZE], received[CLOCK_TEXT_SIZE];
    json_t *groups = json_array();

    for (size_t i = 0; i < reading->count; i++) {
        json_t *row = queue_shown(reading->call->control, &reading->views[i], false);

        add_message(reading, i, rows, row);
        json_array_append_new(groups, row);
    }
    if (rows)
        json_array_extend(groups, json_array_get(rows, reading->count));
    return json_pack("{s:s, s:s, s:I, s:o}", "id", id_text(first->place.id, id), "received",
                     clock_text(clock_from_epoch_s(first->received_s), received), "bytes",
                     (json_int_t)first->body_bytes, "groups", groups);
}

static void answer(struct reading *reading, const json_t *rows)
{
    json_t *body = reading->is_one ? message_answer(reading, rows) : list_answer(reading, rows);

    call_answer(reading_end(reading), 200, body);
}

static void on_rows(int err, const json_t *rows, void *arg)
{
    struct reading *reading = arg;
    bool fits = err == 0 && json_array_size(rows) >= reading->count;

    answer(reading, fits ? rows : NULL);
}

/* Asks a worker; without one the answer is what the master knows. */
static void ask(struct reading *reading)
{
    struct control *control = reading->call->control;
    struct ipc_place *places = calloc(reading->count + 1, sizeof(*places));
    int err = -ENOMEM;

    for (size_t i = 0; places && i < reading->count; i++)
        places[i] = reading->views[i].place;
    if (places && reading->count > 0)
        err = control->backend.query(control->backend.self, places, reading->count,
                                     reading->is_detail, on_rows, reading);
    free(places);
    if (err < 0)
        answer(reading, NULL);
}

/* ---- list ---- */

static void on_list(const struct queue_page *page, void *arg)
{
    struct call *call = arg;
    struct reading *reading = reading_new(call, page->count);

    if (!reading) {
        call_refuse_memory(call);
        return;
    }
    if (page->count > 0)
        memcpy(reading->views, page->views, page->count * sizeof(*page->views));
    reading->more = page->more;
    reading->total = page->total;
    reading->is_detail = call->is_detail;
    ask(reading);
}

/* "06AB...", or with the group: "06AB....2". */
static bool parse_after(const char *text, uint64_t *ret_id, unsigned *ret_group)
{
    char id[ID_TEXT_SIZE];
    size_t length = strcspn(text, ".");
    char *end;

    if (length >= sizeof(id))
        return false;
    memcpy(id, text, length);
    id[length] = '\0';
    *ret_group = UINT16_MAX;
    if (id_parse(id, ret_id) < 0)
        return false;
    if (text[length] == '\0')
        return true;
    *ret_group = (unsigned)strtoul(text + length + 1, &end, 10);
    return end != text + length + 1 && *end == '\0' && *ret_group < ENVELOPE_MAX_GROUPS;
}

/* "held", or several: "held,deferred". */
static bool read_states(struct call *call, const char *text, unsigned *ret_states)
{
    char name[16];

    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        enum queue_state state;

        snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name)),
                 at);
        if (!queue_state_parse(name, &state)) {
            call_refuse(call, 422, "invalid", "state: %.64s: there is no such state", text);
            return false;
        }
        *ret_states |= 1U << state;
        at += length;
        if (*at == '\0')
            return true;
    }
}

/* Every filter that is given must name something that there is. */
static bool read_filter(struct call *call, struct queue_filter *ret_filter)
{
    const struct registry *registry = call->control->registry;
    const char *state = http_request_query(call->request, "state");
    const char *profile = http_request_query(call->request, "profile");
    const char *rule = http_request_query(call->request, "rule");
    const struct profile *found_profile =
        profile ? registry_profile_named(registry, profile) : NULL;
    const struct rule *found_rule = rule ? registry_rule_named(registry, rule) : NULL;

    *ret_filter = (struct queue_filter){ 0 };
    if (state && !read_states(call, state, &ret_filter->states))
        return false;
    if ((profile && !found_profile) || (rule && !found_rule)) {
        call_refuse(call, 422, "invalid", "there is no %s \"%.200s\"",
                    profile && !found_profile ? "profile" : "rule",
                    profile && !found_profile ? profile : rule);
        return false;
    }
    ret_filter->profile = found_profile ? found_profile->id : 0;
    ret_filter->rule = found_rule ? found_rule->id : 0;
    return true;
}

/* `states` 0: what the query says. */
static void serve_list(struct call *call, unsigned states)
{
    struct control *control = call->control;
    const char *after = http_request_query(call->request, "after");
    struct queue_filter filter;
    uint64_t limit, after_id = 0;
    unsigned after_group = 0;

    if (!call_query_number(call, "limit", 1, QUEUE_LIST_MAX, LIST_DEFAULT, &limit))
        return;
    if (after && !parse_after(after, &after_id, &after_group)) {
        call_refuse(call, 422, "invalid", "after: %.64s is no message id", after);
        return;
    }
    if (!read_filter(call, &filter))
        return;
    if (states != 0)
        filter.states = states;
    if (control->backend.queue_list(control->backend.self, &filter, after_id, after_group,
                                    (size_t)limit, on_list, call) < 0)
        call_refuse(call, 503, "busy", "too many lists are being made; try again");
}

void serve_queue_get(struct call *call)
{
    serve_list(call, 0);
}

/* With the reasons, as that is what it is looked at for. */
void serve_quarantine_get(struct call *call)
{
    call->is_detail = true;
    serve_list(call, 1U << QUEUE_QUARANTINED);
}

/* ---- one message ---- */

void serve_message_get(struct call *call)
{
    struct control *control = call->control;
    struct reading *reading;
    uint64_t id;
    size_t count;

    if (id_parse(call->id, &id) < 0) {
        call_refuse(call, 404, "not_found", "%s is no message id", call->id);
        return;
    }
    count = control->backend.queue_find(control->backend.self, id, NULL, 0);
    if (count == 0) {
        call_refuse(call, 404, "not_found", "message %s is not in the queue (any more)", call->id);
        return;
    }
    reading = reading_new(call, count);
    if (!reading) {
        call_refuse_memory(call);
        return;
    }
    (void)control->backend.queue_find(control->backend.self, id, reading->views, count);
    reading->is_one = reading->is_detail = true;
    ask(reading);
}
