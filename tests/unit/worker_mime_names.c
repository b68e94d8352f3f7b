/* What attachments are called: as their senders meant it, and never so that it does harm. */
#include "mime_helper.h"

#include "worker/mime/name.h"
#include "worker/mime/params.h"
#include "worker/mime/words.h"

TestSuite(mime_names, .fini = mime_forget, .timeout = 60);

/* The name of a part with this field and a type that has no name. */
static void expect_name(const char *field, const char *name)
{
    char *mail = NULL;

    cr_assert_gt(asprintf(&mail, "Content-Type: application/pdf\r\n%s\r\n\r\nx", field), 0);
    scan_raw(mail);
    free(mail);
    expect_count(1);
    cr_expect_str_eq(parts->parts[0].name, name, "%s: %s", field, parts->parts[0].name);
}

static void expect_filename(const char *parameters, const char *name)
{
    char *field = NULL;

    cr_assert_gt(asprintf(&field, "Content-Disposition: attachment; %s", parameters), 0);
    expect_name(field, name);
    free(field);
}

Test(mime_names, VA01_rfc_2231_names)
{
    expect_filename("filename=plain.pdf", "plain.pdf");
    expect_filename("FileName=\"a b.pdf\"", "a b.pdf");
    expect_filename("filename*=UTF-8''%e2%82%ac%20rates.pdf", "€ rates.pdf");
    expect_filename("filename*=iso-8859-1'de'%e4.pdf", "ä.pdf");
    expect_filename("filename*=koi8-r''%c1.pdf", "а.pdf");
    expect_filename("filename*0=a; filename*1=\"b c\"; filename*2*=%20d", "ab c d");
    expect_filename("filename*1*=%9f.pdf; filename*0*=utf-8''stra%c3", "straß.pdf");
    expect_filename("filename*10=k; filename*9=j; filename*0=a", "ajk");
    expect_filename("filename*0=\"long\";\r\n\tfilename*1=\"er.pdf\"", "longer.pdf");
}

Test(mime_names, VA01_broken_rfc_2231_names)
{
    expect_filename("filename*=%e4.pdf", "ä.pdf");
    expect_filename("filename*=no-such-charset''%e4.pdf", "ä.pdf");
    expect_filename("filename*=utf-8''%zz%.pdf", "%zz%.pdf");
    expect_filename("filename*=utf-8''%ff%fe.pdf", "ÿþ.pdf");
    expect_filename("filename*0*=utf-8''a; filename*2=c", "ac");
}

Test(mime_names, VA01_rfc_2047_names_in_quotes)
{
    expect_filename("filename=\"=?utf-8?B?w6RiYw==?=\"", "äbc");
    expect_filename("filename=\"=?utf-8?Q?=C3=A4?=\r\n =?utf-8?Q?_b.doc?=\"", "ä b.doc");
    expect_filename("filename=\"=?shift_jis?B?k/qWe4zqLnR4dA==?=\"", "日本語.txt");
    expect_filename("filename==?iso-8859-15?Q?=A4.pdf?=", "€.pdf");
    /* Several words of base64, each with its own padding; and a character cut in two. */
    expect_filename("filename=\"=?utf-8?B?w6Q=?= =?UTF-8?b?w7Y=?=\r\n =?utf-8?B?LnBkZg==?=\"",
                    "äö.pdf");
    expect_filename("filename=\"=?utf-8?B?YcM=?= =?utf-8?B?pC5wZGY=?=\"", "aä.pdf");
    expect_filename("filename=\"=?utf-8?Q?=C3=A4?= =?utf-8?B?w7Y=?= =?koi8-r?B?wQ==?=.pdf\"",
                    "äöа.pdf");
    expect_filename("filename=\"=?utf-8?B?broken\"", "=?utf-8?B?broken");
}

Test(mime_names, VA01_names_of_raw_bytes)
{
    expect_filename("filename=\"caf\xc3\xa9.doc\"", "café.doc");
    expect_filename("filename=\"caf\xe9 \x80.doc\"", "café €.doc");
}

