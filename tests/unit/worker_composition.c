/* Mail of the appliance's own, byte by byte: whatever it is about, it is one message with the
 * header that was meant, in lines of visible ASCII. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cell.h"
#include "worker/composition.h"

#define MAIL(subject, text)                                                                   \
    "{\"sender\": \"\", \"from\": \"postern@gw.example\", \"recipients\": [\"a@x.example\", " \
    "\"b@x.example\"], \"profile\": 3, \"subject\": " subject ", \"text\": " text "}"

static json_t *json;
static struct composition mail;
static struct composition_bytes bytes;
static const struct composition_stamp stamp = { .id = 77,
                                                .wall_ms = 1767225600000,
                                                .hostname = "gw.example" };

static void forget(void)
{
    composition_bytes_done(&bytes);
    json_decref(json);
    json = NULL;
}

TestSuite(composition, .fini = forget, .timeout = 30);

static int read_mail(const char *text)
{
    struct reason why = { "" };
    int err;

    json_decref(json);
    json = json_loads(text, 0, NULL);
    cr_assert_not_null(json, "%s", text);
    err = composition_read(json, &mail, &why);
    cr_assert(err == 0 || why.text[0] != '\0', "refused without a reason");
    return err;
}

static const char *composed(const char *subject, const char *text, enum composition_attached with)
{
    char *input;

    cr_assert(asprintf(&input, MAIL("\"%s\"", "\"%s\""), subject, text) > 0);
    cr_assert_eq(read_mail(input), 0);
    free(input);
    composition_bytes_done(&bytes);
    cr_assert_eq(composition_write(&mail, &stamp, with, &bytes), 0);
    return bytes.head;
}

/* No control character but CRLF, nothing above 126, no line too long or begun with a dot. */
static void check_lines(const char *text)
{
    size_t line = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (p[0] == '\r' && p[1] == '\n') {
            line = 0;
            p++;
            continue;
        }
        cr_assert((*p >= ' ' && *p <= '~') || *p == '\t', "byte %d in:\n%s", (unsigned char)*p,
                  text);
        cr_assert(line > 0 || *p != '.', "a line begins with a dot:\n%s", text);
        cr_assert_lt(++line, 990u, "a long line in:\n%s", text);
    }
    cr_assert_eq(line, 0u, "the last line has no end");
}

/* Header lines, folds not counted. */
static unsigned count_fields(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    unsigned count = 0;

    cr_assert_not_null(end);
    for (const char *line = text; line < end; line = strstr(line, "\r\n") + 2)
        count += *line != ' ' && *line != '\t';
    return count;
}

#define FIELDS 9U

Test(composition, a_plain_one_is_these_bytes)
{
    const char *head = composed("Server down", "Line 1\\nLine 2\\n", COMPOSITION_ALONE);

    cr_assert_str_eq(head, "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                           "From: postern@gw.example\r\n"
                           "To: a@x.example,\r\n b@x.example\r\n"
                           "Subject: Server down\r\n"
                           "Message-ID: <000000000002D@gw.example>\r\n"
                           "Auto-Submitted: auto-generated\r\n"
                           "X-Auto-Response-Suppress: All\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: text/plain; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: 7bit\r\n"
                           "\r\n"
                           "Line 1\r\nLine 2\r\n");
    cr_assert_null(bytes.tail);
    cr_assert_eq(bytes.longest_line, strlen("Message-ID: <000000000002D@gw.example>") + 1);
}

Test(composition, a_subject_begins_no_other_header)
{
    static const char *const subjects[] = {
        "down\\r\\nBcc: victim@example.net",
        "down\\nBcc: victim@example.net",
        "down\\r\\n\\r\\nA body",
        "down\\u000bBcc: victim@example.net",
        "d\\u00f6wn\\r\\nBcc: victim@example.net",
        "=?utf-8?q?down=0D=0ABcc:_victim@example.net?=",
        "",
    };

    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        const char *head = composed(subjects[i], "text", COMPOSITION_ALONE);

        check_lines(head);
        cr_assert_eq(count_fields(head), FIELDS + 1, "%s", head);
        cr_assert_null(strstr(head, "\nBcc"), "%s", head);
    }
}

Test(composition, what_looks_like_an_encoded_word_is_shown_as_it_is)
{
    cr_assert_not_null(strstr(composed("=?utf-8?q?x?=", "t", COMPOSITION_ALONE),
                              "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\r\n"));
}

