/* What is written into a message on its way out (VA05, SR05). */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"
#include "common/rule.h"
#include "worker/message.h"
#include "worker/outgoing.h"
#include "worker/smtp/transaction.h"
#include "worker/spooler.h"

static struct rule rule;
static struct outgoing outgoing;
static char whole[65536];

static void set_up(void)
{
    rule = (struct rule){ .id = 1, .scan.add_headers = true };
}

static void tear_down(void)
{
    outgoing_clear(&outgoing);
}

TestSuite(outgoing, .init = set_up, .fini = tear_down);

/* The message as it leaves. */
static const char *sent(const char *text, unsigned flags, const char *scan, const char *upload)
{
    const struct message message = { .place = { .id = 7, .group = 2 },
                                     .body = text,
                                     .body_bytes = strlen(text),
                                     .body_flags = flags };
    json_t *told[2] = { scan != NULL ? json_loads(scan, 0, NULL) : NULL,
                        upload != NULL ? json_loads(upload, 0, NULL) : NULL };
    struct smtp_body body = { .data = message.body, .bytes = message.body_bytes };
    char *out = whole;

    cr_assert_eq(scan != NULL, told[0] != NULL);
    cr_assert_eq(upload != NULL, told[1] != NULL);
    outgoing_clear(&outgoing);
    cr_assert_eq(outgoing_make(&outgoing, &message, told, &rule), 0);
    outgoing_apply(&outgoing, &body);
    if (body.head_bytes > 0)
        out = mempcpy(out, body.head, body.head_bytes);
    out = mempcpy(out, body.data, body.bytes);
    if (body.tail_bytes > 0)
        out = mempcpy(out, body.tail, body.tail_bytes);
    *out = '\0';
    cr_assert_eq((size_t)(out - whole), smtp_body_bytes(&body));
    json_decref(told[0]);
    json_decref(told[1]);
    return whole;
}

#define MAIL "Subject: x\r\n\r\nhello\r\n"
#define LINKS                                                                       \
    "{\"files\":[{\"name\":\"a.pdf\",\"url\":\"http://v:8010/vault_rest/file/1\"}," \
    "{\"name\":\"b.pdf\",\"url\":\"http://v:8010/vault_rest/file/2\"},{\"name\":\"c\"}]}"

Test(outgoing, VA05_without_news_it_leaves_as_it_came)
{
    cr_assert_str_eq(sent(MAIL, 0, NULL, NULL), MAIL);
    cr_assert_null(outgoing.head);
}

Test(outgoing, VA05_a_scan_is_told_in_front)
{
    cr_assert_str_eq(sent(MAIL, 0,
                          "{\"verdict\":\"allowed\",\"server\":\"http://c:8008\","
                          "\"files\":[{},{}]}",
                          NULL),
                     "X-Postern-Scan: allowed; files=2; core=http://c:8008\r\n" MAIL);
    cr_assert_str_eq(
        sent(MAIL, 0, "{\"verdict\":\"unavailable\",\"reason\":\"all are down\"}", NULL),
        "X-Postern-Scan: unavailable; reason=\"all are down\"\r\n" MAIL);
}

Test(outgoing, SR05_without_add_headers_only_what_is_wrong_is_told)
{
    rule.scan.add_headers = false;
    cr_assert_str_eq(sent(MAIL, 0, "{\"verdict\":\"allowed\"}", NULL), MAIL);
    cr_assert_str_eq(sent(MAIL, 0, "{\"verdict\":\"blocked\"}", NULL),
                     "X-Postern-Scan: blocked\r\n" MAIL);
}

Test(outgoing, VA05_what_others_say_makes_no_line_of_its_own)
{
    const char *text = sent(MAIL, 0,
                            "{\"verdict\":\"blocked\",\"reason\":\"a\\r\\nBcc: x@y; z=\\\"1\\\" "
                            "gr\\u00fc\\u00df\"}",
                            NULL);

    cr_assert_str_eq(text,
                     "X-Postern-Scan: blocked; reason=\"a??Bcc: x@y? z=?1? gr????\"\r\n" MAIL);
    rule.upload.links = LINKS_HEADER;
    text = sent(MAIL, 0, NULL, "{\"files\":[{\"url\":\"http://v/1\\r\\nX: y\"}]}");
    cr_assert_str_eq(text, "X-Postern-Link: http://v/1??X:?y\r\n" MAIL);
}

