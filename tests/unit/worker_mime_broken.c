/* Messages as they should not be: nothing of them is lost, and nothing is read twice. */
#include "mime_helper.h"

TestSuite(mime_broken, .fini = mime_forget, .timeout = 60);

#define MIXED "Content-Type: multipart/mixed; boundary=\"b\"\n\n"

Test(mime_broken, VA01_without_a_header_everything_is_text)
{
    scan("\nHello\n");
    expect_count(1);
    expect_text(0, "Hello\r\n");
    scan("Hello there\nSubject: no\n");
    expect_count(1);
    expect_text(0, "Hello there\r\nSubject: no\r\n");
    scan("From me Thu Jan  1 00:00:00 1970\nContent-Type: text/html\n\n<p>");
    expect_count(1);
    expect_part(0, MIME_TEXT, "text/html", "text-1.html", "<p>");
    scan("Subject: only\n");
    expect_count(1);
    expect_text(0, "");
    scan("");
    expect_count(0);
}

Test(mime_broken, VA01_without_a_closing_boundary_the_end_closes)
{
    scan(MIXED "--b\n\none\n--b\nContent-Type: a/b; name=c\n\ntwo\n");
    expect_count(2);
    expect_text(0, "one");
    expect_part(1, MIME_ATTACHMENT, "a/b", "c", "two\r\n");
    scan(MIXED "--b\n\none\n--b");
    expect_count(1);
    scan(MIXED "--b\n\none\n--b--");
    expect_count(1);
    expect_text(0, "one");
}

Test(mime_broken, VA01_a_multipart_without_boundary_is_one_attachment)
{
    scan("Content-Type: multipart/mixed\n\n--b\n\none\n--b--\n");
    expect_count(1);
    expect_part(0, MIME_ATTACHMENT, "multipart/mixed", "attachment-1.bin",
                "--b\r\n\r\none\r\n--b--\r\n");
    scan("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\none\n----\n");
    expect_count(1);
    /* Neither does one come, */
    scan(MIXED "--x\n\none\n--x--\n");
    expect_count(1);
    expect_part(0, MIME_ATTACHMENT, "multipart/mixed", "attachment-1.bin",
                "--x\r\n\r\none\r\n--x--\r\n");
    /* nor is one closed that has not begun; and what is around it goes on. */
    scan(MIXED "--b\nContent-Type: multipart/mixed; boundary=i\n\nlost\n--i--\nfound\n--b\n\ntwo\n"
               "--b--\n");
    expect_count(2);
    expect_part(0, MIME_ATTACHMENT, "multipart/mixed", "attachment-1.bin",
                "lost\r\n--i--\r\nfound");
    expect_text(1, "two");
}

Test(mime_broken, VA01_an_encoded_multipart_is_decoded_unless_its_boundary_stands_there)
{
    scan("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
         "LS1iDQo=\n");
    expect_count(1);
    expect_part(0, MIME_ATTACHMENT, "multipart/mixed", "attachment-1.bin", "--b\r\n");
    scan("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
         "--b\n\none\n--b--\n");
    expect_count(1);
    expect_text(0, "one");
}

Test(mime_broken, VA01_where_the_blank_line_is_missing_content_begins_with_what_is_no_field)
{
    scan(MIXED "--b\nContent-Type: a/b; name=c\nContent-Transfer-Encoding: base64\nQUJD\nREVG\n\n"
               "--b\none\n--b--\n");
    expect_count(2);
    expect_part(0, MIME_ATTACHMENT, "a/b", "c", "ABCDEF");
    expect_text(1, "one");
}

Test(mime_broken, VA01_boundaries_that_begin_alike_are_told_apart)
{
    scan("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
         "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n"
         "Content-Type: multipart/mixed; boundary=\"bb--\"\n\n--bb--\n\none\n--bb\n\ntwo\n--bb--\n"
         "--b\n\nthree\n--bbb\n--b-\n --b\n--b--\n");
    expect_count(3);
    /* "--bb--" begins a part of the innermost one, which is asked first. */
    expect_text(0, "one");
    expect_text(1, "two");
    expect_text(2, "three\r\n--bbb\r\n--b-\r\n --b");
}