Test(composition, a_subject_in_other_letters_is_in_encoded_words_of_whole_characters)
{
    char subject[301] = "";
    const char *at;

    for (unsigned i = 0; i < 100; i++)
        strcat(subject, "\xe2\x82\xac");
    at = strstr(composed(subject, "t", COMPOSITION_ALONE), "Subject: ") + strlen("Subject: ");
    check_lines(bytes.head);
    for (unsigned characters = 0; characters < COMPOSITION_MAX_SUBJECT / 3;) {
        const char *end = strstr(at + 10, "?=");

        cr_assert_eq(strncmp(at, "=?utf-8?q?", 10), 0, "%s", bytes.head);
        cr_assert_leq(end + 2 - at, 75);
        for (at += 10; at < end; at += 9, characters++)
            cr_assert_eq(strncmp(at, "=E2=82=AC", 9), 0, "%s", bytes.head);
        at = end + 2;
        if (strncmp(at, "\r\n ", 3) == 0)
            at += 3;
    }
    cr_assert_eq(strncmp(at, "\r\nMessage-ID", 12), 0, "%s", bytes.head);
}

static const char *body_of(const char *head)
{
    return strstr(head, "\r\n\r\n") + 4;
}

Test(composition, text_that_is_not_plain_is_quoted)
{
    static const struct {
        const char *text, *body;
    } cases[] = {
        { "caf\\u00e9 = 1\\n", "caf=C3=A9 =3D 1\r\n" },
        { ".\\nQUIT\\u00e9", "=2E\r\nQUIT=C3=A9\r\n" },
        { "\\u00e9 \\nx", "=C3=A9=20\r\nx\r\n" },
        { "\\u00e9\\r\\n.\\r\\n", "=C3=A9?\r\n=2E?\r\n" },
        { "\\u00e9\\u001b[31m", "=C3=A9?[31m\r\n" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *head = composed("s", cases[i].text, COMPOSITION_ALONE);

        check_lines(head);
        cr_assert_not_null(strstr(head, "Content-Transfer-Encoding: quoted-printable\r\n"));
        cr_assert_str_eq(body_of(head), cases[i].body);
    }
}

Test(composition, plain_text_is_left_alone_but_for_control_characters)
{
    cr_assert_str_eq(body_of(composed("s", "a\\tb\\u0007c\\r\\nd", COMPOSITION_ALONE)),
                     "a\tb?c?\r\nd\r\n");
    cr_assert_str_eq(body_of(composed("s", "", COMPOSITION_ALONE)), "\r\n");
}

Test(composition, long_lines_get_soft_breaks)
{
    char text[5001];
    size_t letters = 0;

    memset(text, 'x', 5000);
    text[5000] = '\0';
    composed("s", text, COMPOSITION_ALONE);
    check_lines(bytes.head);
    for (const char *p = body_of(bytes.head); *p != '\0'; p++)
        letters += *p == 'x';
    cr_assert_eq(letters, 5000u);
    cr_assert_leq(bytes.longest_line, 76u);
}

Test(composition, a_message_stands_between_head_and_tail)
{
    const char *head = composed("Fwd", "See below.\\n", COMPOSITION_WITH_8BIT);

    cr_assert_not_null(strstr(head, "Content-Type: multipart/mixed; "
                                    "boundary=\"=_postern_000000000002D\"\r\n"
                                    "Content-Transfer-Encoding: 8bit\r\n\r\n"
                                    "--=_postern_000000000002D\r\n"
                                    "Content-Type: text/plain; charset=utf-8\r\n"));
    cr_assert_str_eq(strstr(head, "See below."), "See below.\r\n\r\n--=_postern_000000000002D\r\n"
                                                 "Content-Type: message/rfc822\r\n"
                                                 "Content-Transfer-Encoding: 8bit\r\n"
                                                 "Content-Disposition: attachment\r\n\r\n");
    cr_assert_str_eq(bytes.tail, "\r\n--=_postern_000000000002D--\r\n");
    check_lines(head);
    cr_assert_null(strstr(composed("Fwd", "x", COMPOSITION_WITH_7BIT), "8bit"));
}

#define WITH_FILE(name, text)                                                                      \
    "{\"sender\": \"s@x.example\", \"from\": \"s@x.example\", \"recipients\": [\"a@x.example\"], " \
    "\"profile\": 3, \"rule\": 8, \"subject\": \"s\", \"text\": \"See the file.\\n\", "            \
    "\"file\": {\"name\": " name ", \"text\": " text "}}"

Test(composition, a_file_is_attached)
{
    cr_assert_eq(read_mail(WITH_FILE("\"a-test.txt\"", "\"caf\\u00e9\\n\"")), 0);
    cr_assert_eq(mail.rule, 8u);
    cr_assert_eq(composition_write(&mail, &stamp, COMPOSITION_ALONE, &bytes), 0);
    check_lines(bytes.head);
    cr_assert_null(bytes.tail);
    cr_assert_str_eq(strstr(bytes.head, "Content-Type: multipart"),
                     "Content-Type: multipart/mixed; boundary=\"=_postern_000000000002D\"\r\n"
                     "Content-Transfer-Encoding: 7bit\r\n\r\n"
                     "--=_postern_000000000002D\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: 7bit\r\n\r\n"
                     "See the file.\r\n"
                     "\r\n--=_postern_000000000002D\r\n"
                     "Content-Type: text/plain; charset=utf-8; name=\"a-test.txt\"\r\n"
                     "Content-Disposition: attachment; filename=\"a-test.txt\"\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                     "caf=C3=A9\r\n"
                     "\r\n--=_postern_000000000002D--\r\n");
}

Test(composition, what_is_no_file_is_refused)
{
    static const char *const bad[] = {
        WITH_FILE("\"\"", "\"t\""),
        WITH_FILE("\"a\\\"b\"", "\"t\""),
        WITH_FILE("\"a\\r\\nBcc: v@x.example\"", "\"t\""),
        WITH_FILE("\"a/b\"", "\"t\""),
        WITH_FILE("\"\\u00e4\"", "\"t\""),
        WITH_FILE("7", "\"t\""),
        WITH_FILE("\"a\"", "null"),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(read_mail(bad[i]), -EINVAL, "%s", bad[i]);
}

Test(composition, what_is_no_address_is_refused)
{
    static const char *const bad[] = {
        "a@x.example\\r\\nBcc: v@x.example",
        "a@x.example\\nDATA",
        "a@x.example>",
        "<a@x.example>",
        "a@x.example,b@x.example",
        "a b@x.example",
        "a@x.example\\u0000",
        "\\u00e4@x.example",
        "a@x.example (comment)",
        "",
    };
    static const char *const members[] = { "sender", "from", "recipients" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t m = 0; m < 3; m++) {
            char quoted[128];
            json_t *value;

            if (m == 0 && bad[i][0] == '\0')
                continue; /* the null sender */
            cr_assert_eq(read_mail(MAIL("\"s\"", "\"t\"")), 0);
            snprintf(quoted, sizeof(quoted), "\"%s\"", bad[i]);
            value = json_loads(quoted, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            cr_assert_not_null(value, "%s", quoted);
            if (m == 2)
                value = json_pack("[so]", "a@x.example", value);
            json_object_set_new(json, members[m], value);
            cr_assert_eq(composition_read(json, &mail, NULL), -EINVAL, "%s: %s", members[m],
                         bad[i]);
        }
    }
}

Test(composition, what_is_not_complete_is_refused)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"sender\": \"\", \"from\": \"a@x\", \"recipients\": [], \"profile\": 3, "
        "\"subject\": \"s\", \"text\": \"t\"}",
        "{\"sender\": \"\", \"from\": \"a@x\", \"recipients\": [\"a@x\"], \"profile\": 0, "
        "\"subject\": \"s\", \"text\": \"t\"}",
        "{\"sender\": \"\", \"from\": \"a@x\", \"recipients\": [\"a@x\"], \"profile\": 3, "
        "\"subject\": 1, \"text\": \"t\"}",
        "{\"sender\": \"\", \"from\": \"a@x\", \"recipients\": [\"a@x\"], \"profile\": 3, "
        "\"subject\": \"s\"}",
        "{\"from\": \"a@x\", \"recipients\": [\"a@x\"], \"profile\": 3, "
        "\"subject\": \"s\", \"text\": \"t\"}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(read_mail(bad[i]), -EINVAL, "%s", bad[i]);
}

Test(composition, as_many_recipients_as_one_group_has)
{
    json_t *list = json_array();

    cr_assert_eq(read_mail(MAIL("\"s\"", "\"t\"")), 0);
    for (unsigned i = 0; i < COMPOSITION_MAX_RECIPIENTS; i++)
        json_array_append_new(list, json_sprintf("r%u@x.example", i));
    json_object_set_new(json, "recipients", list);
    cr_assert_eq(composition_read(json, &mail, NULL), 0);
    cr_assert_eq(composition_write(&mail, &stamp, COMPOSITION_ALONE, &bytes), 0);
    check_lines(bytes.head);
    cr_assert_eq(count_fields(bytes.head), FIELDS + 1);
    json_array_append_new(list, json_string("one-more@x.example"));
    cr_assert_eq(composition_read(json, &mail, NULL), -EINVAL);
}
