/* tests/unit/core_stage.h: scans (worker/rest/core_scan.h) by a scripted Core. Their pauses take no
 * time: the clock is put forward instead. */
#ifndef TESTS_UNIT_CORE_STAGE_H
#define TESTS_UNIT_CORE_STAGE_H

#include "rest_stage.h"
#include "worker/rest/core_scan.h"

static struct core_file files[REST_FILES];
static struct core_plan plan;
static struct core_scan *scan;
static struct {
    unsigned done;
    enum rest_word word;
    long status;
    char why[512];
} told;

/* ---- the clock ---- */

static struct loop_timer *rest_timer; /* the scan's */
static bool is_making, is_setting;
static int64_t forward_ms;
static int64_t rests[64];
static unsigned rest_count;

struct loop_timer *__real_loop_timer_new(struct loop *on, loop_timer_cb *fired, void *arg);
void __real_loop_timer_set_ms(struct loop_timer *timer, int64_t from_now_ms);
int64_t __real_loop_now_ms(struct loop *on);

struct loop_timer *__wrap_loop_timer_new(struct loop *on, loop_timer_cb *fired, void *arg)
{
    struct loop_timer *timer = __real_loop_timer_new(on, fired, arg);

    if (is_making)
        rest_timer = timer;
    return timer;
}

void __wrap_loop_timer_set_ms(struct loop_timer *timer, int64_t from_now_ms)
{
    if (timer == rest_timer) {
        cr_assert_lt(rest_count, 64u);
        rests[rest_count++] = from_now_ms;
        forward_ms += from_now_ms;
        from_now_ms = 0;
    }
    is_setting = true;
    __real_loop_timer_set_ms(timer, from_now_ms);
    is_setting = false;
}

int64_t __wrap_loop_now_ms(struct loop *on)
{
    return __real_loop_now_ms(on) + (is_setting ? 0 : forward_ms);
}

/* ---- a scan ---- */

static inline void on_done(const struct core_result *result, void *owner)
{
    (void)owner;
    told.done++;
    told.word = result->word;
    told.status = result->status;
    (void)snprintf(told.why, sizeof(told.why), "%s", result->why);
    core_scan_free(&scan);
    rest_timer = NULL;
}

static inline void core_setup(void)
{
    rest_begin("core", "");
    plan.result_ms = 10000;
}

static inline void core_teardown(void)
{
    core_scan_free(&scan);
    rest_end();
}

/* One file that is submitted as `id` ("": it is not), and what is said of it in turn; NULL at the
 * end, and the last for ever. */
static inline void core_knows(const char *id, const char *const results[])
{
    static char paths[16][64];
    static unsigned used;
    char text[128];
    char *path = paths[used++ % 16];

    (void)snprintf(text, sizeof(text), "{'data_id': '%s'}", id);
    if (id[0] != '\0')
        web_on(web, "POST /file", answer(200, text), 1);
    (void)snprintf(path, sizeof(paths[0]), "GET /file/%s", id);
    for (size_t i = 0; results[i] != NULL; i++)
        web_on(web, path, answer(200, results[i]), results[i + 1] != NULL ? 1 : -1);
}

#define RESULT(word) "{'process_info': {'progress_percentage': 100, 'result': '" word "'}}"
#define WORKING      "{'process_info': {'progress_percentage': 50, 'result': 'Processing'}}"
#define SAYS(...)    ((const char *const[]){ __VA_ARGS__, NULL })

static inline void core_begin(void)
{
    struct reason why = { "" };

    plan.body = content;
    plan.files = files;
    plan.count = part_count;
    for (unsigned i = 0; i < part_count; i++)
        files[i].part = &parts[i];
    memset(&told, 0, sizeof(told));
    rest_count = 0;
    is_making = true;
    scan = core_scan_new(loop, client, &plan, on_done, NULL);
    is_making = false;
    cr_assert_eq(core_scan_start(scan, &why), 0, "%s", why.text);
    cr_assert_eq(told.done, 0u, "nothing from inside the call");
}

static inline void core_run(void)
{
    core_begin();
    UNTIL(told.done > 0);
    cr_assert_null(strstr(told.why, REST_KEY));
}

static inline void expect_ended(enum rest_word word, long status, const char *why)
{
    cr_expect_eq(told.word, word, "word %d: %s", (int)told.word, told.why);
    cr_expect_eq(told.status, status, "status %ld: %s", told.status, told.why);
    cr_expect_not_null(strstr(told.why, why), "%s: %s", why, told.why);
}

/* A letter for each file's verdict: "?" unknown, "a" allowed, "b" blocked, "e" empty. */
static inline const char *verdicts(void)
{
    static char text[REST_FILES + 1];

    for (unsigned i = 0; i < part_count; i++)
        text[i] = "?abe"[files[i].verdict];
    text[part_count] = '\0';
    return text;
}

#endif