Test(outgoing, SR05_links_are_kept_to_ourselves_unless_the_rule_says_where)
{
    cr_assert_str_eq(sent(MAIL, 0, NULL, LINKS), MAIL);
    rule.upload.links = LINKS_HEADER;
    cr_assert_str_eq(sent(MAIL, 0, NULL, LINKS),
                     "X-Postern-Link: http://v:8010/vault_rest/file/1\r\n"
                     "X-Postern-Link: http://v:8010/vault_rest/file/2\r\n" MAIL);
}

/* ---- links as a text part ---- */

static void expect_base64(const char *text, const char *clear)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char out[4096];
    size_t bytes = 0;
    unsigned bits = 0, count = 0;

    for (; *text != '\0' && !(text[0] == '\r' && text[2] == '\r'); text++) {
        const char *digit = strchr(digits, *text);

        if (*text == '-')
            break;
        if (digit == NULL || *text == '=')
            continue;
        bits = bits << 6 | (unsigned)(digit - digits);
        if (++count % 4 != 0)
            continue;
        out[bytes++] = (char)(bits >> 16);
        out[bytes++] = (char)(bits >> 8);
        out[bytes++] = (char)bits;
    }
    if (count % 4 == 3) {
        out[bytes++] = (char)(bits >> 10);
        out[bytes++] = (char)(bits >> 2);
    } else if (count % 4 == 2) {
        out[bytes++] = (char)(bits >> 4);
    }
    out[bytes] = '\0';
    cr_assert_str_eq(out, clear);
}

Test(outgoing, SR05_the_message_becomes_the_first_part_and_the_links_the_second)
{
    static const char mail[] = "Received: by us\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n"
                               "Subject: x\r\n folded\r\nMIME-Version: 1.0\r\n"
                               "Content-Transfer-Encoding: quoted-printable\r\n\r\nhel=6Co\r\n";
    static const char begins[] =
        "X-Postern-Scan: allowed\r\nReceived: by us\r\nSubject: x\r\n folded\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_postern_";
    const char *text, *tail;

    rule.upload.links = LINKS_TEXT_PART;
    text = sent(mail, 0, "{\"verdict\":\"allowed\"}", LINKS);
    cr_assert_eq(strncmp(text, begins, strlen(begins)), 0, "%s", text);
    cr_assert_not_null(strstr(text, "_links\"\r\n\r\n--=_postern_"));
    cr_assert_not_null(
        strstr(text, "_links\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\nhel=6Co\r\n\r\n--"),
        "%s", text);
    tail = strstr(text, "Content-Disposition: inline\r\n\r\n");
    cr_assert_not_null(tail);
    expect_base64(tail + 31, "Attachments of this message in the vault:\r\n\r\n"
                             "a.pdf\r\nhttp://v:8010/vault_rest/file/1\r\n\r\n"
                             "b.pdf\r\nhttp://v:8010/vault_rest/file/2\r\n\r\n");
    cr_assert_str_eq(text + strlen(text) - 10, "_links--\r\n");
    cr_assert_null(strstr(text, "Content-Transfer-Encoding: 8bit"));
}

Test(outgoing, SR05_a_signed_message_is_not_touched_inside)
{
    static const char inside[] = "\r\n--s\r\nContent-Type: text/plain\r\n\r\nhi \r\n--s\r\n"
                                 "Content-Type: application/pgp-signature\r\n\r\nxyz\r\n--s--\r\n";
    char mail[512];

    (void)snprintf(mail, sizeof(mail),
                   "Subject: x\r\nContent-Type: multipart/signed; boundary=s\r\n%s", inside);
    rule.upload.links = LINKS_TEXT_PART;
    cr_assert_not_null(strstr(sent(mail, BODY_8BIT, NULL, LINKS), inside));
    cr_assert_not_null(strstr(whole, "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--"),
                       "what is around 8-bit content says so");
}

static const char *const odd[] = { "\r\nonly a body\r\n", "Subject: only a header\r\n", "",
                                   "no header and no line's end" };

Test(outgoing, SR05_odd_messages_lose_nothing)
{
    rule.upload.links = LINKS_TEXT_PART;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        const char *text = sent(odd[i], 0, NULL, LINKS);

        cr_expect_not_null(strstr(text, odd[i]), "%zu: %s", i, text);
        cr_expect_str_eq(text + strlen(text) - 10, "_links--\r\n", "%zu", i);
    }
}

Test(outgoing, SR05_without_a_link_nothing_is_added)
{
    rule.upload.links = LINKS_TEXT_PART;
    cr_assert_str_eq(sent(MAIL, 0, NULL, "{\"files\":[{\"name\":\"a\"}]}"), MAIL);
    cr_assert_str_eq(sent(MAIL, 0, NULL, "{\"verdict\":\"unavailable\"}"), MAIL);
}
