/* Content decoded piece by piece: always the same bytes, and as many as were announced. */
#include "mime_helper.h"

TestSuite(mime_reader, .fini = mime_forget, .timeout = 60);

static char *encoded_mail(const char *encoding, const char *content)
{
    char *mail = NULL;

    cr_assert_gt(asprintf(&mail,
                          "Content-Type: a/b; name=x\r\nContent-Transfer-Encoding: %s\r\n\r\n%s",
                          encoding, content),
                 0);
    return mail;
}

static void expect_decoded(const char *encoding, const char *content, const char *decoded)
{
    char *mail = encoded_mail(encoding, content), *found;

    scan_raw(mail);
    expect_count(1);
    found = content_of(&parts->parts[0]);
    cr_expect_str_eq(found, decoded, "%s: %s", content, found);
    free(found);
    free(mail);
}

Test(mime_reader, VA01_base64)
{
    expect_decoded("base64", "", "");
    expect_decoded("base64", "QUJD", "ABC");
    expect_decoded("base64", "QUJDRA==\r\n", "ABCD");
    expect_decoded("base64", "QUJDREU=", "ABCDE");
    expect_decoded("base64", "Q\r\nU\tJ D\r\n\r\nRE VG\r\n", "ABCDEF");
    /* odd tails */
    expect_decoded("base64", "QUJDRA", "ABCD");
    expect_decoded("base64", "QUJDREU", "ABCDE");
    expect_decoded("base64", "QUJDR", "ABC");
    expect_decoded("base64", "QUJDRA=", "ABCD");
    expect_decoded("base64", "=", "");
    expect_decoded("base64", "Q=", "");
    /* garbage within */
    expect_decoded("base64",
                   "QU!J\xff"
                   "D-_.\x80",
                   "ABC");
    /* more behind the padding is read on: some mail programs do */
    expect_decoded("base64", "QQ==QkM=RA", "ABCD");
    expect_decoded("base64", "QQ===\r\n====QkNE", "ABCD");
}

Test(mime_reader, VA01_quoted_printable)
{
    expect_decoded("quoted-printable", "a=3Db=3db=C3=A4", "a=b=bä");
    expect_decoded("quoted-printable", "one=\r\ntwo=\nthree= \t\r\nfour", "onetwothreefour");
    expect_decoded("quoted-printable", "line\r\nline \r\n", "line\r\nline \r\n");
    expect_decoded("quoted-printable", "soft at the end=", "soft at the end");
    expect_decoded("quoted-printable", "=zz==3D=3=A\r\n= x", "=zz===3=A\r\n= x");
    expect_decoded("quoted-printable", "=3", "=3");
}

Test(mime_reader, VA01_uuencode)
{
    expect_decoded("uuencode", "begin 644 a.bin\r\n$04)#1```\r\n`\r\nend\r\nmore\r\n", "ABCD");
    /* blanks at the end of a line are lost on the way */
    expect_decoded("x-uuencode", "text\r\nbegin 644 a b\r\n#04)#\r\n!00\r\n\r\n#04)#\r\nend\r\n",
                   "ABCAABC");
    expect_decoded("x-uuencode", "begin 644 a\r\n\"0$\r\n", "@@");
    /* nothing behind the end */
    expect_decoded("x-uuencode", "begin 644 a\r\n#04)#\r\nend\r\n#04)#\r\n", "ABC");
    expect_decoded("x-uue", "begin 644 a\r\n#04)#", "ABC");
    expect_decoded("uuencode", "begin nothing\r\n", "begin nothing\r\n");
}

/* ---- any piece size gives the same ---- */

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 16;
}

/* Mostly of the encoding's own characters, with everything that is special between them. */
static void fill(char *content, size_t bytes, unsigned seed)
{
    static const char special[] = "==\r\n\r\n\n \t!3D=3D`~#M end begin";

    for (size_t i = 0; i < bytes; i++) {
        const unsigned r = next_random(&seed);

        content[i] = r % 8 == 0 ? special[r / 8 % (sizeof(special) - 1)] : (char)('A' + r / 8 % 26);
    }
    content[bytes] = '\0';
}

/* Every other piece is of one byte. */
static char *read_in_pieces(const struct mime_part *part, size_t piece)
{
    char *all = malloc((size_t)part->decoded_bytes + 1), *out = malloc(piece);
    struct mime_reader reader;
    size_t used = 0, wanted = piece, n;

    mime_reader_init(&reader, part, mime_body);
    while ((n = mime_reader_read(&reader, out, wanted)) > 0) {
        cr_assert_leq(n, wanted);
        wanted = wanted == 1 ? piece : 1;
        cr_assert_leq(used + n, part->decoded_bytes);
        memcpy(all + used, out, n);
        used += n;
    }
    cr_assert_eq(mime_reader_read(&reader, out, piece), 0u);
    cr_assert_eq(used, part->decoded_bytes, "%zu of %zu", used, (size_t)part->decoded_bytes);
    free(out);
    return all;
}

