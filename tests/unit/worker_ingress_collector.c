/* From the bytes after 354 to a body: against a slow and obvious reference, over every short
 * string of what is special, in every cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "worker/ingress/collector.h"
#include "worker/spooler.h"

#define ROOM 8192

struct outcome {
    enum collector_fault fault;
    size_t taken; /* up to and with the end of the data; 0: it never came */
    size_t bytes;
    unsigned flags;
    uint32_t longest;
    char body[ROOM];
};

/* ---- the reference: byte by byte, straight from RFC 5321, 4.1.1.4 and 4.5.2 ---- */

static void refer(const char *in, size_t bytes, struct outcome *out)
{
    size_t line = 0; /* where the line began */

    memset(out, 0, offsetof(struct outcome, body));
    for (size_t i = 0; i < bytes; i++) {
        bool is_line_end = in[i] == '\n' && i > 0 && in[i - 1] == '\r' && i > line;
        bool is_stuffing = i == line && in[i] == '.';

        if (is_stuffing && i + 2 < bytes && in[i + 1] == '\r' && in[i + 2] == '\n') {
            out->taken = i + 3;
            return;
        }
        if (is_stuffing) {
            out->flags |= i + 1 < bytes && in[i + 1] == '.' ? BODY_LEADING_DOT : 0;
            continue;
        }
        if (in[i] == '\0' && out->fault == COLLECTOR_FINE)
            out->fault = COLLECTOR_NUL;
        if (in[i] == '\n' && !is_line_end)
            out->fault = COLLECTOR_BARE_CR_LF;
        if (in[i] == '\r' && (i + 1 >= bytes || in[i + 1] != '\n'))
            out->fault = COLLECTOR_BARE_CR_LF;
        if ((unsigned char)in[i] > 127)
            out->flags |= BODY_8BIT;
        out->body[out->bytes++] = in[i];
        if (is_line_end) {
            size_t length = i - line - 1 - (in[line] == '.');

            if (length > out->longest)
                out->longest = (uint32_t)length;
            line = i + 1;
        }
    }
}

/* ---- the collector, fed in pieces ---- */

static void collect(const char *in, const size_t *cuts, size_t cut_count, size_t bytes,
                    struct outcome *out)
{
    static char memory[ROOM];
    struct collector c;
    size_t at = 0;

    collector_init(&c, 1 << 20, 100);
    c.out = memory;
    c.out_room = ROOM;
    memset(out, 0, offsetof(struct outcome, body));
    for (size_t i = 0; i <= cut_count && out->taken == 0; i++) {
        size_t end = i < cut_count ? cuts[i] : bytes, taken = 0;
        /* Its own memory, so that a sanitizer sees a read beyond the piece. */
        char *piece = malloc(end - at + 1);
        enum collector_result result;

        memcpy(piece, in + at, end - at);
        result = collector_feed(&c, piece, end - at, &taken);
        cr_assert_neq(result, COLLECTOR_FULL);
        free(piece);
        at += taken;
        if (result == COLLECTOR_END)
            out->taken = at;
        else
            cr_assert_eq(at, end);
    }
    out->fault = c.fault;
    out->bytes = c.out_bytes;
    out->flags = c.flags;
    out->longest = c.longest_line;
    memcpy(out->body, memory, c.out_bytes);
}

static void show(const char *in, size_t bytes, char *out)
{
    for (size_t i = 0; i < bytes; i++)
        out += sprintf(out, "\\x%02x", (unsigned char)in[i]);
}

static void compare(const char *in, const size_t *cuts, size_t cut_count, size_t bytes)
{
    static struct outcome want, got;
    char text[1024];

    refer(in, bytes, &want);
    collect(in, cuts, cut_count, bytes, &got);
    show(in, bytes < 200 ? bytes : 200, text);
    cr_assert_eq(got.taken, want.taken, "%s: the end at %zu, not at %zu", text, got.taken,
                 want.taken);
    if (want.taken == 0)
        return; /* the last bytes may still turn out to be either */
    cr_assert_eq(got.fault == COLLECTOR_FINE, want.fault == COLLECTOR_FINE, "%s: fault %d, not %d",
                 text, got.fault, want.fault);
    if (want.fault != COLLECTOR_FINE)
        return;
    cr_assert_eq(got.bytes, want.bytes, "%s", text);
    cr_assert_eq(memcmp(got.body, want.body, want.bytes), 0, "%s", text);
    cr_assert_eq(got.flags, want.flags, "%s: flags %x, not %x", text, got.flags, want.flags);
    cr_assert_eq(got.longest, want.longest, "%s: %u, not %u", text, got.longest, want.longest);
}

TestSuite(collector, .timeout = 120);

