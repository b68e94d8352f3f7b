/* SR01 to SR05 as tables: what a rule may say, its defaults, and how it is kept. */
#include "common/property.h"
#include "tests/unit/rule_helper.h"

static json_t *shown_of(json_t *input)
{
    struct rule *rule = accept_rule(input, NULL);
    json_t *shown = rule_to_shown(rule, name_known, known_arg);

    rule_free(&rule);
    cr_assert_not_null(shown);
    return shown;
}

static void expect_shown(json_t *input, const char *name, const char *value)
{
    char *typed = json_dumps(input, 0), list[2048];
    json_t *shown = shown_of(input), *wanted;

    (void)snprintf(list, sizeof(list), "[%s]", value);
    wanted = json_of(list);
    if (!json_equal(property_value(shown, name), json_array_get(wanted, 0))) {
        print_list(typed, property_value(shown, name));
        cr_expect_fail("%s is not %s", name, value);
    }
    json_decref(wanted);
    json_decref(shown);
    free(typed);
}

Test(rule_input, SR01_SR02_SR05_defaults)
{
    static const char *const rows[][2] = {
        { "enabled", "true" },
        { "match.clients", "['0.0.0.0/0', '::/0']" },
        { "match.senders", "['*']" },
        { "core", "null" },
        { "vault", "null" },
        { "allow_open_relay", "false" },
        { "verify_recipients", "false" },
        { "scan.on_blocked", "'quarantine'" },
        { "scan.on_unavailable", "'defer'" },
        { "scan.add_headers", "true" },
        { "scan.workflow", "null" },
        { "upload.on_unavailable", "'defer'" },
        { "upload.expires", "null" },
        { "upload.share_with", "[]" },
        { "upload.links", "'none'" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_shown(rule_input(""), rows[i][0], rows[i][1]);
}

Test(rule_input, SR05_every_value)
{
    static const struct {
        const char *group, *name, *good[4], *bad[4], *allowed;
    } rows[] = {
        { "", "enabled", { "true", "false" }, { "1", "'yes'" }, "true or false" },
        { "", "allow_open_relay", { "true", "false" }, { "1" }, "true or false" },
        { "", "verify_recipients", { "true", "false" }, { "1" }, "true or false" },
        { "scan",
          "on_blocked",
          { "'quarantine'", "'reject'", "'pass_with_header'" },
          { "'drop'", "1" },
          "quarantine, reject or pass_with_header" },
        { "scan",
          "on_unavailable",
          { "'defer'", "'pass_with_header'" },
          { "'skip'", "'reject'" },
          "defer or pass_with_header" },
        { "scan", "add_headers", { "true", "false" }, { "'true'" }, "true or false" },
        { "scan",
          "workflow",
          { "'Inbound mail'", "null" },
          { "''", "'a\\r\\nb'", "1" },
          "1 to 512 bytes" },
        { "upload",
          "on_unavailable",
          { "'defer'", "'skip'" },
          { "'pass_with_header'" },
          "defer or skip" },
        { "upload",
          "expires",
          { "'30:00:00:00'", "'0:0:0:1'", "'10675199:23:59:59'" },
          { "'30:00:00'", "'10675200:00:00:00'", "'0:24:0:0'", "'0:0:0:0'" },
          "days:hours:minutes:seconds" },
        { "upload",
          "expires",
          { NULL },
          { "'0:0:60:0'", "'0:0:0:60'", "'1:2:3:4:5'", "'-1:0:0:0'" },
          "days:hours:minutes:seconds" },
        { "upload",
          "links",
          { "'none'", "'header'", "'text_part'" },
          { "'html'" },
          "none, header or text_part" },
        { "upload", "share_with", { "['a@b', 'someone']", "[]" }, { "'a'", "{}" }, "a list of 0" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256], name[64];

        (void)snprintf(name, sizeof(name), "%s%s%s", rows[i].group,
                       rows[i].group[0] != '\0' ? "." : "", rows[i].name);
        for (int k = 0; k < 8; k++) {
            const char *value = k < 4 ? rows[i].good[k] : rows[i].bad[k - 4];

            if (value == NULL)
                continue;
            (void)snprintf(text, sizeof(text),
                           rows[i].group[0] != '\0' ? "'%s': {'%s': %s}" : "%s'%s': %s",
                           rows[i].group, rows[i].name, value);
            if (k < 4)
                expect_shown(rule_input(text), name, value);
            else
                refuse_rule(rule_input(text), name, rows[i].allowed, NULL);
        }
    }
    refuse_rule(rule_input("'upload': {'share_with': ['a', '', 'b']}"), "upload.share_with[1]",
                "1 to 512", NULL);
}

Test(rule_input, SP02_a_rules_name)
{
    expect_shown(rule_input("'name': ' Inbound '"), "name", "'Inbound'");
    refuse_rule(rule_input("'name': ''"), "name", "1 to 128", "empty");
    refuse_rule(rule_input("'name': 'a\\u0000b'"), "name", "1 to 128", NULL);
    refuse_rule(rule_input("'name': 7"), "name", "1 to 128", NULL);
    refuse_rule(json_of("{'relay': 'Exchange', 'match': {'recipients': ['a@b']}}"), "name",
                "1 to 128", "missing");
}

Test(rule_input, SR02_profiles_are_named_and_of_the_right_type)
{
    struct rule *rule = accept_rule(rule_input("'core': 'Scanner', 'vault': 'Archive'"), NULL);

    cr_expect_eq(rule->relay, 3);
    cr_expect_eq(rule->core, 5);
    cr_expect_eq(rule->vault, 9);
    rule_free(&rule);
    expect_shown(rule_input("'core': 'Scanner'"), "relay", "'Exchange'");
    expect_shown(rule_input("'core': 'Scanner'"), "core", "'Scanner'");
    refuse_rule(rule_input("'relay': null"), "relay", "type smtp", "missing");
    refuse_rule(rule_input("'relay': 3"), "relay", "type smtp", "text");
    refuse_rule(rule_input("'relay': 'exchange2'"), "relay", "type smtp", "no such");
    refuse_rule(rule_input("'relay': 'Scanner'"), "relay", "type smtp", "type core");
    refuse_rule(rule_input("'core': 'Archive'"), "core", "type core", "type vault");
    refuse_rule(rule_input("'vault': 'Exchange'"), "vault", "type vault", "type smtp");
}

Test(rule_input, SR01_clients)
{
    static const char *const good[][2] = {
        { "10.0.0.0/8", "10.0.0.0/8" },          { "10.1.2.3", "10.1.2.3/32" },
        { "10.1.2.3/32", "10.1.2.3/32" },        { "128.0.0.0/1", "128.0.0.0/1" },
        { "2001:DB8::/32", "2001:db8::/32" },    { "::1", "::1/128" },
        { "::ffff:10.0.0.0/104", "10.0.0.0/8" }, { "::ffff:10.0.0.1", "10.0.0.1/32" },
    };
    static const char *const bad[] = {
        "10.0.0.1/8", "10.0.0.0/33", "::/129",       "10.0.0/8",
        "10.0.0.0/",  "10.0.0.0/ 8", "10.0.0.0/a",   "host",
        "",           "*",           "fe80::1%eth0", "10.0.0.0/8/8",
        "[::1]",      "10.0.0.1:25", "::1/0",        "10.0.0.0/0008",
    };
    char text[256], wanted[256];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        (void)snprintf(text, sizeof(text), "'recipients': ['a@b'], 'clients': ['%s']", good[i][0]);
        (void)snprintf(wanted, sizeof(wanted), "['%s']", good[i][1]);
        expect_shown(match_input(text), "match.clients", wanted);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        (void)snprintf(text, sizeof(text), "'recipients': ['a@b'], 'clients': ['::1', '%s']",
                       bad[i]);
        refuse_rule(match_input(text), "match.clients[1]", "10.0.0.0/8", NULL);
    }
    refuse_rule(match_input("'recipients': ['a@b'], 'clients': ['10.1.0.0/8']"), "match.clients[0]",
                NULL, "10.0.0.0/8 meant");
    refuse_rule(match_input("'recipients': ['a@b'], 'clients': []"), "match.clients", "1 to 256",
                "0 entries");
    refuse_rule(match_input("'recipients': ['a@b'], 'clients': '::1'"), "match.clients", "list",
                NULL);
}

Test(rule_input, SR01_patterns)
{
    static const char *const good[][2] = {
        { "*@Example.NET", "*@example.net" },
        { "user@*", "user@*" },
        { "User.Name+x@example.net", "User.Name+x@example.net" },
        { "*@b\xc3\xbc"
          "cher.example",
          "*@xn--bcher-kva.example" },
        { "*@[10.0.0.1]", "*@[10.0.0.1]" },
        { "*@[IPv6:::1]", "*@[ipv6:::1]" },
        { "\\\"a b\\\"@example.net", "\\\"a b\\\"@example.net" },
        { "\\\"plain\\\"@example.net", "plain@example.net" },
        { "\\\"a@b\\\"@example.net", "\\\"a@b\\\"@example.net" },
        { "\\\"*\\\"@example.net", "\\\"*\\\"@example.net" },
        { "\\\"q\\\\\\\"q\\\"@example.net", "\\\"q\\\\\\\"q\\\"@example.net" },
        { "j\xc3\xb6rg@example.net", "j\xc3\xb6rg@example.net" },
    };
    static const char *const bad[] = {
        "",           "example.net", "@example.net",
        "a@",         "*@*",         "a*@b",
        "a@*.b",      "*@*.example", "a b@c",
        "a@b c",      "a@b@c",       "<a@b>",
        "a@b\\r\\nX", "a\\u0000@b",  "a@-b",
        "\\\"a@b",    "\\\"\\\"@b",  "a@[10.0.0.1",
        "a@[x]",      "a@1.2.3",     "\\\"a\\\"b\\\"@c",
    };
    char text[256], wanted[256];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        (void)snprintf(text, sizeof(text), "'recipients': ['%s'], 'clients': ['::1']", good[i][0]);
        (void)snprintf(wanted, sizeof(wanted), "['%s']", good[i][1]);
        expect_shown(match_input(text), "match.recipients", wanted);
        (void)snprintf(text, sizeof(text), "'recipients': ['a@b'], 'senders': ['%s']", good[i][0]);
        expect_shown(match_input(text), "match.senders", wanted);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        (void)snprintf(text, sizeof(text), "'recipients': ['a@b', '%s']", bad[i]);
        refuse_rule(match_input(text), "match.recipients[1]", "*@example.net", NULL);
        (void)snprintf(text, sizeof(text), "'recipients': ['a@b'], 'senders': ['%s']", bad[i]);
        refuse_rule(match_input(text), "match.senders[0]", "<>", NULL);
    }
    expect_shown(match_input("'recipients': ['a@b'], 'senders': ['<>', '*']"), "match.senders",
                 "['<>', '*']");
    refuse_rule(match_input("'recipients': ['<>']"), "match.recipients[0]", "user@*", NULL);
    refuse_rule(match_input("'senders': ['*']"), "match.recipients", "*@example.net", "missing");
    refuse_rule(rule_input("'match': null"), "match.recipients", "*@example.net", "missing");
    refuse_rule(match_input("'recipients': []"), "match.recipients", "1 to 1000", "0 entries");
}