Test(mime_reader, VA02_pieces_of_any_size_make_the_same_whole)
{
    static const char *const encodings[] = { "7bit", "base64", "quoted-printable", "x-uuencode" };
    static const size_t pieces[] = { 1, 2, 3, 4, 5, 7, 64, 1000 };
    char content[3000] = "begin 644 x\r\n";

    for (unsigned seed = 0; seed < 200; seed++) {
        char *mail, *whole;

        fill(content + 13, 100 + seed * 10, seed);
        mail = encoded_mail(encodings[seed % 4], content);
        scan_raw(mail);
        whole = read_in_pieces(&parts->parts[0], 65536);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            char *again = read_in_pieces(&parts->parts[0], pieces[i]);

            cr_assert_arr_eq(again, whole, (size_t)parts->parts[0].decoded_bytes,
                             "seed %u, pieces of %zu", seed, pieces[i]);
            free(again);
        }
        free(whole);
        free(mail);
    }
}

Test(mime_reader, VA02_a_copy_goes_on_from_where_it_was_made)
{
    struct mime_reader reader, copy;
    char first[8] = "", second[8] = "";

    scan("Content-Type: a/b; name=x\nContent-Transfer-Encoding: base64\n\nQUJDREVG\nR0hJ\n");
    mime_reader_init(&reader, &parts->parts[0], mime_body);
    cr_assert_eq(mime_reader_read(&reader, first, 2), 2u); /* in the middle of a group */
    copy = reader;
    cr_assert_eq(mime_reader_read(&reader, first, 1), 1u);
    cr_expect_eq(first[0], 'C');
    cr_assert_eq(mime_reader_read(&reader, first, 7), 6u);
    cr_assert_eq(mime_reader_read(&copy, second, 1), 1u);
    cr_assert_eq(mime_reader_read(&copy, second, 7), 6u);
    cr_expect_arr_eq(first, second, 6);
    cr_expect_arr_eq(second, "DEFGHI", 6);
}

/* What is left over would be sent by itself, and be waited for. */
Test(mime_reader, VA02_a_piece_is_filled_to_its_last_byte)
{
    static const struct {
        const char *encoding, *line;
    } rows[] = {
        { "base64", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\r\n" },
        { "quoted-printable", "=41=42=43=44=45=46=47=48=49=4A=4B=4C=4D=4E=4F=50=51=\r\n" },
        { "7bit", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop\r\n" },
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        char content[2000] = "", out[256], *mail;

        for (unsigned line = 0; line < 20; line++)
            strcat(content, rows[row].line);
        mail = encoded_mail(rows[row].encoding, content);
        scan_raw(mail);
        for (size_t max = 1; max <= sizeof(out); max++) {
            size_t left = (size_t)parts->parts[0].decoded_bytes, n;
            struct mime_reader reader;

            mime_reader_init(&reader, &parts->parts[0], mime_body);
            for (; left > 0 && (n = mime_reader_read(&reader, out, max)) > 0; left -= n)
                cr_assert(n == max || n == left || max < 3, "%s: %zu of %zu, %zu left",
                          rows[row].encoding, n, max, left);
            cr_assert_eq(left, 0u);
        }
        free(mail);
    }
}

/* The loop must not wait for a reader that finds nothing in hundreds of megabytes. */
Test(mime_reader, VA02_a_call_looks_at_no_more_than_it_says)
{
    const size_t bytes = 3 * MIME_NOISE_MAX;
    struct mime_reader reader;
    char *content = malloc(bytes + 1), *mail;
    char piece[64];
    size_t n;

    memset(content, '!', bytes);
    for (size_t at = 0; at < bytes; at += 500000)
        memcpy(content + at, "QUJD", 4);
    content[bytes] = '\0';
    mail = encoded_mail("base64", content);
    scan_raw(mail);
    cr_assert_eq(parts->parts[0].decoded_bytes, 21u);
    mime_reader_init(&reader, &parts->parts[0], mime_body);
    do {
        const char *before = reader.at;

        n = mime_reader_read(&reader, piece, sizeof(piece));
        cr_assert_leq((size_t)(reader.at - before), 4 * sizeof(piece) + 3 * MIME_NOISE_MAX);
        cr_assert_lt((size_t)(reader.at - before), bytes);
    } while (n > 0);
    free(mail);
    free(content);
}
