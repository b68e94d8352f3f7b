/* What a hostile message may ask for: neither much memory, nor a deep stack, nor for ever. */
#include "mime_helper.h"

#include "worker/mime/frames.h"
#include "worker/mime/header.h"

#define MIB (UINT64_C(1) << 20)
#define BIG (64 * MIB)
#define FLAT_KB                                                                       \
    24576 /* what a scan may take beside the message; a sanitizer keeps what is freed \
           */

TestSuite(mime_limits, .fini = mime_forget, .timeout = 60);

static long peak_kb(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    long kb = -1;

    while (fgets(line, sizeof(line), status) != NULL && sscanf(line, "VmHWM: %ld kB", &kb) != 1)
        ;
    fclose(status);
    return kb;
}

/* ---- messages piece by piece ---- */

struct mail {
    char *text;
    size_t bytes, room;
};

static void add_bytes(struct mail *mail, const char *what, size_t bytes, size_t times)
{
    if (mail->bytes + bytes * times > mail->room) {
        mail->room = mail->bytes * 2 + bytes * times;
        mail->text = realloc(mail->text, mail->room);
    }
    if (bytes == 1) {
        memset(mail->text + mail->bytes, *what, times);
        mail->bytes += times;
        return;
    }
    for (; times > 0; times--, mail->bytes += bytes)
        memcpy(mail->text + mail->bytes, what, bytes);
}

static void add(struct mail *mail, const char *text)
{
    add_bytes(mail, text, strlen(text), 1);
}

static void add_times(struct mail *mail, const char *text, uint64_t times)
{
    add_bytes(mail, text, strlen(text), (size_t)times);
}

/* The result, and that memory stayed flat. */
static int scan_mail(struct mail *mail, struct reason *why)
{
    long before;
    int err;

    mail->text = realloc(mail->text, mail->bytes);
    before = peak_kb();
    err = scan_block(mail->text, mail->bytes, why);
    cr_expect_leq(peak_kb() - before, FLAT_KB, "%ld KiB more", peak_kb() - before);
    *mail = (struct mail){ 0 };
    return err;
}

static void expect_limit(struct mail *mail, const char *reason)
{
    struct reason why = { "" };

    cr_expect_eq(scan_mail(mail, &why), -E2BIG);
    cr_expect_str_eq(why.text, reason);
    cr_expect_null(parts);
}