Test(rule_input, SR01_lists_are_bounded)
{
    static const struct {
        const char *name, *text;
        size_t max;
    } rows[] = { { "clients", "::1", 256 },
                 { "senders", "a@b", 1000 },
                 { "recipients", "a@b", 1000 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t extra = 0; extra < 2; extra++) {
            json_t *input = rule_input(""), *list = json_array();
            char name[32];
            struct rule *rule;

            for (size_t k = 0; k < rows[i].max + extra; k++)
                json_array_append_new(list, json_string(rows[i].text));
            json_object_set_new(json_object_get(input, "match"), rows[i].name, list);
            (void)snprintf(name, sizeof(name), "match.%s", rows[i].name);
            if (extra == 0) {
                rule = accept_rule(input, NULL);
                rule_free(&rule);
            } else {
                refuse_rule(input, name, "texts", "entries");
            }
        }
    }
}

Test(rule_input, SR03_no_open_relay_by_accident)
{
    static const char *const open[] = {
        "'recipients': ['*']",
        "'recipients': ['user@*']",
        "'recipients': ['a@b', '*'], 'senders': ['boss@example.net']",
        "'recipients': ['*'], 'clients': ['0.0.0.0/0']",
        "'recipients': ['*'], 'clients': ['::/0']",
        "'recipients': ['*'], 'clients': ['0.0.0.0/1', '128.0.0.0/1']",
        "'recipients': ['*'], 'clients': ['128.0.0.0/2', '0.0.0.0/1', '192.0.0.0/2']",
        "'recipients': ['*'], 'clients': ['8000::/1', '::/1']",
        "'recipients': ['*'], 'clients': ['::ffff:0.0.0.0/96']",
    };
    static const char *const closed[] = {
        "'recipients': ['*@example.net']",
        "'recipients': ['*'], 'clients': ['10.0.0.0/8', 'fd00::/8']",
        "'recipients': ['*'], 'clients': ['0.0.0.0/1']",
        "'recipients': ['*'], 'clients': ['0.0.0.0/1', '128.0.0.0/2']",
        "'recipients': ['*'], 'clients': ['10.0.0.1', '10.0.0.1']",
    };
    char text[512];
    struct rule *rule;
    json_t *warnings;

    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        refuse_rule(match_input(open[i]), "allow_open_relay", "named domains", "open to all");
        (void)snprintf(text, sizeof(text), "'match': {%s}, 'allow_open_relay': true", open[i]);
        rule = accept_rule(rule_input(text), &warnings);
        cr_expect_not_null(find_entry(warnings, "allow_open_relay"), "%s", open[i]);
        rule_free(&rule);
        json_decref(warnings);
    }
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        rule = accept_rule(match_input(closed[i]), &warnings);
        cr_expect_eq(json_array_size(warnings), 0);
        rule_free(&rule);
        json_decref(warnings);
    }
    /* Disabled rules can be enabled later, by somebody who does not look. */
    (void)snprintf(text, sizeof(text), "'match': {%s}, 'enabled': false", open[0]);
    refuse_rule(rule_input(text), "allow_open_relay", NULL, NULL);
}