Test(mime_broken, VA01_a_boundary_that_has_been_closed_is_none_any_more)
{
    scan(MIXED "--b\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--i--\n--i\n\nlost\n"
               "--b\n\n--i\n--b--\n--b\n\nlost\n");
    expect_count(2);
    expect_text(0, "one");
    expect_text(1, "--i");
}

Test(mime_broken, VA01_blanks_behind_a_boundary_are_allowed)
{
    scan("Content-Type: multipart/mixed; boundary=\"b \"\n\n--b \t\n\none\n--b-- \n\nnot seen\n");
    expect_count(1);
    expect_text(0, "one");
}

Test(mime_broken, VA01_a_boundary_within_a_header_ends_it)
{
    scan("Content-Type: multipart/mixed; boundary=\"b: c\"\n\n--b: c\nContent-Type: a/b; name=n\n"
         "--b: c\n\ntwo\n--b: c--\n");
    expect_count(2);
    expect_part(0, MIME_ATTACHMENT, "a/b", "n", "");
    expect_text(1, "two");
}

Test(mime_broken, VA01_the_same_boundary_within_itself_belongs_to_the_inner_one)
{
    scan(MIXED "--b\n" MIXED "--b\n\none\n--b--\n--b\n\ntwo\n--b--\n");
    expect_count(2);
    expect_text(0, "one");
    expect_text(1, "two");
}

Test(mime_broken, VA01_lines_may_end_with_a_line_feed_alone)
{
    scan_raw("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n\n--b\r\n\r\ntwo\n--b--\n");
    expect_count(2);
    expect_text(0, "one\n");
    expect_text(1, "two");
}

Test(mime_broken, VA01_nul_bytes_end_nothing)
{
    static const char mail[] = "Content-Type: a/b;\0 name=c\r\n\r\nx\0y";
    struct reason why = { "" };

    cr_assert_eq(scan_bytes(mail, sizeof(mail) - 1, &why), 0, "%s", why.text);
    expect_count(1);
    cr_expect_str_eq(parts->parts[0].name, "c");
    cr_expect_eq(parts->parts[0].decoded_bytes, 3u);
}

Test(mime_broken, VA01_an_unknown_encoding_is_none)
{
    scan(MIXED "--b\nContent-Transfer-Encoding: x-rot13\n\none=3D\n--b\n"
               "Content-Transfer-Encoding:   BASE64  \n\nQUJD\n--b\n"
               "Content-Transfer-Encoding: x-uuencode\n\nno begin\n--b--\n");
    expect_count(3);
    expect_text(0, "one=3D");
    expect_text(1, "ABC");
    expect_text(2, "no begin");
    cr_expect_eq(parts->parts[2].encoding, MIME_IDENTITY);
}

Test(mime_broken, VA01_uuencoded_data_in_a_text_is_left_in_it)
{
    scan("\nhere:\nbegin 644 a\n#04)#\n`\nend\n");
    expect_count(1);
    expect_text(0, "here:\r\nbegin 644 a\r\n#04)#\r\n`\r\nend\r\n");
    scan("Content-Type: a/b; name=a\nContent-Transfer-Encoding: x-uuencode\n\nhere:\n"
         "begin 644 a\n#04)#\n`\nend\nmore\n");
    expect_part(0, MIME_ATTACHMENT, "a/b", "a", "ABC");
}