/* Every string of up to eight of these, behind an innocent beginning and before a true end, whole
 * and cut at every byte. */
static void try_all(const char *before, const char *alphabet, size_t letters, size_t length)
{
    size_t before_bytes = strlen(before);
    size_t combinations = 1;
    char in[64];

    memcpy(in, before, before_bytes);
    for (size_t i = 0; i < length; i++)
        combinations *= letters;
    for (size_t n = 0; n < combinations; n++) {
        size_t rest = n, bytes = before_bytes;

        for (size_t i = 0; i < length; i++, rest /= letters)
            in[bytes++] = alphabet[rest % letters];
        memcpy(in + bytes, "\r\n.\r\nMAIL", 9);
        bytes += 9;
        compare(in, NULL, 0, bytes);
        for (size_t cut = before_bytes > 0 ? before_bytes - 1 : 0; cut <= bytes; cut++)
            compare(in, &cut, 1, bytes);
    }
}

Test(collector, MQ04_every_mix_of_cr_lf_nul_and_dots_in_every_cut)
{
    for (size_t length = 0; length <= 6; length++)
        try_all("A: b\r\n\r\nx", "\r\n.\0a", 5, length);
}

Test(collector, MQ04_every_mix_right_after_354)
{
    for (size_t length = 0; length <= 6; length++)
        try_all("", "\r\n.\0a", 5, length);
}

Test(collector, MQ04_longer_mixes_of_cr_lf_and_dots)
{
    try_all("A: b\r\n\r\n", "\r\n.", 3, 9);
}

Test(collector, MQ04_three_pieces_and_single_bytes)
{
    static const char in[] = "A: b\r\n\r\n..x\r\n.\r\r\n\r\n.y\r\n...\r\n.\r\nMAIL";
    size_t bytes = sizeof(in) - 1, cuts[sizeof(in)];

    for (size_t a = 0; a <= bytes; a++) {
        for (size_t b = a; b <= bytes; b++)
            compare(in, (size_t[]){ a, b }, 2, bytes);
    }
    for (size_t i = 0; i < bytes; i++)
        cuts[i] = i + 1;
    compare(in, cuts, bytes, bytes);
}

/* Long runs go through the scan's wide steps: put each bad byte at each place of one. */
Test(collector, MQ04_bad_bytes_anywhere_in_a_long_line)
{
    static const char bad[] = { '\r', '\n', '\0', (char)0xe9 };
    char in[400] = "A: b\r\n\r\n";

    for (size_t at = 0; at < 300; at++) {
        for (size_t i = 0; i < sizeof(bad); i++) {
            memset(in + 8, 'a', 300);
            memcpy(in + 308, "\r\n.\r\n", 5);
            in[8 + at] = bad[i];
            compare(in, NULL, 0, 313);
        }
    }
}

Test(collector, content_after_a_fault_is_not_kept)
{
    char memory[64];
    struct collector c;
    size_t taken;

    collector_init(&c, 1 << 20, 100);
    c.out = memory;
    c.out_room = sizeof(memory);
    cr_assert_eq(collector_feed(&c, "a\nb\r\n", 5, &taken), COLLECTOR_MORE);
    cr_assert_eq(c.fault, COLLECTOR_BARE_CR_LF);
    c.out = NULL; /* a write would end the test */
    c.out_room = c.out_bytes = 0;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(collector_feed(&c, "0123456789\r\n", 12, &taken), COLLECTOR_MORE);
    cr_assert_eq(collector_feed(&c, ".\r\nX", 4, &taken), COLLECTOR_END);
    cr_assert_eq(taken, 3);
}

Test(collector, too_big_is_known_at_the_byte)
{
    char memory[64];
    struct collector c;
    size_t taken;

    for (size_t most = 9; most <= 10; most++) {
        collector_init(&c, most, 100);
        c.out = memory;
        c.out_room = sizeof(memory);
        cr_assert_eq(collector_feed(&c, "12345678\r\n.\r\n", 13, &taken), COLLECTOR_END);
        cr_assert_eq(c.fault, most == 9 ? COLLECTOR_TOO_BIG : COLLECTOR_FINE);
    }
}

Test(collector, full_and_emptied_again_and_again)
{
    static const char in[] = "A: b\r\n\r\n..x\r\nlonger line\r\n..\r\n.z\r\n.\r\n";
    static const char want[] = "A: b\r\n\r\n.x\r\nlonger line\r\n.\r\nz\r\n";

    for (size_t room = 8; room < 40; room++) {
        char *memory = malloc(room), body[64] = "";
        size_t at = 0, bytes = 0, taken;
        enum collector_result result;
        struct collector c;

        collector_init(&c, 1 << 20, 100);
        c.out = memory;
        c.out_room = room;
        do {
            result = collector_feed(&c, in + at, sizeof(in) - 1 - at, &taken);
            at += taken;
            cr_assert_leq(c.out_bytes, room);
            memcpy(body + bytes, memory, c.out_bytes);
            bytes += c.out_bytes;
            c.out_bytes = 0;
        } while (result == COLLECTOR_FULL);
        cr_assert_eq(result, COLLECTOR_END);
        cr_assert_eq(at, sizeof(in) - 1);
        cr_assert_str_eq(body, want);
        free(memory);
    }
}