Test(rule_input, SR03_covering_networks_takes_bounded_time)
{
    json_t *input = match_input("'recipients': ['*']"), *list = json_array();
    struct rule *rule;

    for (unsigned i = 0; i < 128; i++) { /* all but one of every pair, as deep as it goes */
        json_array_append_new(list, json_sprintf("%u.85.85.85/32", i));
        json_array_append_new(list, json_sprintf("%x:5555:5555::5555/128", 0x2000 + i));
    }
    json_object_set_new(json_object_get(input, "match"), "clients", list);
    rule = accept_rule(input, NULL);
    rule_free(&rule);
}

Test(rule_input, SP50_every_mistake_at_once)
{
    struct problems problems;
    json_t *input = json_of("{'name': '', 'relay': 'x', 'core': 1, 'colour': 'red', 'enabled': 1,"
                            "'match': {'clients': ['x', 'y'], 'recipients': ['z'], 'subject': 's'},"
                            "'scan': {'on_blocked': 'x', 'depth': 1}, 'upload': []}");
    struct rule *rule;

    cr_assert_eq(problems_init(&problems), 0);
    rule = rule_from_input(input, find_known, known_arg, &problems);
    cr_expect_null(rule);
    if (json_array_size(problems.errors) != 12) {
        print_list("errors", problems.errors);
        cr_expect_fail("%zu errors", json_array_size(problems.errors));
    }
    problems_done(&problems);
    json_decref(input);
    refuse_rule(json_of("[]"), "rule", "object", NULL);
}