Test(mime_names, VA01_the_disposition_s_name_is_first_and_the_type_s_second)
{
    scan("Content-Type: a/b; name=type.x\nContent-Disposition: attachment; filename=disp.x\n\n");
    cr_expect_str_eq(parts->parts[0].name, "disp.x");
    scan("Content-Type: a/b; name=type.x\nContent-Disposition: attachment; filename=\"\"\n\n");
    cr_expect_str_eq(parts->parts[0].name, "type.x");
    scan("Content-Type: a/b; name*=utf-8''type%2ex\nContent-Disposition: attachment\n\n");
    cr_expect_str_eq(parts->parts[0].name, "type.x");
}

Test(mime_names, VA01_what_is_nearly_right_is_understood)
{
    expect_filename("filename=my file.pdf", "my file.pdf");
    expect_filename("filename = \"a.pdf\" ", "a.pdf");
    expect_filename("foo; filename=a.pdf", "a.pdf");
    expect_filename("; ;filename=a.pdf;", "a.pdf");
    expect_filename("filename=\"unterminated.pdf", "unterminated.pdf");
    expect_filename("filename=\"a \\\"b\\\" c.pdf\"", "a \"b\" c.pdf");
    expect_filename("filename=\"a;b=c.pdf\"", "a;b=c.pdf");
    expect_filename("filename=a.pdf; filename=b.pdf", "a.pdf");
    expect_name("Content-Disposition: ; filename=a.pdf", "a.pdf");
}

Test(mime_names, VA01_a_path_s_last_component_counts)
{
    expect_filename("filename=\"../../etc/passwd\"", "passwd");
    expect_filename("filename=\"C:\\Users\\x\\a.pdf\"", "a.pdf");
    expect_filename("filename=\"C:\\\\dir\\\\b.pdf\"", "b.pdf");
    expect_filename("filename=\"a/b\\c.pdf\"", "c.pdf");
    expect_filename("filename*=utf-8''..%2f..%5cx.pdf", "x.pdf");
    expect_filename("filename=\"=?utf-8?Q?=2E=2E=2Fy.pdf?=\"", "y.pdf");
    expect_filename("filename=\"dir/\"", "attachment-1.pdf");
    expect_filename("filename=\"..\"", "attachment-1.pdf");
    expect_filename("filename=\".\"", "attachment-1.pdf");
    expect_filename("filename=\"a/..\"", "attachment-1.pdf");
    expect_filename("filename=\" . \"", "attachment-1.pdf");
}

Test(mime_names, VA01_what_is_not_seen_or_misleads_is_dropped)
{
    expect_filename("filename=\"a\xe2\x80\xaegpj.exe\"", "agpj.exe");       /* U+202E */
    expect_filename("filename=\"a\xe2\x81\xa6\xe2\x81\xa9.pdf\"", "a.pdf"); /* U+2066, U+2069 */
    expect_filename("filename*=utf-8''a%0d%0a%1b%7fb%c2%85.pdf", "ab.pdf");
    expect_filename("filename=\"a\xd8\x9c\xe2\x80\x8b\xe2\x80\x8f\xe2\x80\xa9\xef\xbb\xbf.pdf\"",
                    "a.pdf"); /* U+061C, U+200B, U+200F, U+2029, U+FEFF */
    expect_filename("filename=\"a\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf.pdf\"",
                    "a\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf.pdf"); /* next to those */
    expect_filename("filename*=utf-8''%e2%80%ae%2f", "attachment-1.pdf");
    expect_filename("filename=\"a\tb.pdf\"", "a b.pdf");
    expect_filename("filename=\"a.exe . ..\"", "a.exe");
    expect_filename("filename=\"  a.pdf\"", "a.pdf");
    expect_filename("filename=\".htaccess\"", ".htaccess");
}

/* ---- the functions by themselves ---- */

Test(mime_names, VA01_words_of_base64_are_written_otherwise)
{
    static const char *const cases[][2] = {
        { "no word =? =?x?B", "no word =? =?x?B" },
        { "a =?utf-8?B?w6Q=?= b", "a =?utf-8?Q?=C3=A4?= b" },
        { "=?x*en?b?QUJD?==?y?B?Qg==?=", "=?x*en?Q?=41=42=43?==?y?Q?=42?=" },
        { "=?x?Q?QQ==?= =?x?B?Q?Q?= =??B?QQ==?=", "=?x?Q?QQ==?= =?x?B?Q?Q?= =??B?QQ==?=" },
        { "=?x?B?\?==?x?B?!?=", "=?x?Q?\?==?x?Q?\?=" },
        { "=?=?x?B?QQ?=", "=?=?x?Q?=41?=" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *quoted = mime_words_quoted(cases[i][0]);

        cr_expect_str_eq(quoted, cases[i][1], "%s", quoted);
        free(quoted);
    }
}

static void expect_safe(const char *given, const char *name)
{
    char *safe = NULL;

    cr_expect_eq(mime_name_safe(given, &safe), name != NULL ? 0 : -ENOENT, "%s", given);
    if (name != NULL)
        cr_expect_str_eq(safe, name);
    free(safe);
}

/* `count` times `what`, and then `end`. */
static char *repeat(const char *what, size_t count, const char *end)
{
    const size_t bytes = strlen(what);
    char *text = malloc(count * bytes + strlen(end) + 1);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * bytes, what, bytes);
    strcpy(text + count * bytes, end);
    return text;
}

