/* Scans for which memory is short, block by block: -ENOMEM, and nothing is left behind. */
#include "mime_helper.h"

#include "common/loop.h"
#include "worker/mime/mime.h"

/* This program is linked so that our allocations (not GLib's, which ends the process) come here. */
static long until_failure = -1; /* blocks that are still given; -1: all */

static bool fails(void)
{
    if (until_failure < 0)
        return false;
    return until_failure-- == 0;
}

#define WRAPPED(type, name, parameters, arguments)       \
    type __real_##name parameters;                       \
    type __wrap_##name parameters;                       \
    type __wrap_##name parameters                        \
    {                                                    \
        return fails() ? NULL : __real_##name arguments; \
    }

WRAPPED(void *, malloc, (size_t bytes), (bytes))
WRAPPED(void *, calloc, (size_t count, size_t bytes), (count, bytes))
WRAPPED(void *, realloc, (void *block, size_t bytes), (block, bytes))
WRAPPED(char *, strdup, (const char *text), (text))

TestSuite(mime_short, .fini = mime_forget, .timeout = 60);

/* Of everything that takes memory. */
static const char mail[] =
    "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
    "--b\r\nContent-Type: a/b; name=\"=?utf-8?B?w6Q=?=\"\r\n"
    "Content-Disposition: attachment; filename=\"\xe4.pdf\"\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nQUJDQUJDQUJD\r\n"
    "--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    "Subject: =?utf-8?B?w6Q=?=\r\n\r\ntext\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b--\r\n";

Test(mime_short, VA02_each_block_that_is_missing_is_told)
{
    long tries = 0;
    int err;

    do {
        struct mime_parts *found = NULL;
        struct reason why = { "" };

        until_failure = tries++;
        err = mime_scan(mail, sizeof(mail) - 1, &mime_limits, 2, NULL, &found, &why);
        until_failure = -1;
        if (err < 0) {
            cr_assert_eq(err, -ENOMEM, "block %ld: %d", tries, err);
            cr_assert_str_eq(why.text, "out of memory", "block %ld", tries);
            cr_assert_null(found);
        } else {
            cr_assert_eq(found->count, 4u);
            cr_expect_str_eq(found->parts[0].name, "ä.pdf");
            cr_expect_str_eq(found->parts[1].name, "ä.eml");
        }
        mime_parts_free(&found);
    } while (err < 0);
    cr_expect_gt(tries, 30, "only %ld blocks", tries);
}

static void *hold(void *arg)
{
    ++*(int *)arg;
    return arg;
}

static void release(void *held)
{
    --*(int *)held;
}

static void on_done(int err, struct mime_parts *found, const char *why, void *arg)
{
    (void)why;
    *(int *)arg = err == 0 ? 1 : err;
    mime_parts_free(&found);
}

Test(mime_short, VA02_a_scan_that_cannot_begin_holds_nothing)
{
    struct loop *loop = loop_new();
    int holds = 0, result = 0, err;
    const struct body_ref body = {
        .data = mail, .bytes = sizeof(mail) - 1, .hold = hold, .release = release, .arg = &holds
    };
    struct body_work *work = body_work_new(loop);
    struct mime_job *job = NULL;
    long tries = 0;

    do {
        until_failure = tries++;
        err = mime_start(work, &body, &mime_limits, 0, on_done, &result, &job, NULL);
        until_failure = -1;
        if (err < 0) {
            cr_assert_eq(err, -ENOMEM, "block %ld: %d", tries, err);
            cr_assert_eq(holds, 0, "block %ld", tries);
        }
    } while (err < 0);
    cr_expect_gt(tries, 2);
    for (int turns = 0; result == 0 && turns < 200; turns++)
        loop_turn(loop, 100);
    cr_expect_eq(result, 1);
    cr_expect_eq(holds, 0);
    body_work_free(&work);
    loop_free(loop);
}
