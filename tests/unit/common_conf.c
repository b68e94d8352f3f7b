/* The configuration file: every default, both ends of every range, one past each, and the words. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"

static const char *refused(const char *text)
{
    static struct reason why;
    struct conf *conf = NULL;

    why.text[0] = '\0';
    cr_assert_lt(conf_parse(text, "x.conf", &conf, &why), 0, "accepted: %s", text);
    cr_assert_null(conf);
    return why.text;
}

static struct conf *accepted(const char *text)
{
    struct reason why = { "" };
    struct conf *conf = NULL;

    cr_assert_eq(conf_parse(text, "x.conf", &conf, &why), 0, "%s: %s", text, why.text);
    return conf;
}

Test(conf, defaults_are_those_of_the_table)
{
    struct conf *conf = accepted("");

#define CONF_INT(s, k, fallback, min, max, unit, help) cr_assert_eq(conf->s##_##k, fallback, #k);
#define CONF_STR(s, k, fallback, help) \
    cr_assert(strcmp(#k, "hostname") == 0 || strcmp(conf->s##_##k, fallback) == 0, #k);
#define CONF_BOOL(s, k, fallback, help) cr_assert_eq(conf->s##_##k, fallback, #k);
#define CONF_LIST(s, k, fallback, help)
#include "common/conf_keys.def"
    cr_assert_eq(conf->smtp_listen.count, 2u);
    cr_assert_str_eq(conf->smtp_listen.items[1], "[::]:25");
    cr_assert_neq(conf->top_hostname[0], '\0');
    conf_free(&conf);
}

static void write_key(char *out, size_t size, const char *section, const char *key, int64_t value)
{
    if (strcmp(section, "top") == 0)
        snprintf(out, size, "%s = %lld\n", key, (long long)value);
    else
        snprintf(out, size, "%s {\n %s = %lld\n}\n", section, key, (long long)value);
}

Test(conf, both_ends_of_every_range_and_one_past_each)
{
    char text[256];
    struct conf *conf;

#define CONF_INT(s, k, fallback, min, max, unit, help)         \
    write_key(text, sizeof(text), #s, #k, min);                \
    conf = accepted(text);                                     \
    cr_assert_eq(conf->s##_##k, min);                          \
    conf_free(&conf);                                          \
    write_key(text, sizeof(text), #s, #k, max);                \
    conf = accepted(text);                                     \
    cr_assert_eq(conf->s##_##k, max);                          \
    conf_free(&conf);                                          \
    write_key(text, sizeof(text), #s, #k, (int64_t)(min)-1);   \
    cr_assert_not_null(strstr(refused(text), #k));             \
    write_key(text, sizeof(text), #s, #k, (int64_t)(max) + 1); \
    cr_assert_not_null(strstr(refused(text), #k));
#define CONF_STR(s, k, fallback, help)
#define CONF_BOOL(s, k, fallback, help)
#define CONF_LIST(s, k, fallback, help)
#include "common/conf_keys.def"
}

Test(conf, units)
{
    struct conf *conf = accepted("drain_time = 2m\nsmtp { max_message_size = 50M }\n");

    cr_assert_eq(conf->top_drain_time, 120);
    cr_assert_eq(conf->smtp_max_message_size, 50 << 20);
    conf_free(&conf);
    cr_assert_not_null(strstr(refused("drain_time = 2M\n"), "seconds"));
    cr_assert_not_null(strstr(refused("drain_time = 99999999999999999999\n"), "3600"));
}

Test(conf, errors_name_file_line_and_key)
{
    cr_assert_str_eq(refused("\n\nworkers = 0\n"),
                     "x.conf:3: workers: \"0\" is not allowed: auto or 1 to 256");
    cr_assert_not_null(strstr(refused("nonsense = 1\n"), "nonsense"));
    cr_assert_not_null(strstr(refused("log { level = loud }\n"), "debug, info"));
    cr_assert_not_null(strstr(refused("smtp { listen = {\"mail.example.net:25\"} }\n"), "listen"));
}

Test(conf, OP04_without_an_address_there_is_no_console)
{
    struct conf *conf = accepted("console { listen = \"\" }\n");

    cr_assert_str_eq(conf->console_listen, "");
    conf_free(&conf);
    cr_assert_not_null(strstr(refused("console { listen = \"8443\" }\n"), "listen"));
    cr_assert_not_null(strstr(refused("smtp { listen = {\"\"} }\n"), "listen"));
}

Test(conf, the_text_for_workers_and_the_annotated_file_read_back_the_same)
{
    struct conf *conf = accepted("hostname = \"g\\\"w\"\nsmtp { listen = {\"127.0.0.1:2525\"} }\n");
    char *text = conf_to_text(conf), *again_text, *annotated = conf_annotated();
    struct conf *again = accepted(text);

    again_text = conf_to_text(again);
    cr_assert_str_eq(text, again_text);
    cr_assert_str_eq(again->top_hostname, "g\"w");
    conf_free(&again);
    conf_free(&conf);
    conf = accepted(annotated);
    cr_assert_eq(conf->smtp_max_errors, 20);
    conf_free(&conf);
    free(text);
    free(again_text);
    free(annotated);
}
