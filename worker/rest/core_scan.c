#include "worker/rest/core_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "worker/http.h"
#include "worker/mime/part.h"
#include "worker/mime/reader.h"

/* After the last submission, then longer and longer: a Core asks for no more than some polls a
 * second. */
#define POLL_FIRST_MS 50
#define POLL_MAX_MS   1000

enum state {
    STATE_SUBMIT,
    STATE_POLL,
    STATE_RESTING, /* until the next round of polls */
    STATE_DONE,
    STATE_COUNT
};

struct core_scan {
    struct loop *loop;
    struct rest_client *client;
    struct core_plan *plan;
    core_done_cb *done;
    void *owner;
    enum state state;
    size_t at; /* the file at hand */
    struct mime_reader reader;
    struct loop_timer *rest;
    int64_t rest_ms;
    int64_t submitted_ms; /* the last of them */
    struct core_result result;
    struct reason why;
};

static void go(struct core_scan *scan, enum state next);

static struct core_file *file_at_hand(const struct core_scan *scan)
{
    return &scan->plan->files[scan->at];
}

/* ---- content ---- */

static ssize_t read_file(char *out, size_t max, void *arg)
{
    struct core_scan *scan = arg;

    return (ssize_t)mime_reader_read(&scan->reader, out, max);
}

static int rewind_file(void *arg)
{
    struct core_scan *scan = arg;

    mime_reader_init(&scan->reader, file_at_hand(scan)->part, scan->plan->body);
    return 0;
}

/* ---- what the next step is ---- */

static enum state fail(struct core_scan *scan, const struct rest_answer *answer, const char *what)
{
    scan->result = (struct core_result){ .word = answer->word, .status = answer->status };
    reason_format(&scan->why, "%s%s%s", what, answer->why[0] != '\0' ? ": " : "", answer->why);
    return STATE_DONE;
}

static enum state fail_odd(struct core_scan *scan, const char *what)
{
    static const struct rest_answer odd = { .word = REST_FAILED, .why = "" };

    return fail(scan, &odd, what);
}

static bool is_to_submit(const struct core_file *file)
{
    return file->verdict == CORE_UNKNOWN && file->id[0] == '\0';
}

static bool is_to_poll(const struct core_file *file)
{
    return file->verdict == CORE_UNKNOWN && file->id[0] != '\0';
}

/* From the file at hand on. False: there is none. */
static bool find_next(struct core_scan *scan, bool (*is_wanted)(const struct core_file *))
{
    while (scan->at < scan->plan->count && !is_wanted(file_at_hand(scan)))
        scan->at++;
    return scan->at < scan->plan->count;
}

static enum state end_round(struct core_scan *scan)
{
    scan->at = 0;
    if (find_next(scan, is_to_submit))
        return STATE_SUBMIT;
    scan->at = 0;
    if (!find_next(scan, is_to_poll)) {
        scan->result = (struct core_result){ .word = REST_OK };
        return STATE_DONE;
    }
    if (loop_now_ms(scan->loop) - scan->submitted_ms >= scan->plan->result_ms)
        return fail_odd(scan, "no verdict within the time for one (timeouts.result)");
    return STATE_RESTING;
}

static enum state after_submission(struct core_scan *scan)
{
    scan->submitted_ms = loop_now_ms(scan->loop);
    scan->rest_ms = POLL_FIRST_MS;
    scan->at++;
    return find_next(scan, is_to_submit) ? STATE_SUBMIT : end_round(scan);
}

static enum state after_poll(struct core_scan *scan)
{
    scan->at++;
    return find_next(scan, is_to_poll) ? STATE_POLL : end_round(scan);
}

/* ---- answers ---- */

static enum state on_submitted(struct core_scan *scan, const struct rest_answer *answer)
{
    struct core_file *file = file_at_hand(scan);
    char id[CORE_ID_SIZE];

    if (answer->word != REST_OK) {
        if (core_read_refusal(answer, file))
            return after_submission(scan);
        return fail(scan, answer, "submission");
    }
    if (!rest_member(answer->body, "data_id", id, sizeof(id)) ||
        id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")] != '\0')
        return fail_odd(scan, "submission: the answer has no data_id");
    memcpy(file->id, id, sizeof(id));
    return after_submission(scan);
}

static enum state on_polled(struct core_scan *scan, const struct rest_answer *answer)
{
    struct core_file *file = file_at_hand(scan);

