/* What status tells of the configuration file: enough to see what is in force, and nothing secret.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "common/auto.h"
#include "master/conf_shown.h"

TestSuite(conf_shown, .timeout = 20);

static struct conf *parsed(const char *text)
{
    struct reason why;
    struct conf *conf = NULL;

    cr_assert_eq(conf_parse(text, "test", &conf, &why), 0, "%s", why.text);
    return conf;
}

static void shows(const json_t *shown, const char *section, const char *key, const char *value)
{
    const json_t *found = json_object_get(json_object_get(shown, section), key);

    cr_expect_str_eq(json_string_value(found), value, "%s.%s", section, key);
}

Test(conf_shown, what_is_set_is_shown)
{
    struct conf *conf = parsed("hostname = \"mx.example.net\"\n"
                               "smtp { listen = {\"127.0.0.1:2525\", \"[::1]:2525\"} }\n"
                               "tls { certificate = \"/etc/id.pem\"\n key = \"/etc/id.key\" }\n"
                               "quarantine { retention = 7d }\n"
                               "console { listen = \"[::1]:9443\"\n session_idle = 10m }\n");
    const struct alert_file_facts facts = {
        .is_known = true, .disk_bytes = 5000, .disk_free = 4000, .certificate_end_s = 1798761600
    };
    AUTO(json) json_t *shown = conf_shown(conf, "/etc/postern/postern.conf", &facts);

    cr_assert_not_null(shown);
    cr_expect_str_eq(json_string_value(json_object_get(shown, "file")),
                     "/etc/postern/postern.conf");
    cr_expect_str_eq(json_string_value(json_object_get(shown, "hostname")), "mx.example.net");
    cr_expect_str_eq(json_string_value(json_array_get(
                         json_object_get(json_object_get(shown, "smtp"), "listen"), 1)),
                     "[::1]:2525");
    shows(shown, "tls", "certificate", "/etc/id.pem");
    shows(shown, "tls", "key", "/etc/id.key");
    shows(shown, "tls", "certificate_ends", "2027-01-01T00:00:00.000Z");
    shows(shown, "console", "listen", "[::1]:9443");
    cr_expect_eq(
        json_integer_value(json_object_get(json_object_get(shown, "quarantine"), "retention_s")),
        7 * 86400);
    cr_expect_eq(
        json_integer_value(json_object_get(json_object_get(shown, "console"), "session_idle_s")),
        600);
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(shown, "spool"), "disk_free")),
                 4000);
    conf_free(&conf);
}

Test(conf_shown, what_is_not_set_is_null)
{
    struct conf *conf = parsed("console { listen = \"\" }\n");
    const struct alert_file_facts facts = { .is_known = false };
    AUTO(json) json_t *shown = conf_shown(conf, NULL, &facts);

    cr_expect(json_is_null(json_object_get(shown, "file")));
    cr_expect(json_is_null(json_object_get(json_object_get(shown, "tls"), "certificate")));
    cr_expect(json_is_null(json_object_get(json_object_get(shown, "tls"), "certificate_ends")));
    cr_expect(json_is_null(json_object_get(json_object_get(shown, "console"), "listen")));
    cr_expect_gt(strlen(json_string_value(json_object_get(shown, "hostname"))), 0);
    conf_free(&conf);
}