Test(rule_input, OP09_core_and_vault_are_never_ignored)
{
    static const struct {
        const char *property, *profile;
        enum feature feature;
    } rows[] = { { "core", "Scanner", FEATURE_CORE }, { "vault", "Archive", FEATURE_VAULT } };
    struct rule *rule = accept_rule(rule_input(""), NULL);

    cr_expect_null(rule_unbuilt_protection(rule));
    rule_free(&rule);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        json_t *warnings, *shown;

        if (features[rows[i].feature].is_built)
            continue;
        (void)snprintf(text, sizeof(text), "'%s': '%s'", rows[i].property, rows[i].profile);
        rule = accept_rule(rule_input(text), &warnings);
        cr_expect_str_eq(rule_unbuilt_protection(rule), rows[i].property);
        cr_expect_not_null(find_entry(warnings, rows[i].property));
        shown = rule_to_shown(rule, name_known, known_arg);
        cr_expect_str_eq(
            json_string_value(json_array_get(json_object_get(shown, "not_in_effect"), 0)),
            rows[i].property);
        json_decref(shown);
        json_decref(warnings);
        rule_free(&rule);
    }
}

static const char full[] =
    "'enabled': false, 'core': 'Scanner', 'vault': 'Archive', 'allow_open_relay': true,"
    "'match': {'clients': ['10.0.0.0/8', '::1'], 'senders': ['<>', '*@a.example', 'b@*'],"
    "'recipients': ['*', '\\\"x y\\\"@c.example']}, 'verify_recipients': true,"
    "'scan': {'on_blocked': 'reject', 'on_unavailable': 'pass_with_header',"
    "'add_headers': false, 'workflow': 'w'},"
    "'upload': {'on_unavailable': 'skip', 'expires': '1:2:3:4', 'share_with': ['a', 'b'],"
    "'links': 'header'}";

