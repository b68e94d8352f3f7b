/* Replies and EHLO lines of servers, good, odd and hostile. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

#include "worker/smtp/auth.h"
#include "worker/smtp/extension.h"
#include "worker/smtp/reply.h"

static struct evbuffer *input;
static struct smtp_reply reply;

static void setup(void)
{
    input = evbuffer_new();
    smtp_reply_clear(&reply);
}

static void teardown(void)
{
    evbuffer_free(input);
}

TestSuite(reply, .init = setup, .fini = teardown, .timeout = 30);

static int take(const char *text)
{
    evbuffer_add(input, text, strlen(text));
    return smtp_reply_take(input, &reply, NULL, NULL);
}

Test(reply, one_line)
{
    cr_assert_eq(take("250 2.1.5 Recipient ok\r\n"), 1);
    cr_assert_eq(reply.code, 250);
    cr_assert_eq(reply.lines, 1);
    cr_assert(smtp_reply_is(&reply, 1, 5));
    cr_assert_str_eq(reply.text, "2.1.5 Recipient ok");
    cr_assert_eq(evbuffer_get_length(input), 0u);
}

Test(reply, comes_byte_by_byte)
{
    const char *text = "550-5.7.1 first\r\n550 5.7.1 second\r\n";

    for (size_t i = 0; i + 1 < strlen(text); i++) {
        evbuffer_add(input, text + i, 1);
        cr_assert_eq(smtp_reply_take(input, &reply, NULL, NULL), 0, "after %zu", i);
    }
    cr_assert_eq(take("\n"), 1);
    cr_assert_eq(reply.code, 550);
    cr_assert_eq(reply.lines, 2);
    cr_assert_str_eq(reply.text, "5.7.1 first 5.7.1 second");
}

Test(reply, several_in_one_read_are_taken_one_by_one)
{
    cr_assert_eq(take("250 a\r\n550-b\r\n550 c\r\n354 d\r\n250 half"), 1);
    cr_assert_eq(reply.code, 250);
    cr_assert_eq(take(""), 1);
    cr_assert_eq(reply.code, 550);
    cr_assert_str_eq(reply.text, "b c");
    cr_assert_eq(take(""), 1);
    cr_assert_eq(reply.code, 354);
    cr_assert_eq(take(""), 0);
    cr_assert_eq(take("\r\n"), 1);
    cr_assert_str_eq(reply.text, "half");
}

Test(reply, forms_that_servers_use)
{
    static const struct {
        const char *text;
        unsigned code;
    } rows[] = {
        { "250\r\n", 250 },         { "250 \r\n", 250 },       { "250 bare\n", 250 },
        { "220-\r\n220\r\n", 220 }, { "250-a\n250 b\n", 250 }, { "599 x\r\n", 599 },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(take(rows[i].text), 1, "%s", rows[i].text);
        cr_expect_eq(reply.code, rows[i].code);
        cr_expect_eq(evbuffer_get_length(input), 0u);
    }
}

Test(reply, what_is_no_reply_is_a_protocol_error)
{
    static const char *const rows[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "25\r\n",
        "150 too low\r\n",
        "650 too high\r\n",
        "2x0 no digits\r\n",
        "2500 four digits\r\n",
        "250_underscore\r\n",
        " 250 blank before\r\n",
        "250-first\r\n550 another code\r\n",
        "250-first\r\nsecond without code\r\n",
        "\x15\x03\x01\x02\x02\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        smtp_reply_clear(&reply);
        cr_expect_eq(take(rows[i]), -EPROTO, "%s", rows[i]);
        evbuffer_drain(input, evbuffer_get_length(input));
    }
}

static void add_line_of(size_t bytes, const char *end)
{
    evbuffer_add(input, "250 ", 4);
    for (size_t i = 4; i < bytes; i++)
        evbuffer_add(input, "x", 1);
    evbuffer_add(input, end, strlen(end));
}

Test(reply, a_line_of_2_KiB_and_not_a_byte_more)
{
    add_line_of(SMTP_REPLY_LINE_MAX, "\r\n");
    cr_assert_eq(smtp_reply_take(input, &reply, NULL, NULL), 1);
    cr_assert_eq(reply.text_bytes, SMTP_REPLY_TEXT_SIZE - 1);
    cr_assert_eq(strlen(reply.text), reply.text_bytes);

    add_line_of(SMTP_REPLY_LINE_MAX + 1, "\r\n");
    cr_assert_eq(smtp_reply_take(input, &reply, NULL, NULL), -EPROTO);
}

Test(reply, a_line_without_end_is_not_awaited_for_ever)
{
    add_line_of(SMTP_REPLY_LINE_MAX, "");
    cr_assert_eq(smtp_reply_take(input, &reply, NULL, NULL), 0);
    evbuffer_add(input, "x", 1);
    cr_assert_eq(smtp_reply_take(input, &reply, NULL, NULL), -EPROTO);
}

Test(reply, a_hundred_lines_and_not_one_more)
{
    for (unsigned i = 1; i < SMTP_REPLY_LINES_MAX; i++)
        evbuffer_add(input, "250-x\r\n", 7);
    cr_assert_eq(take("250 x\r\n"), 1);
    cr_assert_eq(reply.lines, SMTP_REPLY_LINES_MAX);

    for (unsigned i = 0; i < SMTP_REPLY_LINES_MAX; i++)
        evbuffer_add(input, "250-x\r\n", 7);
    cr_assert_eq(take("250 x\r\n"), -EPROTO);
}

Test(reply, text_is_fit_for_logs)
{
    const char text[] = "550 a\0b\tc\x1b[31m\xff\xc3\xa4 \x7f.\r\n";

    evbuffer_add(input, text, sizeof(text) - 1);
    cr_assert_eq(smtp_reply_take(input, &reply, NULL, NULL), 1);
    cr_assert_str_eq(reply.text, "a?b?c?[31m??? ?.");
}

Test(reply, enhanced_codes_count_only_in_their_own_class)
{
    static const struct {
        const char *text, *enhanced;
    } rows[] = {
        { "250 2.0.0 ok", "2.0.0" },
        { "550 5.1.1 no", "5.1.1" },
        { "451 4.7.500 busy", "4.7.500" },
        { "451 4.7.500", "4.7.500" },
        { "550 4.1.1 no", "" },
        { "450 5.1.1 no", "" },
        { "552 4.5.3 many", "4.5.3" },
        { "552 5.5.3 many", "5.5.3" },
        { "550 5.1 no", "" },
        { "550 5.1.1x no", "" },
        { "550 5.1234.1 no", "" },
        { "550 5..1 no", "" },
        { "550 5.1.1.1 no", "" },
        { "550 no 5.1.1", "" },
        { "354 3.0.0 go", "3.0.0" },
        { "250 2.1.", "" },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[SMTP_ENHANCED_SIZE];

        cr_assert_eq(smtp_reply_add_line(&reply, rows[i].text, strlen(rows[i].text), NULL, NULL),
                     1);
        if (reply.code / 100 == 3)
            continue; /* class 3 does not exist; nothing asks for it */
        cr_expect_str_eq(smtp_reply_enhanced(&reply, out), rows[i].enhanced, "%s", rows[i].text);
    }
}

