/* Command lines, paths and parameters, as tables. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <event2/buffer.h>

#include "common/envelope.h"
#include "worker/ingress/command.h"
#include "worker/ingress/path.h"

/* ---- lines ---- */

static enum command_line take(const char *in, size_t bytes, char *line, size_t *ret_left)
{
    struct evbuffer *input = evbuffer_new();
    enum command_line verdict;

    evbuffer_add(input, in, bytes);
    verdict = command_take_line(input, line);
    *ret_left = evbuffer_get_length(input);
    evbuffer_free(input);
    return verdict;
}

Test(command, MQ04_only_crlf_ends_a_line)
{
    static const struct {
        const char *in;
        size_t bytes;
        enum command_line verdict;
        const char *line;
        size_t left;
    } rows[] = {
        { "", 0, COMMAND_LINE_NONE, NULL, 0 },
        { "NOOP", 4, COMMAND_LINE_NONE, NULL, 4 },
        { "NOOP\r", 5, COMMAND_LINE_NONE, NULL, 5 },
        { "NOOP\r\n", 6, COMMAND_LINE_OK, "NOOP", 0 },
        { "\r\n", 2, COMMAND_LINE_OK, "", 0 },
        { "NOOP\r\nQUIT\r\n", 12, COMMAND_LINE_OK, "NOOP", 6 },
        { "NOOP\n", 5, COMMAND_LINE_BARE, NULL, 0 },
        { "NOOP\nQUIT\r\n", 11, COMMAND_LINE_BARE, NULL, 6 },
        { "\n", 1, COMMAND_LINE_BARE, NULL, 0 },
        { "NOOP\rQUIT\r\n", 11, COMMAND_LINE_BARE, NULL, 0 },
        { "NOOP\r\r\n", 7, COMMAND_LINE_BARE, NULL, 0 },
        { "NO\0OP\r\n", 7, COMMAND_LINE_BARE, NULL, 0 },
        { "NOOP\0\r\n", 7, COMMAND_LINE_BARE, NULL, 0 },
        { "NOOP\r\0\n", 7, COMMAND_LINE_BARE, NULL, 0 },
    };
    char line[COMMAND_LINE_MAX + 1];
    size_t left;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(take(rows[i].in, rows[i].bytes, line, &left), rows[i].verdict, "row %zu", i);
        cr_assert_eq(left, rows[i].left, "row %zu", i);
        if (rows[i].line != NULL)
            cr_assert_str_eq(line, rows[i].line);
    }
}

Test(command, a_line_in_many_chunks)
{
    struct evbuffer *input = evbuffer_new();
    char line[COMMAND_LINE_MAX + 1];
    static const char text[] = "RCPT TO:<a@b.example>\r\n";

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        cr_assert_eq(command_take_line(input, line), COMMAND_LINE_NONE);
        evbuffer_add_reference(input, text + i, 1, NULL, NULL);
    }
    cr_assert_eq(command_take_line(input, line), COMMAND_LINE_OK);
    cr_assert_str_eq(line, "RCPT TO:<a@b.example>");
    evbuffer_free(input);
}

Test(command, longest_line_and_one_more)
{
    static char text[COMMAND_LINE_MAX + 8];
    char line[COMMAND_LINE_MAX + 1];
    size_t left;

    memset(text, 'a', sizeof(text));
    memcpy(text + COMMAND_LINE_MAX - 2, "\r\n", 2);
    cr_assert_eq(take(text, COMMAND_LINE_MAX, line, &left), COMMAND_LINE_OK);
    cr_assert_eq(strlen(line), COMMAND_LINE_MAX - 2);

    memset(text, 'a', sizeof(text));
    memcpy(text + COMMAND_LINE_MAX - 1, "\r\n", 2);
    cr_assert_eq(take(text, COMMAND_LINE_MAX - 1, line, &left), COMMAND_LINE_NONE);
    cr_assert_eq(take(text, COMMAND_LINE_MAX + 1, line, &left), COMMAND_LINE_LONG);
}