static char *dump(json_t *json)
{
    char *text = json_dumps(json, JSON_SORT_KEYS);

    cr_assert_not_null(text);
    json_decref(json);
    return text;
}

Test(rule_input, records_come_back_and_what_is_shown_can_be_put_again)
{
    const char *const rows[] = { "", full };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rule *rule = accept_rule(rule_input(rows[i]), NULL), *again = NULL;
        struct reason why = { "" };
        json_t *record;
        char *before, *after;

        rule->id = 4000000000U;
        rule->version = 12345678901ULL;
        rule->hidden = i == 1;
        record = rule_to_record(rule);
        cr_assert_eq(rule_from_record(record, &again, &why), 0, "%s", why.text);
        before = dump(record);
        after = dump(rule_to_record(again));
        cr_expect_str_eq(before, after);
        free(before);
        free(after);
        rule_free(&again);

        again = accept_rule(rule_to_shown(rule, name_known, known_arg), NULL);
        again->id = rule->id;
        again->version = rule->version;
        again->hidden = rule->hidden;
        before = dump(rule_to_record(rule));
        after = dump(rule_to_record(again));
        cr_expect_str_eq(before, after);
        free(before);
        free(after);
        rule_free(&again);
        rule_free(&rule);
    }
}

Test(rule_input, OP09_a_record_of_another_format_is_refused)
{
    static const char *const changes[][2] = {
        { "{'v': 2}", "format 2" },
        { "{'v': null}", "format" },
        { "{'enabled': '-'}", "enabled is missing" },
        { "{'relay': 'Exchange'}", "relay" },
        { "{'relay': -1}", "relay" },
        { "{'match': '-'}", "match" },
        { "{'match': {'clients': ['x'], 'senders': [], 'recipients': []}}", "match.clients[0]" },
        { "{'match': {'clients': [], 'senders': [1], 'recipients': []}}", "match.senders[0]" },
        { "{'match': {'clients': [], 'senders': [], 'recipients': ['x']}}", "match.recipients[0]" },
        { "{'subject': 'x'}", "subject" },
        { "{'name': '-'}", "name" },
        { "{'hidden': '-'}", "hidden" },
        { "{'upload': {'share_with': [], 'links': 'none'}}", "upload" },
    };

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct rule *rule = accept_rule(rule_input(""), NULL), *again = NULL;
        json_t *record = rule_to_record(rule), *changed = json_of(changes[i][0]), *value;
        struct reason why = { "" };
        const char *key;

        json_object_foreach (changed, key, value) {
            if (json_is_string(value) && strcmp(json_string_value(value), "-") == 0)
                json_object_del(record, key);
            else
                json_object_set(record, key, value);
        }
        cr_expect_eq(rule_from_record(record, &again, &why), -EBADMSG, "%s", changes[i][0]);
        cr_expect_null(again);
        cr_expect(strstr(why.text, changes[i][1]) != NULL, "%s: %s", changes[i][0], why.text);
        json_decref(record);
        json_decref(changed);
        rule_free(&rule);
    }
}

Test(rule_input, SR03_mailbox_of_the_postmaster)
{
    cr_expect_eq(rule_mailbox_check("admin@example.net", NULL), 0);
    cr_expect_eq(rule_mailbox_check("*@example.net", NULL), -EINVAL);
    cr_expect_eq(rule_mailbox_check("admin@*", NULL), -EINVAL);
    cr_expect_eq(rule_mailbox_check("*", NULL), -EINVAL);
    cr_expect_eq(rule_mailbox_check("<>", NULL), -EINVAL);
    cr_expect_eq(rule_mailbox_check("admin", NULL), -EINVAL);
    cr_expect_eq(rule_mailbox_check("a\r\n@b", NULL), -EINVAL);
}
