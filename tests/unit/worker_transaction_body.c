/* The content of transactions as it leaves: whole, stuffed, with what is written before and behind
 * it (MQ04, VA05). */
#include "transaction_stage.h"

TestSuite(transaction_body, .init = setup, .fini = teardown, .timeout = 60);

/* ---- content ---- */

static void send_body(const char *data, size_t bytes, unsigned flags)
{
    tx.body.data = data;
    tx.body.bytes = bytes;
    tx.body.flags = flags;
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
}

Test(transaction_body, MQ04_dots_are_stuffed_and_the_end_is_CRLF_dot_CRLF)
{
    static const struct {
        const char *body, *sent;
        unsigned flags;
    } rows[] = {
        { ".\r\n", "..\r\n", BODY_LEADING_DOT },
        { "..\r\n.\r\n", "...\r\n..\r\n", BODY_LEADING_DOT },
        { "a\r\n.b\r\nc.\r\n.\r\n", "a\r\n..b\r\nc.\r\n..\r\n", BODY_LEADING_DOT },
        { "a.b\r\n", "a.b\r\n", 0 },
        { "", "", 0 },
        { "no end", "no end\r\n", BODY_NO_FINAL_CRLF },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        send_body(rows[i].body, strlen(rows[i].body), rows[i].flags);
        cr_expect_str_eq(peer->content, rows[i].sent, "row %u: %s", i, peer->content);
    }
}

/* Undoes the stuffing. */
static void unstuff(void)
{
    char *out = peer->content;
    bool is_line_start = true;

    for (size_t i = 0; i < peer->content_bytes; i++) {
        if (is_line_start && peer->content[i] == '.')
            i++;
        *out = peer->content[i];
        is_line_start = *out++ == '\n';
    }
    peer->content_bytes = (size_t)(out - peer->content);
}

Test(transaction_body, large_contents_arrive_whole_by_reference)
{
    static const size_t sizes[] = { 511, 512, 131071, 131072, 131073, 262144, 5000000 };
    char *body = malloc(5000000);

    for (unsigned i = 0; i < 7; i++) {
        unsigned copies = held;

        memset(body, 'x', sizes[i]);
        for (size_t at = 76; at + 1 < sizes[i]; at += 78)
            memcpy(body + at, "\r\n", 2);
        memcpy(body + sizes[i] - 2, "\r\n", 2);
        send_body(body, sizes[i], 0);
        cr_assert_eq(peer->content_bytes, sizes[i]);
        cr_assert_eq(memcmp(peer->content, body, sizes[i]), 0);
        cr_assert_eq(held - copies, (sizes[i] + 131072 - 512) / 131072,
                     "references, not copies: %u for %zu", held - copies, sizes[i]);
    }
    free(body);
}

Test(transaction_body, MQ04_large_contents_full_of_dots_arrive_whole)
{
    size_t bytes = 1000000;
    char *body = malloc(bytes);

    for (size_t i = 0; i < bytes; i++)
        body[i] = ".\r\n.a\r\n..\r\nlonger\r\n"[i % 19];
    memcpy(body + bytes - 2, "\r\n", 2);
    send_body(body, bytes, BODY_LEADING_DOT);
    unstuff();
    cr_assert_eq(peer->content_bytes, bytes);
    cr_assert_eq(memcmp(peer->content, body, bytes), 0);
    free(body);
}

/* ---- what is written before and behind it ---- */

static void send_parts(const char *head, size_t head_bytes, const char *tail, size_t tail_bytes)
{
    tx.body.head = head;
    tx.body.head_bytes = head_bytes;
    tx.body.tail = tail;
    tx.body.tail_bytes = tail_bytes;
    run();
    cr_assert_eq(result.verdict, SMTP_DELIVERED);
}

static const struct {
    const char *head, *body, *tail, *sent;
    unsigned flags;
} around[] = {
    { "X: y\r\n", "S: x\r\n\r\nhi\r\n", "", "X: y\r\nS: x\r\n\r\nhi\r\n", 0 },
    { ".h\r\na.\r\n.\r\n", "b\r\n", "\r\n.t\r\n.\r\n", "..h\r\na.\r\n..\r\nb\r\n\r\n..t\r\n..\r\n",
      0 },
    { "h\r\n", ".b\r\n.\r\n", "\r\n--x--\r\n", "h\r\n..b\r\n..\r\n\r\n--x--\r\n",
      BODY_LEADING_DOT },
    { "h\r\n", "no end", "\r\n.t\r\n", "h\r\nno end\r\n..t\r\n", BODY_NO_FINAL_CRLF },
    { "h\r\n", "no end", "", "h\r\nno end\r\n", BODY_NO_FINAL_CRLF },
    { "h\r\n", "", "", "h\r\n", 0 },
};

Test(transaction_body, VA05_head_and_tail_are_stuffed_each_for_itself)
{
    char size[64];

    for (unsigned i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        tx.body.data = around[i].body;
        tx.body.bytes = strlen(around[i].body);
        tx.body.flags = around[i].flags;
        peer->log[0] = '\0';
        send_parts(around[i].head, strlen(around[i].head), around[i].tail, strlen(around[i].tail));
        cr_expect_str_eq(peer->content, around[i].sent, "row %u: %s", i, peer->content);
        (void)snprintf(size, sizeof(size), " SIZE=%zu|",
                       strlen(around[i].head) + strlen(around[i].body) + strlen(around[i].tail));
        cr_expect_not_null(strstr(peer->log, size), "row %u: %s in %s", i, size, peer->log);
    }
}

/* Lines, of which one with a dot in front begins at `at`. */
static char *lines_with_dot_at(size_t at, size_t bytes)
{
    char *text = malloc(bytes);

    memset(text, 'x', bytes);
    memcpy(text + at - 2, "\r\n.", 3);
    memcpy(text + bytes - 2, "\r\n", 2);
    return text;
}

/* What is sent at a time ends just before, in and behind the dot of each part. */
Test(transaction_body, VA05_large_heads_and_tails_are_stuffed_wherever_they_are_cut)
{
    const size_t block = 131072, bytes = 300000;

    for (size_t at = block - 2; at <= block + 2; at++) {
        char *part = lines_with_dot_at(at, bytes), *whole = malloc(3 * bytes), *end = whole;

        tx.body.data = part;
        tx.body.bytes = bytes;
        tx.body.flags = BODY_LEADING_DOT;
        send_parts(part, bytes, part, bytes);
        for (unsigned i = 0; i < 3; i++)
            end = mempcpy(end, part, bytes);
        cr_expect_eq(peer->content_bytes, 3 * bytes + 3, "%zu", peer->content_bytes);
        unstuff();
        cr_expect_eq(peer->content_bytes, 3 * bytes);
        cr_expect_eq(memcmp(peer->content, whole, 3 * bytes), 0, "%zu", at);
        free(whole);
        free(part);
    }
}