static void on_line(const char *text, size_t bytes, unsigned number, void *arg)
{
    if (number > 0)
        smtp_extension_add(arg, text, bytes);
}

Test(reply, EHLO_lines_tell_what_a_server_can_do)
{
    struct smtp_extensions extensions = { 0 };
    char text[SMTP_EXTENSIONS_TEXT_SIZE];
    const char *ehlo = "250-SIZE of the name does not matter\r\n250-pipelining\r\n"
                       "250-Size 10485760\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
                       "250-AUTH PLAIN LOGIN\r\n250-CHUNKING\r\n250-XUNKNOWN\r\n"
                       "250-LIMITS MAILMAX=20 RCPTMAX=100 RCPTDOMAINMAX=1\r\n250 SMTPUTF8\r\n";

    evbuffer_add(input, ehlo, strlen(ehlo));
    cr_assert_eq(smtp_reply_take(input, &reply, on_line, &extensions), 1);
    cr_assert_eq(extensions.size_max, 10485760u);
    cr_assert_eq(extensions.mail_max, 20u);
    cr_assert_eq(extensions.rcpt_max, 100u);
    cr_assert_str_eq(
        smtp_extension_text(&extensions, text),
        "PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES CHUNKING SMTPUTF8 LIMITS AUTH (PLAIN, "
        "LOGIN)");
    cr_assert_eq(extensions.auth, 1U << SMTP_AUTH_PLAIN | 1U << SMTP_AUTH_LOGIN);
}

Test(reply, EHLO_lines_that_look_like_extensions_but_are_none)
{
    static const char *const lines[] = { "",       " ",       "PIPELININGX", "XPIPELINING",
                                         "SIZE=1", "8BITMIM", "PIPELINING-", "A SIZE 1" };
    struct smtp_extensions extensions = { 0 };

    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        smtp_extension_add(&extensions, lines[i], strlen(lines[i]));
    cr_assert_eq(extensions.flags, 0u);
    smtp_extension_add(&extensions, "SIZE 12x", 8);
    cr_assert_eq(extensions.size_max, 0u, "a size that is no number is none");
    smtp_extension_add(&extensions, "SIZE 99999999999999999999999", 28);
    cr_assert_gt(extensions.size_max, 1ULL << 50);
}