Test(command, the_rest_of_a_long_line_is_skipped_wherever_it_is_cut)
{
    static char text[3 * COMMAND_LINE_MAX];

    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 8, "\r\nQUIT\r\n", 8);
    for (size_t cut = sizeof(text) - 12; cut <= sizeof(text); cut++) {
        struct evbuffer *input = evbuffer_new();
        char line[COMMAND_LINE_MAX + 1];
        bool is_done;

        evbuffer_add(input, text, cut);
        cr_assert_eq(command_take_line(input, line), COMMAND_LINE_LONG);
        is_done = command_skip_line(input);
        evbuffer_add(input, text + cut, sizeof(text) - cut);
        if (!is_done)
            cr_assert(command_skip_line(input), "cut at %zu", cut);
        cr_assert_eq(command_take_line(input, line), COMMAND_LINE_OK);
        cr_assert_str_eq(line, "QUIT");
        evbuffer_free(input);
    }
}

/* ---- verbs ---- */

Test(command, verbs_in_any_case_with_their_arguments)
{
    static const struct {
        const char *line;
        enum command_verb verb;
        const char *argument; /* NULL: its keyword is missing */
    } rows[] = {
        { "EHLO a.example", COMMAND_EHLO, "a.example" },
        { "ehlo a.example  ", COMMAND_EHLO, "a.example" },
        { "HELO", COMMAND_HELO, "" },
        { "MAIL FROM:<a@b>", COMMAND_MAIL, "<a@b>" },
        { "mail from: <a@b> SIZE=1", COMMAND_MAIL, " <a@b> SIZE=1" },
        { "MAIL  FROM:<>", COMMAND_MAIL, "<>" },
        { "MAIL FROM <a@b>", COMMAND_MAIL, NULL },
        { "MAIL", COMMAND_MAIL, NULL },
        { "MAIL TO:<a@b>", COMMAND_MAIL, NULL },
        { "RCPT TO:<a@b>", COMMAND_RCPT, "<a@b>" },
        { "RCPT TO:", COMMAND_RCPT, "" },
        { "DATA", COMMAND_DATA, "" },
        { "DATA x", COMMAND_DATA, "x" },
        { "RSET", COMMAND_RSET, "" },
        { "NoOp blah blah", COMMAND_NOOP, "blah blah" },
        { "QUIT", COMMAND_QUIT, "" },
        { "VRFY postmaster", COMMAND_VRFY, "postmaster" },
        { "EXPN list", COMMAND_KNOWN, "list" },
        { "STARTTLS", COMMAND_STARTTLS, "" },
        { "AUTH PLAIN", COMMAND_KNOWN, "PLAIN" },
        { "BDAT 1", COMMAND_KNOWN, "1" },
        { "HELP", COMMAND_KNOWN, "" },
        { "", COMMAND_UNKNOWN, "" },
        { " NOOP", COMMAND_UNKNOWN, NULL },
        { "QUITE", COMMAND_UNKNOWN, "" },
        { "GET / HTTP/1.1", COMMAND_UNKNOWN, "/ HTTP/1.1" },
        { "MAILFROM:<a@b>", COMMAND_UNKNOWN, "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64];
        const char *argument;
        enum command_verb verb;

        snprintf(line, sizeof(line), "%s", rows[i].line);
        verb = command_parse(line, &argument);
        cr_assert_eq(verb, rows[i].verb, "%s: %s", rows[i].line, command_verb_name(verb));
        if (verb == COMMAND_UNKNOWN)
            continue;
        if (rows[i].argument == NULL)
            cr_assert_null(argument, "%s", rows[i].line);
        else
            cr_assert_str_eq(argument, rows[i].argument);
    }
}

Test(command, names_of_clients)
{
    static const char *const good[] = { "a",     "mail.example.net",   "[192.0.2.1]",
                                        "my_pc", "[IPv6:2001:db8::1]", "a.b.c-d" };
    static const char *const bad[] = { "",    "a b",  "a(comment)", "a;b",
                                       "<a>", "a\tb", "a\"b",       "m\xc3\xbcller.example",
                                       "a,b", "a@b",  "a\\b" };
    char longest[300];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert(command_is_helo_name(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(command_is_helo_name(bad[i]), "%s", bad[i]);
    memset(longest, 'a', sizeof(longest));
    longest[255] = '\0';
    cr_assert(command_is_helo_name(longest));
    longest[255] = 'a';
    longest[256] = '\0';
    cr_assert_not(command_is_helo_name(longest));
}

/* ---- paths ---- */

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(path, MQ01_SR03_what_is_an_address)
{
    static const struct {
        const char *in;
        enum path_verdict verdict;
        const char *mailbox;
        const char *rest;
    } rows[] = {
        { "<>", PATH_OK, "", "" },
        { "<> SIZE=1", PATH_OK, "", " SIZE=1" },
        { "<a@b.example>", PATH_OK, "a@b.example", "" },
        { " <a@b.example>", PATH_OK, "a@b.example", "" },
        { "<a@b.example> SIZE=1", PATH_OK, "a@b.example", " SIZE=1" },
        { "a@b.example", PATH_OK, "a@b.example", "" },
        { "a@b.example SIZE=1", PATH_OK, "a@b.example", " SIZE=1" },
        { "<postmaster>", PATH_OK, "postmaster", "" },
        { "<User.Name+tag=x@B.Example>", PATH_OK, "User.Name+tag=x@B.Example", "" },
        { "<a..b.@docomo.example>", PATH_OK, "a..b.@docomo.example", "" },
        { "<!#$&'*+-/=?^_`{|}~@b.example>", PATH_ROUTED, "!#$&'*+-/=?^_`{|}~@b.example", "" },
        { "<a@[192.0.2.1]>", PATH_OK, "a@[192.0.2.1]", "" },
        { "<a@[IPv6:2001:db8::1]>", PATH_OK, "a@[IPv6:2001:db8::1]", "" },
        { "<a@under_score.example>", PATH_OK, "a@under_score.example", "" },
        { "<\"a b\"@c.example>", PATH_OK, "\"a b\"@c.example", "" },
        { "<\"a@b\"@c.example>", PATH_OK, "\"a@b\"@c.example", "" },
        { "<\"a%b!c\"@d.example>", PATH_OK, "\"a%b!c\"@d.example", "" },
        { "<\"a\\\"b\\\\\"@c.example>", PATH_OK, "\"a\\\"b\\\\\"@c.example", "" },
        { "<\"a>b\"@c.example>", PATH_OK, "\"a>b\"@c.example", "" },
        { "<\"\"@c.example>", PATH_OK, "\"\"@c.example", "" },
        /* source routes are read and forgotten */
        { "<@x.example:a@b.example>", PATH_OK, "a@b.example", "" },
        { "<@x.example,@[192.0.2.1]:a@b.example>", PATH_OK, "a@b.example", "" },
        { "<@x.example>", PATH_BAD, NULL, NULL },
        { "<@x.example,a@b>", PATH_BAD, NULL, NULL },
        { "<@:a@b>", PATH_BAD, NULL, NULL },
        { "<@x.example:>", PATH_BAD, NULL, NULL },
        /* somebody else's routing */
        { "<a%b.example@c.example>", PATH_ROUTED, "a%b.example@c.example", "" },
        { "<b.example!a@c.example>", PATH_ROUTED, "b.example!a@c.example", "" },
        { "<a@b.example@c.example>", PATH_TWICE, "a@b.example@c.example", "" },
        { "<a%b>", PATH_ROUTED, "a%b", "" },
        /* no address */
        { "", PATH_BAD, NULL, NULL },
        { "<", PATH_BAD, NULL, NULL },
        { "<<a@b>>", PATH_BAD, NULL, NULL },
        { "<a@b", PATH_BAD, NULL, NULL },
        { "a@b>", PATH_BAD, NULL, NULL },
        { "<a@b>x", PATH_BAD, NULL, NULL },
        { "<>x", PATH_BAD, NULL, NULL },
        { "<a b@c>", PATH_BAD, NULL, NULL },
        { "<@>", PATH_BAD, NULL, NULL },
        { "<a@>", PATH_BAD, NULL, NULL },
        { "<@b>", PATH_BAD, NULL, NULL },
        { "<a@b..c>", PATH_BAD, NULL, NULL },
        { "<a@.b>", PATH_BAD, NULL, NULL },
        { "<a@b.>", PATH_BAD, NULL, NULL },
        { "<a@b c>", PATH_BAD, NULL, NULL },
        { "<a@[192.0.2.1>", PATH_BAD, NULL, NULL },
        { "<a@[]>", PATH_BAD, NULL, NULL },
        { "<a@[192.0.2.1]x>", PATH_BAD, NULL, NULL },
        { "<\"a@b.example>", PATH_BAD, NULL, NULL },
        { "<\"a\"b@c.example>", PATH_BAD, NULL, NULL },
        { "<b\"a\"@c.example>", PATH_BAD, NULL, NULL },
        { "<\"a\\", PATH_BAD, NULL, NULL },
        { "<a@\"b\">", PATH_BAD, NULL, NULL },
        { "<a,b@c>", PATH_BAD, NULL, NULL },
        { "<a@b,c>", PATH_BAD, NULL, NULL },
        { "<a\x01@b>", PATH_BAD, NULL, NULL },
        { "<a@" L63 ".example>", PATH_OK, "a@" L63 ".example", "" },
        { "<a@" L63 "a.example>", PATH_BAD, NULL, NULL },
        { "<a@" L63 "." L63 "." L63 "." L63 ">", PATH_OK, NULL, "" },
        { "<a@" L63 "." L63 "." L63 "." L63 ".b>", PATH_BAD, NULL, NULL },
        { "<m\xc3\xbcller@b.example>", PATH_NOT_ASCII, NULL, NULL },
        { "<a@m\xc3\xbcller.example>", PATH_NOT_ASCII, NULL, NULL },
        { "<\"m\xfc\"@b.example>", PATH_NOT_ASCII, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct path path;
        const char *rest;
        char mailbox[ENVELOPE_MAX_ADDRESS];
        enum path_verdict verdict = path_parse(rows[i].in, &path, &rest);

        cr_assert_eq(verdict, rows[i].verdict, "%s: %d", rows[i].in, verdict);
        if (rows[i].mailbox != NULL) {
            path_copy(&path, mailbox);
            cr_assert_str_eq(mailbox, rows[i].mailbox);
            cr_assert_eq(path.has_domain, strchr(mailbox, '@') != NULL, "%s", rows[i].in);
        }
        if (rows[i].rest != NULL)
            cr_assert_str_eq(rest, rows[i].rest);
    }
}

Test(path, longest_address_and_one_more)
{
    char text[ENVELOPE_MAX_ADDRESS + 8];
    struct path path;
    const char *rest;

    for (size_t bytes = ENVELOPE_MAX_ADDRESS - 1; bytes <= ENVELOPE_MAX_ADDRESS; bytes++) {
        memset(text, 'a', sizeof(text));
        text[0] = '<';
        memcpy(text + 1 + bytes - 2, "@b>", 4);
        cr_assert_eq(path_parse(text, &path, &rest),
                     bytes < ENVELOPE_MAX_ADDRESS ? PATH_OK : PATH_TOO_LONG);
    }
}

Test(parameter, names_and_values)
{
    static const struct {
        const char *in;
        enum parameter_verdict verdict;
        const char *name, *value;
    } rows[] = {
        { "", PARAMETER_NONE, "", NULL },
        { "   ", PARAMETER_NONE, "", NULL },
        { " SIZE=100", PARAMETER_OK, "size", "100" },
        { " body=8bitmime SIZE=1", PARAMETER_OK, "BODY", "8BITMIME" },
        { " SMTPUTF8", PARAMETER_OK, "SMTPUTF8", NULL },
        { " A-B=c+d", PARAMETER_OK, "A-B", "c+d" },
        { " SIZE=", PARAMETER_BAD, NULL, NULL },
        { " =1", PARAMETER_BAD, NULL, NULL },
        { " SIZE=1=2", PARAMETER_BAD, NULL, NULL },
        { " SI<ZE", PARAMETER_BAD, NULL, NULL },
        { " -A", PARAMETER_BAD, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *rest = rows[i].in;
        struct parameter parameter;

        cr_assert_eq(parameter_next(&rest, &parameter), rows[i].verdict, "%s", rows[i].in);
        if (rows[i].verdict != PARAMETER_OK)
            continue;
        cr_assert(parameter_is(&parameter, rows[i].name));
        cr_assert_not(parameter_is(&parameter, "SIZ"));
        if (rows[i].value == NULL)
            cr_assert_null(parameter.value);
        else
            cr_assert(parameter_value_is(&parameter, rows[i].value));
    }
}
