/* What parts a message has: structure, kinds, and where each begins and ends, to the byte. */
#include "mime_helper.h"

TestSuite(mime, .fini = mime_forget, .timeout = 60);

#define MIXED "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n"
#define FILE_PART                                                                               \
    "--b\nContent-Type: application/pdf; name=\"a.pdf\"\nContent-Transfer-Encoding: base64\n\n" \
    "QUJD\n"

/* ---- what is ordinary ---- */

Test(mime, VA01_a_plain_message_is_its_text)
{
    scan("From: a\nSubject: b\n\nHello\n");
    expect_count(1);
    expect_part(0, MIME_TEXT, "text/plain", "text-1.txt", "Hello\r\n");
    cr_expect_eq(parts->parts[0].offset, 23u);
    cr_expect_eq(parts->parts[0].bytes, 7u);
    cr_expect_null(parts->parts[0].md5);
}

Test(mime, VA01_nested_multiparts_are_walked_in_order)
{
    scan(MIXED "preamble\n--b\nContent-Type: multipart/alternative; boundary=bb\n\n"
               "--bb\n\nplain\n--bb\nContent-Type: TEXT/Html\n\n<p>\n--bb--\nepilogue\n" FILE_PART
               "--b--\nepilogue\n");
    expect_count(3);
    expect_part(0, MIME_TEXT, "text/plain", "text-1.txt", "plain");
    expect_part(1, MIME_TEXT, "text/html", "text-2.html", "<p>");
    expect_part(2, MIME_ATTACHMENT, "application/pdf", "a.pdf", "ABC");
    cr_expect_eq(parts->parts[2].encoding, MIME_BASE64);
    cr_expect_eq(parts->parts[2].bytes, 4u);
}

Test(mime, VA01_the_line_end_before_a_boundary_is_not_content)
{
    scan(MIXED "--b\n\nno line end\n--b\n\none line end\n\n--b\n\n\n\n--b--\n");
    expect_count(3);
    expect_text(0, "no line end");
    expect_text(1, "one line end\r\n");
    expect_text(2, "\r\n");
}

Test(mime, VA01_empty_parts_are_listed)
{
    scan(MIXED "--b\nContent-Type: a/b; name=x\n\n--b\nContent-Type: a/b; name=y\n\n\n--b\n"
               "Content-Type: a/b; name=z\n--b--\n");
    expect_count(3);
    expect_part(0, MIME_ATTACHMENT, "a/b", "x", "");
    expect_part(1, MIME_ATTACHMENT, "a/b", "y", "");
    expect_part(2, MIME_ATTACHMENT, "a/b", "z", "");
}

Test(mime, VA01_text_with_a_name_or_disposed_as_attachment_is_one)
{
    scan(MIXED "--b\nContent-Type: text/plain; name=a.txt\n\n1\n--b\n"
               "Content-Disposition: Attachment\n\n2\n--b\nContent-Disposition: inline\n\n3\n"
               "--b\nContent-Disposition: inline; filename=b.txt\n\n4\n--b\n"
               "Content-Disposition: unheard-of\n\n5\n--b--\n");
    expect_count(5);
    expect_part(0, MIME_ATTACHMENT, "text/plain", "a.txt", "1");
    expect_part(1, MIME_ATTACHMENT, "text/plain", "attachment-2.txt", "2");
    expect_part(2, MIME_TEXT, "text/plain", "text-1.txt", "3");
    expect_part(3, MIME_ATTACHMENT, "text/plain", "b.txt", "4");
    expect_part(4, MIME_ATTACHMENT, "text/plain", "attachment-4.txt", "5");
}

Test(mime, SR05_inline_images_are_told_from_attached_ones)
{
    scan(MIXED "--b\nContent-Type: multipart/related; boundary=r\n\n"
               "--r\nContent-Type: text/html\n\n<img>\n"
               "--r\nContent-Type: image/png; name=logo.png\nContent-ID: <1@x>\n\n1\n"
               "--r\nContent-Type: image/gif\n\n2\n"
               "--r\nContent-Type: image/gif\nContent-ID: <2@x>\n"
               "Content-Disposition: attachment\n\n3\n--r--\n"
               "--b\nContent-Type: image/jpeg\nContent-ID: <3@x>\n\n4\n"
               "--b\nContent-Type: image/jpeg\nContent-Disposition: inline\n\n5\n--b--\n");
    expect_count(6);
    expect_part(1, MIME_INLINE_IMAGE, "image/png", "logo.png", "1");
    expect_part(2, MIME_ATTACHMENT, "image/gif", "attachment-1.gif", "2");
    expect_part(3, MIME_ATTACHMENT, "image/gif", "attachment-2.gif", "3");
    expect_part(4, MIME_ATTACHMENT, "image/jpeg", "attachment-3.jpg", "4");
    expect_part(5, MIME_INLINE_IMAGE, "image/jpeg", "image-2.jpg", "5");
}

Test(mime, SR05_what_is_related_to_a_message_is_not_to_those_within_it)
{
    scan("Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
         "Content-Type: multipart/mixed; boundary=i\n\n--i\n"
         "Content-Type: image/png; name=x.png\nContent-ID: <1@x>\n\n1\n--i--\n--b\n"
         "Content-Type: multipart/mixed; boundary=i\n\n--i\n"
         "Content-Type: image/png; name=y.png\nContent-ID: <1@x>\n\n2\n--i--\n--b--\n");
    expect_count(2);
    expect_part(0, MIME_ATTACHMENT, "image/png", "x.png", "1");
    expect_part(1, MIME_INLINE_IMAGE, "image/png", "y.png", "2");
}