/* ---- headers ---- */

static void collect_header(const char *in, unsigned hops_max, struct collector *c, char *memory)
{
    size_t taken;

    collector_init(c, 1 << 20, hops_max);
    c->out = memory;
    c->out_room = ROOM;
    cr_assert_eq(collector_feed(c, in, strlen(in), &taken), COLLECTOR_END);
    cr_assert_eq(taken, strlen(in));
    memory[c->out_bytes] = '\0';
}

Test(collector, VA05_headers_that_only_we_may_write_are_removed)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "A: b\r\nX-Postern-Scan: allowed\r\nC: d\r\n\r\nx\r\n.\r\n",
          "A: b\r\nC: d\r\n\r\nx\r\n" },
        { "X-POSTERN-LINK : u\r\n more\r\n\tand more\r\nC: d\r\n\r\n.\r\n", "C: d\r\n\r\n" },
        { "x-postern-scan: a\r\nx-postern-link: b\r\n\r\nx\r\n.\r\n", "\r\nx\r\n" },
        { "X-Postern-Scanner: a\r\n\r\n.\r\n", "X-Postern-Scanner: a\r\n\r\n" },
        { "X-Postern-Scan\r\n\r\n.\r\n", "X-Postern-Scan\r\n\r\n" },
        { "A: b\r\n\r\nX-Postern-Scan: in the body\r\n.\r\n",
          "A: b\r\n\r\nX-Postern-Scan: in the body\r\n" },
        { "A: b\r\nX-Postern-Scan: no body\r\n.\r\n", "A: b\r\n" },
        { "A: b\r\n X-Postern-Scan: continued\r\n\r\n.\r\n",
          "A: b\r\n X-Postern-Scan: continued\r\n\r\n" },
        { "X-Postern-Scan: a\r\n.\r\n", "" },
        { "..X-Postern-Scan: a\r\n\r\n.\r\n", ".X-Postern-Scan: a\r\n\r\n" },
        { ".X-Postern-Scan: a\r\n\r\n.\r\n", "\r\n" },
        { ".\r\n", "" },
    };
    char memory[ROOM + 1];
    struct collector c;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        collect_header(rows[i].in, 100, &c, memory);
        cr_assert_str_eq(memory, rows[i].want, "row %zu", i);
        cr_assert_eq(c.fault, COLLECTOR_FINE);
        cr_assert_eq(c.bytes, strlen(rows[i].want), "row %zu", i);
    }
}

Test(collector, removal_in_every_cut_and_behind_our_own_line)
{
    static const char in[] = "A: b\r\nX-Postern-Scan: x\r\n y\r\nC: d\r\n\r\nbody\r\n.\r\n";
    static const char want[] = "Received: us\r\nA: b\r\nC: d\r\n\r\nbody\r\n";

    for (size_t cut = 0; cut < sizeof(in); cut++) {
        char memory[256] = "Received: us\r\n";
        struct collector c;
        size_t taken;

        collector_init(&c, 1 << 20, 1);
        c.out = memory;
        c.out_room = sizeof(memory) - 1;
        c.out_bytes = c.header_at = strlen(memory);
        if (collector_feed(&c, in, cut, &taken) == COLLECTOR_MORE)
            cr_assert_eq(collector_feed(&c, in + cut, sizeof(in) - 1 - cut, &taken), COLLECTOR_END);
        memory[c.out_bytes] = '\0';
        cr_assert_str_eq(memory, want, "cut at %zu", cut);
        cr_assert_eq(c.hops, 0, "our own line is no hop");
    }
}

Test(collector, received_lines_are_counted)
{
    static const char in[] = "Received: a\r\n by b\r\nRECEIVED: c\r\nReceived-SPF: no\r\nreceived :"
                             " d\r\n\r\nReceived: body\r\n.\r\n";
    char memory[ROOM + 1];
    struct collector c;

    collect_header(in, 3, &c, memory);
    cr_assert_eq(c.hops, 3);
    cr_assert_eq(c.fault, COLLECTOR_FINE);
    collect_header(in, 2, &c, memory);
    cr_assert_eq(c.fault, COLLECTOR_HOPS);
}