static void expect_parts(struct mail *mail, size_t count)
{
    struct reason why = { "" };

    cr_expect_eq(scan_mail(mail, &why), 0, "%s", why.text);
    cr_assert_not_null(parts);
    expect_count(count);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

/* ---- limits ---- */

Test(mime_limits, VA02_a_header_line_of_64_mib)
{
    struct mail mail = { 0 };

    add(&mail, "Subject: ");
    add_times(&mail, "x", BIG);
    expect_limit(&mail, "a header of more than 1 MiB");
    add(&mail, MIXED "--b\r\nContent-Type: a/b; name=\"");
    add_times(&mail, "x", BIG);
    add(&mail, "\"\r\n\r\n--b--");
    expect_limit(&mail, "a header of more than 1 MiB");
}

Test(mime_limits, VA02_a_million_header_lines)
{
    struct mail mail = { 0 };

    add_times(&mail, "a:\r\n", MIB);
    expect_limit(&mail, "a header of more than 1 MiB");
    mime_limits.max_header_bytes = 16 * MIB;
    add_times(&mail, "a:\r\n", MIB);
    add(&mail, "\r\ntext");
    expect_parts(&mail, 1);
    expect_text(0, "text");
}

Test(mime_limits, VA02_of_a_header_that_is_too_long_no_more_is_read)
{
    const struct mime_frames frames = { 0 };
    struct mime_header header;
    struct mail mail = { 0 };

    add_times(&mail, "a:\r\n", MIB);
    mime_header_read(mail.text, mail.text + mail.bytes, 4096, &frames, &header);
    cr_expect_eq(header.content - mail.text, 4100);
    free(mail.text);
}

Test(mime_limits, VA02_a_header_of_just_the_limit_passes)
{
    struct mail mail = { 0 };

    mime_limits.max_header_bytes = 4096;
    add(&mail, "a:");
    add_times(&mail, "x", 4091);
    add(&mail, "\r\n\r\n");
    expect_limit(&mail, "a header of more than 4096 bytes");
    add(&mail, "a:");
    add_times(&mail, "x", 4090);
    add(&mail, "\r\n\r\n");
    expect_parts(&mail, 1);
}

Test(mime_limits, VA02_a_boundary_of_1_mib)
{
    struct mail mail = { 0 };

    mime_limits.max_header_bytes = 16 * MIB;
    add(&mail, "Content-Type: multipart/mixed; boundary=");
    add_times(&mail, "x", MIB);
    add(&mail, "\r\n\r\n--");
    add_times(&mail, "x", MIB);
    add(&mail, "\r\n\r\none");
    expect_limit(&mail, "a header field of more than 256 KiB");
}

Test(mime_limits, VA01_a_content_type_of_100_kib_is_read)
{
    struct mail mail = { 0 };

    add(&mail, "Content-Type: multipart/mixed;");
    add_times(&mail, "\r\n a=b;", 100 * 1024 / 7);
    add(&mail, "boundary=");
    add_times(&mail, "x", 100 * 1024);
    add(&mail, "\r\n\r\n--");
    add_times(&mail, "x", 100 * 1024);
    add(&mail, "\r\n\r\none\r\n--");
    add_times(&mail, "x", 100 * 1024);
    add(&mail, "--\r\n");
    expect_parts(&mail, 1);
    expect_text(0, "one");
}

Test(mime_limits, VA02_10000_parts)
{
    struct mail mail = { 0 };

    add(&mail, MIXED);
    add_times(&mail, "--b\r\n\r\nx\r\n", 10000);
    expect_limit(&mail, "more than 1000 parts");
    add(&mail, MIXED);
    add_times(&mail, "--b\r\n\r\nx\r\n", 1001);
    expect_limit(&mail, "more than 1000 parts");
    add(&mail, MIXED);
    add_times(&mail, "--b\r\n\r\nx\r\n", 1000);
    add(&mail, "--b--\r\n");
    expect_parts(&mail, 1000);
}

/* Multiparts that hold nothing cost work, too. */
Test(mime_limits, VA02_multiparts_count_as_parts)
{
    struct mail mail = { 0 };

    add(&mail, MIXED);
    add_times(&mail, "--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n",
              501);
    expect_limit(&mail, "more than 1000 parts");
}

static void add_nested(struct mail *mail, unsigned depth)
{
    char head[100];

    for (unsigned i = 0; i < depth; i++) {
        snprintf(head, sizeof(head), "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n",
                 i, i);
        add(mail, head);
    }
    add(mail, "\r\ninnermost");
}

Test(mime_limits, VA02_multiparts_nested_a_thousand_times)
{
    struct mail mail = { 0 };

    add_nested(&mail, 1000);
    expect_limit(&mail, "nested deeper than 100");
    add_nested(&mail, 101);
    expect_limit(&mail, "nested deeper than 100");
    add_nested(&mail, 100);
    expect_parts(&mail, 1);
    mime_limits.max_depth = 1000;
    add_nested(&mail, 1000);
    expect_parts(&mail, 1);
    expect_text(0, "innermost");
}

Test(mime_limits, VA02_messages_nested_a_thousand_times)
{
    struct mail mail = { 0 };

    add_times(&mail, "Content-Type: message/rfc822\r\n\r\n", 1000);
    expect_limit(&mail, "nested deeper than 100");
    mime_limits.max_depth = 1000;
    add_times(&mail, "Content-Type: message/rfc822; name=x\r\n\r\n", 999);
    add(&mail, "\r\ninnermost");
    expect_parts(&mail, 1000);
    expect_text(999, "innermost");
}

/* Each holds the next, and is listed as a whole. */
Test(mime_limits, VA02_attached_messages_do_not_multiply_the_work)
{
    struct mail mail = { 0 };

    add_times(&mail, "Content-Type: message/rfc822; name=x\r\n\r\n", 20);
    add(&mail, "\r\n");
    add_times(&mail, "x", 8 * MIB);
    expect_limit(&mail, "attached messages of more than 10 times its size");
    add_times(&mail, "Content-Type: message/rfc822; name=x\r\n\r\n", 9);
    add(&mail, "\r\n");
    add_times(&mail, "x", 8 * MIB);
    expect_parts(&mail, 10);
    add_times(&mail, "Content-Type: message/rfc822; name=x\r\n\r\n", 60);
    add(&mail, "\r\n");
    add_times(&mail, "x", MIB);
    expect_parts(&mail, 61);
}

/* ---- memory ---- */

Test(mime_limits, VA02_64_mib_before_and_behind_the_parts)
{
    struct mail mail = { 0 };

    add(&mail, MIXED);
    add_times(&mail, "preamble\r\n", BIG / 20);
    add(&mail, "--b\r\n\r\none\r\n--b--\r\n");
    add_times(&mail, "epilogue\r\n", BIG / 20);
    expect_parts(&mail, 1);
    expect_text(0, "one");
}

Test(mime_limits, VA02_an_attachment_of_64_mib)
{
    struct mail mail = { 0 };

    mime_chunk_bytes = 5 * MIB;
    add(&mail,
        MIXED "--b\r\nContent-Type: a/b; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    add_times(&mail,
              "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\r\n",
              BIG / 78);
    add(&mail, "--b--\r\n");
    expect_parts(&mail, 1);
    cr_expect_eq(parts->parts[0].decoded_bytes, BIG / 78 * 57);
    cr_expect_eq(parts->parts[0].md5_count, BIG / 78 * 57 / (5 * MIB) + 1);
}

Test(mime_limits, VA02_base64_that_is_none_is_no_work_for_the_loop)
{
    struct mail mail = { 0 };

    add(&mail, "Content-Type: a/b; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD");
    add_times(&mail, "!", BIG);
    add(&mail, "QUJD");
    expect_limit(&mail, "more than 1024 KiB of noise in an encoded part");
    add(&mail, "Content-Type: a/b; name=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    add_times(&mail, "=\r\n", 4 * MIB);
    expect_limit(&mail, "more than 1024 KiB of noise in an encoded part");
    add(&mail, "Content-Type: a/b; name=a\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
               "begin 644 a\r\n");
    add_times(&mail, "\r\n", 4 * MIB);
    expect_limit(&mail, "more than 1024 KiB of noise in an encoded part");
}

/* ---- an end from outside ---- */

Test(mime_limits, VA02_a_scan_is_cancelled_wherever_it_is)
{
    static const struct {
        const char *head;
        uint64_t chunk_bytes;
    } cases[] = {
        { "\r\n", MIB },                                                /* reading for its MD5 */
        { "Content-Transfer-Encoding: quoted-printable\r\n\r\n", 0 },   /* decoding */
        { "Content-Type: multipart/mixed; boundary=never\r\n\r\n", 0 }, /* looking for boundaries */
    };
    const atomic_bool cancelled = true;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mail mail = { 0 };
        struct mime_parts *found = NULL;

        add(&mail, cases[i].head);
        add_times(&mail, "text\r\n", MIB / 6);
        cr_expect_eq(mime_scan(mail.text, mail.bytes, &mime_limits, cases[i].chunk_bytes,
                               &cancelled, &found, NULL),
                     -ECANCELED, "%s", cases[i].head);
        cr_expect_null(found);
        free(mail.text);
    }
}
