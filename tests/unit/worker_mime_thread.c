/* Scans in the MIME thread: called back once and in the loop, or cancelled and not at all. */
#include "mime_helper.h"

#include "common/clock.h"
#include "common/loop.h"
#include "worker/mime/mime.h"

#define WAIT_MS 20000
#define WAIT(cond)                                                         \
    do {                                                                   \
        const int64_t end_ = clock_mono_ms() + WAIT_MS;                    \
        while (!(cond)) {                                                  \
            cr_assert_lt(clock_mono_ms(), end_, "not in time: %s", #cond); \
            loop_turn(loop, 100);                                          \
        }                                                                  \
    } while (0)

static const struct mime_limits limits = { .max_parts = 10,
                                           .max_depth = 10,
                                           .max_header_bytes = 4096 };
static struct loop *loop;
static struct body_work *work;

static void setup(void)
{
    loop = loop_new();
    work = body_work_new(loop);
}

static void teardown(void)
{
    body_work_free(&work);
    loop_free(loop);
}

TestSuite(mime_thread, .init = setup, .fini = teardown, .timeout = 60);

/* ---- a scan that is watched ---- */

struct scanned {
    char *text;
    int holds; /* bodies held and not released */
    bool has_no_memory;
    unsigned calls;
    int err;
    struct mime_parts *found;
    char why[200];
    struct mime_job *job;
    struct scanned *cancels; /* when it is called back */
};

static void *hold(void *arg)
{
    struct scanned *scanned = arg;

    scanned->holds += !scanned->has_no_memory;
    return scanned->has_no_memory ? NULL : scanned;
}

static void release(void *held)
{
    struct scanned *scanned = held;

    if (--scanned->holds == 0) {
        free(scanned->text); /* whoever still reads is seen by a sanitizer */
        scanned->text = NULL;
    }
}

static void on_done(int err, struct mime_parts *found, const char *why, void *arg)
{
    struct scanned *scanned = arg;

    scanned->calls++;
    scanned->err = err;
    scanned->found = found;
    snprintf(scanned->why, sizeof(scanned->why), "%s", why);
    if (scanned->cancels != NULL)
        mime_cancel(&scanned->cancels->job);
}

static int start(struct scanned *scanned, const char *head, size_t filler, struct reason *why)
{
    const size_t bytes = strlen(head) + filler;
    struct body_ref body = { .bytes = bytes, .hold = hold, .release = release, .arg = scanned };

    scanned->text = malloc(bytes + 1);
    memcpy(scanned->text, head, strlen(head));
    memset(scanned->text + strlen(head), '\n', filler);
    body.data = scanned->text;
    return mime_start(work, &body, &limits, 1024, on_done, scanned, &scanned->job, why);
}

/* ---- tests ---- */

Test(mime_thread, VA01_a_scan_calls_back_in_the_loop)
{
    struct scanned scanned = { 0 };

    cr_assert_eq(start(&scanned, "Subject: x\r\n\r\nHello", 0, NULL), 0);
    cr_expect_eq(scanned.calls, 0u);
    WAIT(scanned.calls > 0);
    cr_expect_eq(scanned.err, 0, "%s", scanned.why);
    cr_assert_eq(scanned.found->count, 1u);
    cr_expect_eq(scanned.found->parts[0].decoded_bytes, 5u);
    cr_expect_eq(scanned.found->parts[0].md5_count, 1u);
    cr_expect_eq(scanned.holds, 0);
    mime_parts_free(&scanned.found);
    loop_turn(loop, 0);
    cr_expect_eq(scanned.calls, 1u);
}

Test(mime_thread, VA01_a_limit_is_told_with_its_reason)
{
    struct scanned scanned = { 0 };

    cr_assert_eq(start(&scanned,
                       "Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n\r\n--b\r\n\r\n"
                       "--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n"
                       "--b\r\n\r\n--b\r\n\r\n--b\r\n\r\n",
                       0, NULL),
                 0);
    WAIT(scanned.calls > 0);
    cr_expect_eq(scanned.err, -E2BIG);
    cr_expect_str_eq(scanned.why, "more than 10 parts");
    cr_expect_null(scanned.found);
    cr_expect_eq(scanned.holds, 0);
}

Test(mime_thread, VA02_many_scans_each_call_back_once_and_in_order)
{
    struct scanned scanned[50] = { 0 };

    for (unsigned i = 0; i < 50; i++)
        cr_assert_eq(start(&scanned[i], "\r\n", i, NULL), 0);
    for (unsigned i = 0; i < 50; i++) {
        WAIT(scanned[i].calls > 0);
        cr_expect_eq(scanned[i].found->parts[0].decoded_bytes, i);
        mime_parts_free(&scanned[i].found);
    }
    loop_turn(loop, 0);
    for (unsigned i = 0; i < 50; i++) {
        cr_expect_eq(scanned[i].calls, 1u);
        cr_expect_eq(scanned[i].holds, 0);
    }
}

/* The thread is busy with a message that takes a while. */
static void start_long(struct scanned *scanned)
{
    cr_assert_eq(start(scanned, "Content-Type: multipart/x; boundary=b\r\n\r\n", 64 << 20, NULL),
                 0);
}

Test(mime_thread, VA02_a_cancel_does_not_wait_and_the_body_is_released_later)
{
    struct scanned busy = { 0 }, waiting = { 0 }, after = { 0 };

    start_long(&busy);
    cr_assert_eq(start(&waiting, "\r\n", 5, NULL), 0);
    mime_cancel(&busy.job);
    mime_cancel(&waiting.job);
    cr_expect_null(busy.job);
    mime_cancel(&busy.job); /* again does nothing */
    cr_expect_eq(busy.holds, 1, "the thread is still at it");
    cr_assert_eq(start(&after, "\r\n", 7, NULL), 0);
    WAIT(after.calls > 0);
    mime_parts_free(&after.found);
    cr_expect_eq(busy.calls, 0u);
    cr_expect_eq(waiting.calls, 0u);
    cr_expect_eq(busy.holds, 0);
    cr_expect_eq(waiting.holds, 0);
}

/* Three that are finished together are called back in one turn, one after the other. */
Test(mime_thread, VA02_a_callback_may_cancel_another_that_is_finished)
{
    struct scanned scanned[3] = { 0 };

    scanned[0].cancels = &scanned[1];
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(start(&scanned[i], "\r\n", 5, NULL), 0);
    WAIT(scanned[2].calls > 0);
    cr_expect_eq(scanned[0].calls, 1u);
    cr_expect_eq(scanned[1].calls, 0u);
    cr_expect_eq(scanned[1].holds, 0);
    mime_parts_free(&scanned[0].found);
    mime_parts_free(&scanned[2].found);
}

Test(mime_thread, VA02_an_end_in_the_middle_releases_everything_and_soon)
{
    struct scanned whole = { 0 }, busy = { 0 }, waiting = { 0 };
    int64_t started, whole_ms;

    start_long(&whole);
    started = clock_mono_ms();
    WAIT(whole.calls > 0);
    whole_ms = clock_mono_ms() - started;
    mime_parts_free(&whole.found);
    start_long(&busy);
    cr_assert_eq(start(&waiting, "\r\n", 5, NULL), 0);
    started = clock_mono_ms();
    body_work_free(&work);
    cr_expect_lt(clock_mono_ms() - started, whole_ms / 2);
    cr_expect_eq(busy.calls + waiting.calls, 0u);
    cr_expect_eq(busy.holds + waiting.holds, 0);
}

Test(mime_thread, VA02_a_body_that_cannot_be_held_is_not_scanned)
{
    struct scanned scanned = { .has_no_memory = true };
    struct reason why = { "" };

    cr_expect_eq(start(&scanned, "\r\n", 5, &why), -ENOMEM);
    cr_expect_str_eq(why.text, "out of memory");
    loop_turn(loop, 0);
    cr_expect_eq(scanned.calls, 0u);
    free(scanned.text);
}