Test(mime_broken, VA01_a_type_that_is_none_is_text)
{
    scan(MIXED "--b\nContent-Type: text\n\none\n--b\nContent-Type:\n\ntwo\n--b\n"
               "Content-Type: a b/c d\n\nthree\n--b\nContent-Type: a/\xc3\xa4\n\nfour\n--b--\n");
    expect_count(4);
    expect_part(0, MIME_TEXT, "text/plain", "text-1.txt", "one");
    expect_part(1, MIME_TEXT, "text/plain", "text-2.txt", "two");
    expect_part(2, MIME_ATTACHMENT, "application/octet-stream", "attachment-1.bin", "three");
    expect_part(3, MIME_ATTACHMENT, "application/octet-stream", "attachment-2.bin", "four");
}

Test(mime_broken, VA01_of_a_field_that_is_given_twice_the_first_counts)
{
    scan("Content-Type: a/b; name=first\nContent-Type: c/d; name=second\n\nx");
    expect_count(1);
    expect_part(0, MIME_ATTACHMENT, "a/b", "first", "x");
}

Test(mime_broken, CO01_where_others_may_find_other_parts_it_is_told)
{
    static const struct {
        const char *text;
        bool is_ambiguous;
    } rows[] = {
        { "Content-Type: a/b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
          true },
        { MIXED "--b\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\nx\n"
                "--b--\n",
          true },
        { "Subject: x\njunk\nContent-Type: a/b\n\nx", true },
        { MIXED "--b\n-junk\nContent-Type: a/b\n\nx\n--b--\n", true },
        { "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n", true },
        { "Content-Type: multipart/mixed; boundary=c; boundary=b\n\n--b\n\nx\n--b--\n", true },
        { "Subject: x\nSubject: y\nContent-ID: <a>\nContent-ID: <b>\n\nx", false },
        { MIXED "--b\n\nx\n--b--\n", false },
        { MIXED "--b\n--b\nContent-Type: a/b\n--b--\n", false }, /* parts without content */
        { MIXED "--b\n\nx\n--b--\n--b\nContent-Type: a/b\n\ny\n", true },
        { MIXED "--c\n\ny\n--b\n\nx\n--b--\n", true },
        { MIXED "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--c\n\ny\n"
                "--b--\n",
          true },
        { MIXED "--b\n\nx\n--b--\nbegin 644 y\n", true },
        { MIXED "A message in several parts.\n--b\n\n--c\nx\n--b--\n-- \nthe list\n", false },
        { "no header at all\n", true },
        { "From x\nSubject: x\n\nx", false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scan(rows[i].text);
        cr_expect_eq(parts->is_ambiguous, rows[i].is_ambiguous, "%s", rows[i].text);
    }
}

Test(mime_broken, VA01_a_boundary_that_looks_like_an_encoded_word_is_none)
{
    scan("Content-Type: multipart/mixed; boundary=\"=?us-ascii?Q?abc?=\"\n\n"
         "--=?us-ascii?Q?abc?=\n\none\n--=?us-ascii?Q?abc?=--\n");
    expect_count(1);
    expect_text(0, "one");
}

Test(mime_broken, VA01_a_parameter_without_value_does_not_hide_the_boundary)
{
    scan("Content-Type: multipart/mixed; junk; boundary=b\n\n--b\n\none\n--b--\n");
    expect_count(1);
    expect_text(0, "one");
}

/* A parser with a buffer of 4 KiB takes what stands at its end for the begin of a line. */
Test(mime_broken, VA01_only_a_line_s_begin_is_a_boundary)
{
    static const char head[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    const size_t head_bytes = strlen(head);

    for (size_t before = 3900; before < 4400; before++) {
        char *mail = malloc(6000);
        struct reason why = { "" };
        size_t bytes = head_bytes;

        memcpy(mail, head, bytes);
        memset(mail + bytes, 'x', before);
        bytes += before;
        memcpy(mail + bytes, "--b\r\nxx\r\n--b--", 14);
        bytes += 14;
        mail = realloc(mail, bytes);
        cr_assert_eq(scan_block(mail, bytes, &why), 0);
        expect_count(1);
        cr_assert_eq(parts->parts[0].decoded_bytes, before + 7);
    }
}