Test(mime, VA01_signed_encrypted_and_tnef_parts_are_leaves_as_any)
{
    scan("Content-Type: multipart/signed; boundary=b\n\n--b\n\ntext\n--b\n"
         "Content-Type: application/pgp-signature\n\nsig\n--b\n"
         "Content-Type: application/ms-tnef\n\ntnef\n--b--\n");
    expect_count(3);
    expect_part(1, MIME_ATTACHMENT, "application/pgp-signature", "attachment-1.asc", "sig");
    expect_part(2, MIME_ATTACHMENT, "application/ms-tnef", "attachment-2.dat", "tnef");
}

Test(mime, VA01_md5s_are_of_slices)
{
    static const unsigned char abc[] = { 0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0,
                                         0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72 };

    mime_chunk_bytes = 3;
    scan(MIXED "--b\n\nabcabcabc\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=61bca\n"
               "--b\n\n\n--b--\n");
    expect_count(3);
    cr_assert_eq(parts->parts[0].md5_count, 3u);
    for (size_t i = 0; i < 3; i++)
        cr_expect_arr_eq(parts->parts[0].md5[i], abc, 16);
    cr_assert_eq(parts->parts[1].md5_count, 2u);
    cr_expect_arr_eq(parts->parts[1].md5[0], abc, 16);
    cr_expect_arr_neq(parts->parts[1].md5[1], abc, 16);
    cr_expect_eq(parts->parts[2].md5_count, 0u);
    cr_expect_null(parts->parts[2].md5);
}

/* ---- messages in messages ---- */

#define INNER "Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nin\n--i--\n"

Test(mime, VA01_an_attached_message_is_listed_as_a_whole_and_its_leaves_besides)
{
    scan(MIXED "--b\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n" INNER
               "\n--b\n\nout\n--b--\n");
    expect_count(3);
    expect_part(0, MIME_MESSAGE, "message/rfc822", "inner.eml",
                "Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nin"
                "\r\n--i--\r\n");
    expect_text(1, "in");
    expect_text(2, "out");
}

Test(mime, VA01_a_message_with_neither_name_nor_disposition_is_only_descended_into)
{
    scan(MIXED "--b\nContent-Type: message/rfc822\n\n" INNER "--b\n"
               "Content-Type: message/global; name=\"n.eml\"\n\n" INNER "--b\n"
               "Content-Type: message/rfc822\nContent-Disposition: attachment\n\n\nno header\n"
               "--b--\n");
    expect_count(5);
    expect_text(0, "in");
    cr_expect_eq(parts->parts[1].kind, MIME_MESSAGE);
    cr_expect_str_eq(parts->parts[1].name, "n.eml");
    expect_text(2, "in");
    expect_part(3, MIME_MESSAGE, "message/rfc822", "message-2.eml", "\r\nno header");
    expect_text(4, "no header");
}

Test(mime, VA01_an_attached_message_ends_with_what_is_around_it)
{
    /* The inner multipart is never closed. */
    scan(MIXED "--b\nContent-Type: message/rfc822; name=m.eml\n\n"
               "Content-Type: multipart/mixed; boundary=i\n\n--i\n\nin\n--b\n\nout\n--b--\n");
    expect_count(3);
    expect_part(0, MIME_MESSAGE, "message/rfc822", "m.eml",
                "Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nin");
    expect_text(1, "in");
    expect_text(2, "out");
    /* And at the end of everything, where no line end is the boundary's. */
    scan("Content-Type: message/rfc822; name=m.eml\n\nSubject: x\n\nin\n");
    expect_count(2);
    expect_part(0, MIME_MESSAGE, "message/rfc822", "m.eml", "Subject: x\r\n\r\nin\r\n");
    expect_text(1, "in\r\n");
}

Test(mime, VA01_in_a_digest_everything_is_a_message_unless_it_says_otherwise)
{
    scan("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: 1\n\none\n--b\n"
         "Content-Type: text/plain\n\ntwo\n--b\nContent-Disposition: attachment\n\n"
         "Subject: three\n\n3\n--b--\n");
    expect_count(4);
    expect_text(0, "one");
    expect_text(1, "two");
    expect_part(2, MIME_MESSAGE, "message/rfc822", "three.eml", "Subject: three\r\n\r\n3");
}

Test(mime, VA01_a_delivery_report_has_its_status_as_attachment)
{
    scan("Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
         "--b\n\nfailed\n--b\nContent-Type: message/delivery-status\n\nStatus: 5.0.0\n"
         "--b\nContent-Type: message/rfc822\n\nSubject: x\n\nreturned\n--b--\n");
    expect_count(3);
    expect_part(1, MIME_ATTACHMENT, "message/delivery-status", "attachment-1.txt", "Status: 5.0.0");
    expect_text(2, "returned");
}

Test(mime, VA01_an_encoded_message_is_one_attachment_decoded)
{
    scan(MIXED "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
               "U3ViamVjdDogeA==\n--b\nContent-Type: message/rfc822\n"
               "Content-Transfer-Encoding: quoted-printable\n\nSubject: =79\n--b--\n");
    expect_count(2);
    expect_part(0, MIME_ATTACHMENT, "message/rfc822", "attachment-1.eml", "Subject: x");
    expect_part(1, MIME_ATTACHMENT, "message/rfc822", "attachment-2.eml", "Subject: y");
}

Test(mime, VA01_a_message_that_only_says_that_it_is_encoded_is_descended_into)
{
    scan("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" INNER);
    expect_count(1);
    expect_text(0, "in");
    scan("Content-Type: message/rfc822; name=m\nContent-Transfer-Encoding: base64\n\nA: b\n\nin");
    expect_count(2);
    expect_part(0, MIME_MESSAGE, "message/rfc822", "m", "A: b\r\n\r\nin");
    expect_text(1, "in");
}
