/* What posternctl prints: clean text, aligned tables, any JSON. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/ctl/show.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

static void assert_clean(const char *text, const char *want)
{
    char *clean = text_clean(text);

    cr_assert_str_eq(clean, want, "%s became %s", text, clean);
    free(clean);
}

Test(text, nothing_moves_the_terminal)
{
    assert_clean("plain", "plain");
    assert_clean("a\033[2Jb", "a\\u{1B}[2Jb");
    assert_clean("line\r\nnext\t", "line\\u{D}\\u{A}next\\u{9}");
    assert_clean("del\x7f", "del\\u{7F}");
    assert_clean("c1 \xc2\x9b", "c1 \\u{9B}");
    assert_clean("turn \xe2\x80\xae", "turn \\u{202E}");
    assert_clean("bad \xff\xc3", "bad \\xFF\\xC3");
    assert_clean("overlong \xc0\xaf", "overlong \\xC0\\xAF");
    assert_clean("J\xc3\xbcrgen \xe6\x97\xa5", "J\xc3\xbcrgen \xe6\x97\xa5");
}

Test(text, width_counts_columns)
{
    cr_assert_eq(text_width("abc"), 3);
    cr_assert_eq(text_width("J\xc3\xbcrgen"), 6);
    cr_assert_eq(text_width("\xe6\x97\xa5"), 2, "a wide character takes two");
    cr_assert_eq(text_width("e\xcc\x81"), 1, "a combining one none");
}

Test(text, query_escapes_all_that_could_end_it)
{
    char *query = text_query("a b&c=d/\xc3\xbc-._~");

    cr_assert_str_eq(query, "a%20b%26c%3Dd%2F%C3%BC-._~");
    free(query);
}

static char *printed(void (*print)(FILE *out, const json_t *json), const char *json)
{
    json_t *parsed = json_loads(json, 0, NULL);
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    cr_assert(parsed);
    print(out, parsed);
    fclose(out);
    json_decref(parsed);
    return text;
}

static void print_object(FILE *out, const json_t *json)
{
    show_object(out, json, 0);
}

static void print_list(FILE *out, const json_t *json)
{
    show_list(out, json, 2);
}

Test(show, object_with_everything)
{
    char *text = printed(print_object,
                         "{\"name\":\"Exchange\",\"servers\":[\"smtp://a:25\",\"smtp://b:25\"],"
                         "\"pool\":{\"enabled\":false,\"size\":20},\"ca\":null,\"factor\":1.5,"
                         "\"rows\":[{\"a\":1,\"b\":\"x\"},{\"a\":22}]}");

    cr_assert_str_eq(text,
                     "name          Exchange\n"
                     "servers       smtp://a:25\n"
                     "              smtp://b:25\n"
                     "pool.enabled  no\n"
                     "pool.size     20\n"
                     "ca            -\n"
                     "factor        1.5\n"
                     "\n"
                     "rows:\n"
                     "   A  B\n"
                     "   1  x\n"
                     "  22  -\n",
                     "got:\n%s", text);
    free(text);
}

Test(show, list_aligns_numbers_right_and_texts_left)
{
    char *text = printed(print_list, "[{\"name\":\"J\\u00fcrgen\",\"n\":5},"
                                     "{\"name\":\"x\",\"n\":1234}]");

    cr_assert_str_eq(text,
                     "  NAME       N\n"
                     "  J\xc3\xbcrgen     5\n"
                     "  x       1234\n",
                     "got:\n%s", text);
    free(text);
}

Test(table, cells_are_cleaned)
{
    struct table *table = table_new(2);
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    table_add(table, "A");
    table_add(table, "B");
    table_add(table, "x\033[0m");
    table_add(table, NULL);
    table_print(table, out, 0);
    fclose(out);
    cr_assert_str_eq(text, "A           B\nx\\u{1B}[0m  -\n", "got:\n%s", text);
    table_free(&table);
    free(text);
}