    if (core_read_result(answer, file) == CORE_FORGOTTEN) {
        if (file->was_forgotten)
            return fail_odd(scan, "it does not know what it took");
        file->was_forgotten = true;
        file->id[0] = '\0';
        return after_poll(scan);
    }
    if (answer->word != REST_OK)
        return fail(scan, answer, "verdict");
    if (!json_is_object(answer->body)) /* something else answers there */
        return fail_odd(scan, "verdict: the answer is none of a Core");
    return after_poll(scan);
}

static void on_answer(const struct rest_answer *answer, void *arg)
{
    struct core_scan *scan = arg;

    if (answer->word == REST_SHORT)
        go(scan, fail(scan, answer, "our own trouble"));
    else if (scan->state == STATE_SUBMIT)
        go(scan, on_submitted(scan, answer));
    else
        go(scan, on_polled(scan, answer));
}

static void on_rested(void *arg)
{
    struct core_scan *scan = arg;

    scan->rest_ms = scan->rest_ms * 3 / 2 < POLL_MAX_MS ? scan->rest_ms * 3 / 2 : POLL_MAX_MS;
    go(scan, find_next(scan, is_to_poll) ? STATE_POLL : end_round(scan));
}

/* ---- requests ---- */

static int submit(struct core_scan *scan, struct reason *why)
{
    const struct mime_part *part = file_at_hand(scan)->part;
    const struct rest_header headers[] = {
        { "Content-Type", "application/octet-stream", false },
        { "filename", part->name, true },
        { "rule", scan->plan->workflow, true },
        { "user_agent", "Postern", false },
        { NULL, NULL, false },
    };
    const struct http_source source = {
        .bytes = part->decoded_bytes,
        .read = read_file,
        .rewind = rewind_file,
        .arg = scan,
    };
    const struct rest_call call = {
        .method = "POST", .path = "/file", .headers = headers, .source = &source
    };

    (void)rewind_file(scan);
    return rest_call(scan->client, &call, on_answer, scan, why);
}

static int poll(struct core_scan *scan, struct reason *why)
{
    char path[CORE_ID_SIZE + 16];
    const struct rest_call call = { .method = "GET", .path = path };

    (void)snprintf(path, sizeof(path), "/file/%s", file_at_hand(scan)->id);
    return rest_call(scan->client, &call, on_answer, scan, why);
}

/* What a state does when it is entered. 0 or a negative errno with the reason. */
static int enter(struct core_scan *scan, struct reason *why)
{
    switch (scan->state) {
    case STATE_SUBMIT: return submit(scan, why);
    case STATE_POLL: return poll(scan, why);
    case STATE_RESTING: loop_timer_set_ms(scan->rest, scan->rest_ms); return 0;
    case STATE_DONE:
    case STATE_COUNT: break;
    }
    return 0;
}

static void go(struct core_scan *scan, enum state next)
{
    struct reason why = { "" };
    int err;

    scan->state = next;
    err = enter(scan, &why);
    if (err < 0) {
        scan->state = STATE_DONE;
        scan->result = (struct core_result){ .word = REST_SHORT };
        scan->why = why;
    }
    if (scan->state != STATE_DONE)
        return;
    scan->result.why = scan->why.text;
    scan->done(&scan->result, scan->owner); /* last: it may free the scan */
}

/* ---- the whole ---- */

struct core_scan *core_scan_new(struct loop *loop, struct rest_client *client,
                                struct core_plan *plan, core_done_cb *done, void *owner)
{
    struct core_scan *scan = calloc(1, sizeof(*scan));

    if (scan == NULL)
        return NULL;
    *scan = (struct core_scan){
        .loop = loop, .client = client, .plan = plan, .done = done, .owner = owner
    };
    scan->rest = loop_timer_new(loop, on_rested, scan);
    if (scan->rest == NULL)
        core_scan_free(&scan);
    return scan;
}

void core_scan_free(struct core_scan **scan)
{
    struct core_scan *s = *scan;

    *scan = NULL;
    if (s == NULL)
        return;
    loop_timer_free(&s->rest);
    free(s);
}

int core_scan_start(struct core_scan *scan, struct reason *reterr_why)
{
    for (size_t i = 0; i < scan->plan->count; i++) {
        struct core_file *file = &scan->plan->files[i];

        file->was_forgotten = false;
        if (file->verdict == CORE_UNKNOWN && file->part->decoded_bytes == 0)
            file->verdict = CORE_EMPTY;
    }
    scan->submitted_ms = loop_now_ms(scan->loop);
    scan->rest_ms = POLL_FIRST_MS;
    scan->state = end_round(scan);
    if (scan->state == STATE_DONE) { /* nothing to ask: told from the loop */
        scan->state = STATE_RESTING;
        scan->rest_ms = 0;
    }
    return enter(scan, reterr_why);
}