static void expect_cut(const char *what, size_t count, const char *end, size_t kept,
                       const char *kept_end)
{
    char *given = repeat(what, count, end), *wanted = repeat(what, kept, kept_end);

    expect_safe(given, wanted);
    free(given);
    free(wanted);
}

Test(mime_names, VA01_long_names_are_cut_between_characters_and_keep_their_extension)
{
    expect_cut("x", 4000, ".pdf", 251, ".pdf");
    expect_cut("x", 251, ".pdf", 251, ".pdf");
    expect_cut("x", 4000, ".tar.gz", 248, ".tar.gz");
    expect_cut("x", 4000, "", 255, "");
    expect_cut("x", 4000, ".fifteen_letters", 239, ".fifteen_letters");
    expect_cut("x", 4000, ".sixteen__letters", 255, "");
    expect_cut("ä", 200, ".pdf", 125, ".pdf");
    expect_cut("€", 100, "", 85, "");
    expect_cut("\xf0\x9f\x98\x80", 100, "x", 63, "");
    expect_cut(" ", 300, "x", 0, "x");
}

Test(mime_names, VA01_bytes_that_are_not_utf_8_are_read_as_windows_1252)
{
    expect_safe("\xed\xa0\x80", "í\xc2\xa0€"); /* half a surrogate pair */
    expect_safe("\xc0\xaf", "À¯");             /* a "/" in too many bytes */
    expect_safe("\xe0\x80\xaf", "à€¯");
    expect_safe("\xf0\x80\x80\xaf", "ð€€¯");
    expect_safe("\xf4\x90\x80\x80", "ô\xef\xbf\xbd€€"); /* behind U+10FFFF; 0x90 is none */
    expect_safe("a\xc3", "aÃ");
    expect_safe("", NULL);
}

Test(mime_names, VA01_a_message_is_called_after_its_subject)
{
    char *long_subject = repeat("ä", 200, ""), *wanted = repeat("ä", 125, ".eml");
    char *name = NULL;

    cr_expect_eq(mime_name_of_subject("Re: a/b\\c.", &name), 0);
    cr_expect_str_eq(name, "Re: a_b_c.eml");
    free(name);
    cr_expect_eq(mime_name_of_subject(long_subject, &name), 0);
    cr_expect_str_eq(name, wanted);
    free(name);
    cr_expect_eq(mime_name_of_subject(" .. ", &name), -ENOENT);
    free(long_subject);
    free(wanted);
    scan("Content-Type: message/rfc822\nContent-Disposition: attachment\n\n"
         "Subject: =?utf-8?Q?J=C3=A4hrlich?=\n =?utf-8?Q?_!?=\n\nx");
    cr_expect_str_eq(parts->parts[0].name, "Jährlich !.eml");
}

Test(mime_names, VA01_fields_are_tidied)
{
    static const char *const cases[][2] = {
        { "a/b", "a/b" },
        { "a/b; c=d ; e; f=\"g;h\"", "a/b; c=d ; f=\"g;h\"" },
        { "x; a=\"b", "x; a=\"b\"" },
        { "x; a=\"b\\", "x; a=\"b\\\\\"" },
        { "x; a=\"\\\\ \\\" \\d\"", "x; a=\"\\\\ \\\" \\\\d\"" },
        { ";;;", "" },
        { "x; a*1=b; c; a*0*=d; e*0 = f; g=h*0", "x; a*0*=d; e*0 = f; a*1=b; g=h*0" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *tidy = mime_params_tidy(cases[i][0]);

        cr_expect_str_eq(tidy, cases[i][1], "%s", tidy);
        free(tidy);
    }
}
