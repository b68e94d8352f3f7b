/* The small modules that everything stands on: id, clock, address, memfd, log. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/address.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "common/memfd.h"

Test(id, only_grows_within_a_slot_whatever_the_clock_does)
{
    struct id_source source;
    int64_t base = ((int64_t)CLOCK_EPOCH_S + 1000000) * 1000;
    uint64_t last = 0;

    id_source_init(&source, 7, 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t id = id_next(&source, base - i % 5000);

        cr_assert_gt(id, last);
        cr_assert_eq(id_slot(id), 7u);
        last = id;
    }
}

Test(id, never_goes_below_what_was_found_on_disk)
{
    struct id_source first, second;
    int64_t now = ((int64_t)CLOCK_EPOCH_S + 5000) * 1000;
    uint64_t found;

    id_source_init(&first, 3, 0);
    found = id_next(&first, now + 60000);
    id_source_init(&second, 3, found);
    cr_assert_gt(id_next(&second, now), found);
}

/* Mail moves between slots: what a slot's folder shows may be another's id of the same moment. */
Test(basics, an_id_is_not_given_out_again_after_another_slots)
{
    const int64_t now = clock_wall_ms();
    struct id_source before, other, after;
    uint64_t last = 0, others;

    id_source_init(&before, 3, 0);
    id_source_init(&other, 5, 0);
    for (unsigned i = 0; i < 10; i++)
        last = id_next(&before, now);
    others = id_next(&other, now);
    cr_assert_gt(others, last);
    id_source_init(&after, 3, others);
    cr_assert_gt(id_next(&after, now), others);
    cr_assert_eq(id_slot(after.last), 3);
}

Test(id, text_round_trip)
{
    const uint64_t ids[] = {
        0, 1, 31, 32, UINT64_C(0x7fffffffffffffff), UINT64_C(0xffffffffffffffff)
    };
    char text[ID_TEXT_SIZE];
    uint64_t back;

    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(strlen(id_text(ids[i], text)), 13u);
        cr_assert_eq(id_parse(text, &back), 0);
        cr_assert_eq(back, ids[i]);
    }
}

Test(id, reads_lower_case_and_lookalikes_and_refuses_the_rest)
{
    uint64_t a, b;

    cr_assert_eq(id_parse("00000000000il", &a), 0);
    cr_assert_eq(id_parse("0000000000011", &b), 0);
    cr_assert_eq(a, b);
    cr_assert_eq(id_parse("000000000000", &a), -EINVAL);
    cr_assert_eq(id_parse("00000000000000", &a), -EINVAL);
    cr_assert_eq(id_parse("00000U0000000", &a), -EINVAL);
    cr_assert_eq(id_parse("Z000000000000", &a), -EINVAL);
}

Test(clock, texts)
{
    char text[CLOCK_TEXT_SIZE];

    cr_assert_str_eq(clock_text(1767225600123, text), "2026-01-01T00:00:00.123Z");
    cr_assert_str_eq(clock_text_mail(1767225600123, text), "Thu, 01 Jan 2026 00:00:00 +0000");
    cr_assert_eq(clock_to_epoch_s(1767225601999), 1u);
    cr_assert_eq(clock_to_epoch_s(0), 0u);
    cr_assert_eq(clock_from_epoch_s(1), 1767225601000);
}

Test(address, round_trips)
{
    static const char *const good[][2] = {
        { "10.0.0.1:25", "10.0.0.1:25" },
        { "10.0.0.1", "10.0.0.1:53" },
        { "[::1]:2525", "[::1]:2525" },
        { "::1", "[::1]:53" },
        { "[::]", "[::]:53" },
        { "[::ffff:1.2.3.4]:9", "1.2.3.4:9" },
    };
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(address_parse(good[i][0], 53, &address), 0, "%s", good[i][0]);
        cr_assert_str_eq(address_text(&address.sa, text), good[i][1]);
    }
}

Test(address, refuses)
{
    static const char *const bad[] = {
        "",         "host:25",   "10.0.0.1:0",   "10.0.0.1:65536", "[::1", "[10.0.0.1]:1",
        "1.2.3:25", "10.0.0.1:", "10.0.0.1:25x", "[::1]25"
    };
    struct address address;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(address_parse(bad[i], 53, &address), -EINVAL, "%s", bad[i]);
    cr_assert_eq(address_parse("10.0.0.1", 0, &address), -EINVAL);
}

Test(memfd, sealed_content_comes_back_and_unsealed_is_refused)
{
    int fd = memfd_seal("test", "hello", 5), loose;
    char *data;
    size_t bytes;

    cr_assert_geq(fd, 0);
    cr_assert_eq(memfd_read(fd, &data, &bytes), 0);
    cr_assert_eq(bytes, 5u);
    cr_assert_str_eq(data, "hello");
    cr_assert_lt(pwrite(fd, "x", 1, 0), 0);
    free(data);
    close(fd);
    loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(memfd_read(loose, &data, &bytes), -EPERM);
    close(loose);
}

static char *logged(enum log_format format, const char *value)
{
    static char text[16384];
    int pipes[2];
    ssize_t n;

    cr_assert_eq(pipe(pipes), 0);
    log_open("worker[3]", pipes[1]);
    log_set_format(format);
    log_info("delivery", "done", LOG_ID(1), LOG_STR("to", value), LOG_INT("code", -250));
    log_flush();
    n = read(pipes[0], text, sizeof(text) - 1);
    cr_assert_gt(n, 0);
    text[n] = '\0';
    close(pipes[0]);
    close(pipes[1]);
    return text;
}

Test(log, one_line_whatever_the_value_holds)
{
    char *line = logged(LOG_FORMAT_LOGFMT, "a\r\nb \"c\"\\ \x01");

    cr_assert_not_null(strstr(line, " worker[3] info delivery id=0000000000001 "
                                    "to=\"a\\r\\nb \\\"c\\\"\\\\ \\u0001\" code=-250 msg=done\n"));
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
}

Test(log, a_huge_value_is_cut_and_json_stays_json)
{
    char huge[20000];
    char *line;

    memset(huge, '"', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    line = logged(LOG_FORMAT_JSON, huge);
    cr_assert_lt(strlen(line), 4000u);
    cr_assert_str_eq(line + strlen(line) - 2, "}\n");
}
