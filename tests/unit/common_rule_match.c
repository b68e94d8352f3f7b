/* SR01 and SR03: which rule a recipient comes under. */
#include <arpa/inet.h>

#include "common/address.h"
#include "tests/unit/rule_helper.h"

/* A set out of rules written as JSON, as a worker gets it: through its JSON form. */
static struct rule_set *set_of(const char *const *rules, size_t count, const char *postmaster)
{
    struct rule_set set = { .version = 8, .postmaster = (char *)postmaster };
    struct rule_set *got = NULL;
    struct reason why = { "" };
    json_t *json;

    set.postmaster_profile = postmaster != NULL ? 3 : 0;
    set.rules = calloc(count + 1, sizeof(struct rule *));
    for (; set.count < count; set.count++) {
        set.rules[set.count] = accept_rule(rule_input(rules[set.count]), NULL);
        set.rules[set.count]->id = (uint32_t)set.count + 1;
    }
    json = rule_set_to_json(&set);
    cr_assert_eq(rule_set_from_json(json, &got, &why), 0, "%s", why.text);
    json_decref(json);
    for (size_t i = 0; i < count; i++)
        rule_free(&set.rules[i]);
    free(set.rules);
    return got;
}

static void expect(const struct rule_set *set, const char *client, const char *sender,
                   const char *recipient, enum rule_verdict verdict, uint32_t id)
{
    struct address address;
    const struct rule *rule = NULL;
    enum rule_verdict got;

    cr_assert_eq(address_parse(client, 1, &address), 0, "%s", client);
    got = rule_set_match(set, &address.sa, sender, recipient, &rule);
    cr_expect(got == verdict && (rule != NULL ? rule->id : 0) == id,
              "client %s <%s> to <%s>: verdict %d rule %u, not %d and %u", client, sender,
              recipient, (int)got, rule != NULL ? rule->id : 0, (int)verdict, id);
}

#define MATCH(text) "'match': {" text "}"

Test(rule_match, SR01_the_first_enabled_rule_that_matches_wins)
{
    static const char *const rules[] = {
        MATCH("'recipients': ['boss@example.net']") ", 'enabled': false",
        MATCH("'recipients': ['boss@example.net', 'chief@example.net']"),
        MATCH("'recipients': ['*@example.net'], 'clients': ['10.0.0.0/8']"),
        MATCH("'recipients': ['*@example.net']"),
        MATCH("'recipients': ['*@other.example']"),
    };
    struct rule_set *set = set_of(rules, ARRAY_LEN(rules), NULL);

    cr_expect_eq(set->enabled_count, 4);
    cr_expect_eq(set->version, 8);
    expect(set, "192.0.2.1", "a@b", "boss@example.net", RULE_MATCH, 2);
    expect(set, "192.0.2.1", "a@b", "staff@example.net", RULE_MATCH, 4);
    expect(set, "10.1.2.3", "a@b", "staff@example.net", RULE_MATCH, 3);
    expect(set, "10.1.2.3", "a@b", "staff@other.example", RULE_MATCH, 5);
    expect(set, "10.1.2.3", "a@b", "staff@third.example", RULE_NO_MATCH, 0);
    set->rules[1]->hidden = true;
    expect(set, "192.0.2.1", "a@b", "boss@example.net", RULE_MATCH, 4);
    rule_set_free(&set);
}

Test(rule_match, SR01_conditions_all_hold)
{
    static const char *const rules[] = {
        MATCH("'recipients': ['*@example.net'], 'clients': ['10.0.0.0/8'],"
              "'senders': ['*@partner.example']"),
    };
    struct rule_set *set = set_of(rules, 1, NULL);

    expect(set, "10.0.0.1", "a@partner.example", "b@example.net", RULE_MATCH, 1);
    expect(set, "11.0.0.1", "a@partner.example", "b@example.net", RULE_NO_MATCH, 0);
    expect(set, "10.0.0.1", "a@stranger.example", "b@example.net", RULE_NO_MATCH, 0);
    expect(set, "10.0.0.1", "a@partner.example", "b@example.org", RULE_NO_MATCH, 0);
    expect(set, "10.0.0.1", "", "b@example.net", RULE_NO_MATCH, 0);
    rule_set_free(&set);
}

Test(rule_match, SR01_clients)
{
    static const struct {
        const char *network, *client;
        bool matches;
    } rows[] = {
        { "10.0.0.0/8", "10.255.255.255", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "10.0.0.0/8", "9.255.255.255", false },
        { "10.0.0.0/8", "[::ffff:10.1.1.1]", true },
        { "::ffff:10.0.0.0/104", "10.1.1.1", true },
        { "10.0.0.128/25", "10.0.0.128", true },
        { "10.0.0.128/25", "10.0.0.127", false },
        { "10.0.0.1", "10.0.0.1", true },
        { "10.0.0.1", "10.0.0.0", false },
        { "0.0.0.0/0", "192.0.2.1", true },
        { "0.0.0.0/0", "[2001:db8::1]", false },
        { "0.0.0.0/0", "[::ffff:192.0.2.1]", true },
        { "::/0", "[2001:db8::1]", true },
        { "::/0", "192.0.2.1", false },
        { "::/0", "[::ffff:192.0.2.1]", false },
        { "2001:db8::/33", "[2001:db8:7fff::1]", true },
        { "2001:db8::/33", "[2001:db8:8000::1]", false },
        { "::1", "[::1]", true },
        { "::1", "[::2]", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[128];
        const char *rule = text;
        struct rule_set *set;

        (void)snprintf(text, sizeof(text), MATCH("'recipients': ['a@b'], 'clients': ['%s']"),
                       rows[i].network);
        set = set_of(&rule, 1, NULL);
        expect(set, rows[i].client, "x@y", "a@b", rows[i].matches ? RULE_MATCH : RULE_NO_MATCH,
               rows[i].matches);
        rule_set_free(&set);
    }
}

Test(rule_match, SR01_the_default_clients_are_everybody)
{
    static const char *const rules[] = { "" };
    struct rule_set *set = set_of(rules, 1, NULL);

    expect(set, "192.0.2.1", "", "a@example.net", RULE_MATCH, 1);
    expect(set, "[2001:db8::1]", "", "a@example.net", RULE_MATCH, 1);
    expect(set, "[::ffff:192.0.2.1]", "", "a@example.net", RULE_MATCH, 1);
    rule_set_free(&set);
}

Test(rule_match, SR01_patterns)
{
    static const struct {
        const char *pattern, *address;
        bool matches;
    } rows[] = {
        { "*", "a@b", true },
        { "*", "", true },
        { "<>", "", true },
        { "<>", "a@b", false },
        { "*@example.net", "a@example.net", true },
        { "*@example.net", "a@EXAMPLE.Net", true },
        { "*@example.net", "a@sub.example.net", false },
        { "*@example.net", "a@example.net.evil", false },
        { "*@example.net", "a@example.ne", false },
        { "*@example.net", "a@xexample.net", false },
        { "*@example.net", "a@example.net.", true },
        { "*@example.net", "", false },
        { "*@example.net", "\\\"x@y\\\"@example.net", true },
        { "*@example.net", "\\\"a@example.net\\\"@evil.example", false },
        { "user@*", "user@any.example", true },
        { "user@*", "USER@any.example", true },
        { "user@*", "users@any.example", false },
        { "user@*", "use@any.example", false },
        { "user@*", "", false },
        { "Bob@example.net", "bob@example.net", true },
        { "bob@example.net", "\\\"bob\\\"@example.net", true },
        { "bob@example.net", "\\\"b\\\\ob\\\"@example.net", true },
        { "bob@example.net", "bobby@example.net", false },
        { "bob@example.net", "bob@example.org", false },
        { "\\\"a b\\\"@example.net", "\\\"a b\\\"@example.net", true },
        { "*@b\xc3\xbc"
          "cher.example",
          "a@xn--bcher-kva.example", true },
        { "*@b\xc3\xbc"
          "cher.example",
          "a@XN--BCHER-KVA.example", true },
        { "*@b\xc3\xbc"
          "cher.example",
          "a@B\xc3\x9c"
          "CHER.example",
          true },
        { "*@xn--bcher-kva.example",
          "a@b\xc3\xbc"
          "cher.example",
          true },
        { "*@[10.0.0.1]", "a@[10.0.0.1]", true },
        { "*@[IPv6:::1]", "a@[ipv6:::1]", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256], wanted[128], *out = wanted;
        const char *rule = text;
        struct rule_set *set;

        for (const char *p = rows[i].address; *p != '\0'; p++) { /* C and JSON both escape */
            if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
                p++;
            *out++ = *p;
        }
        *out = '\0';
        (void)snprintf(text, sizeof(text), MATCH("'recipients': ['a@b'], 'senders': ['%s']"),
                       rows[i].pattern);
        set = set_of(&rule, 1, NULL);
        expect(set, "[::1]", wanted, "a@b", rows[i].matches ? RULE_MATCH : RULE_NO_MATCH,
               rows[i].matches);
        rule_set_free(&set);
        if (wanted[0] == '\0' || rows[i].pattern[0] == '<')
            continue;
        (void)snprintf(text, sizeof(text), MATCH("'recipients': ['%s'], 'clients': ['::1']"),
                       rows[i].pattern);
        set = set_of(&rule, 1, NULL);
        expect(set, "[::1]", "", wanted, rows[i].matches ? RULE_MATCH : RULE_NO_MATCH,
               rows[i].matches);
        rule_set_free(&set);
    }
}

Test(rule_match, SR03_no_enabled_rule)
{
    static const char *const rules[] = { "'enabled': false" };
    struct rule_set *set = set_of(rules, 1, NULL), *empty = set_of(NULL, 0, NULL);

    expect(set, "10.0.0.1", "", "a@example.net", RULE_NONE_ENABLED, 0);
    expect(empty, "10.0.0.1", "", "a@example.net", RULE_NONE_ENABLED, 0);
    expect(empty, "10.0.0.1", "", "postmaster", RULE_NO_POSTMASTER, 0);
    rule_set_free(&set);
    rule_set_free(&empty);
}

Test(rule_match, SR03_postmaster)
{
    static const char *const rules[] = {
        "", /* *@example.net */
        MATCH("'recipients': ['*'], 'clients': ['10.0.0.0/8']"),
    };
    static const struct {
        const char *client, *recipient;
        uint32_t id; /* 0: the setting's */
    } rows[] = {
        { "192.0.2.1", "postmaster", 0 },
        { "192.0.2.1", "PostMaster", 0 },
        { "192.0.2.1", "\"postmaster\"", 0 },
        { "192.0.2.1", "postmaster@example.net", 0 },
        { "10.0.0.1", "POSTMASTER@Example.Net", 0 },
        { "192.0.2.1", "postmaster@elsewhere.example", 0 }, /* no rule would carry it */
        { "10.0.0.1", "postmaster@elsewhere.example", 2 },  /* outbound, to another's postmaster */
        { "10.0.0.1", "postmasters@example.net", 1 },
        { "10.0.0.1", "postmaste@example.net", 1 },
    };
    struct rule_set *set = set_of(rules, 2, "admin@example.net");
    struct rule_set *unset = set_of(rules, 2, NULL);

    cr_expect_str_eq(set->postmaster, "admin@example.net");
    cr_expect_eq(set->postmaster_profile, 3);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(set, rows[i].client, "a@b", rows[i].recipient,
               rows[i].id == 0 ? RULE_POSTMASTER : RULE_MATCH, rows[i].id);
        expect(unset, rows[i].client, "a@b", rows[i].recipient,
               rows[i].id == 0 ? RULE_NO_POSTMASTER : RULE_MATCH, rows[i].id);
    }
    rule_set_free(&set);
    rule_set_free(&unset);
}

Test(rule_match, a_client_that_is_no_ip_address_matches_nothing)
{
    static const char *const rules[] = { "" };
    struct rule_set *set = set_of(rules, 1, NULL);
    struct sockaddr local = { .sa_family = AF_UNIX };
    const struct rule *rule = NULL;

    cr_expect_eq(rule_set_match(set, &local, "", "a@example.net", &rule), RULE_NO_MATCH);
    cr_expect_eq(rule_set_match(set, NULL, "", "a@example.net", &rule), RULE_NO_MATCH);
    rule_set_free(&set);
}

Test(rule_match, hostile_addresses_are_only_compared)
{
    static const char *const rules[] = { "" };
    struct rule_set *set = set_of(rules, 1, NULL);
    static const char *const odd[] = { "@",    "@@",     "\"",     "\"\"",       "\"@example.net",
                                       "a@",   "\"\\\"", "\"\\",   "a@\xff\xff", "\xff@\xc3",
                                       "\"a@", "\"\"@b", "a@....", "." };
    char large[5000];

    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        expect(set, "10.0.0.1", odd[i], odd[i],
               strcmp(odd[i], "\"@example.net") == 0 ? RULE_MATCH : RULE_NO_MATCH,
               strcmp(odd[i], "\"@example.net") == 0);
    /* Non-ASCII that maps to a name with a bad label: compared as it came. */
    expect(set, "10.0.0.1", "", "a@example.net\xe3\x80\x82-\xc3\xa4", RULE_NO_MATCH, 0);
    memset(large, 'a', sizeof(large));
    large[0] = '"';
    memcpy(large + 4900, "\"@example.net", 14);
    expect(set, "10.0.0.1", large, large, RULE_MATCH, 1);
    rule_set_free(&set);
}

Test(rule_match, OP09_a_set_of_another_format_is_refused)
{
    static const char *const bad[][2] = {
        { "{}", "format" },
        { "{'v': 2, 'version': 1}", "format 2" },
        { "{'v': 1, 'version': 1, 'rules': []}", "settings" },
        { "{'v': 1, 'version': 1, 'settings': {'postmaster': null, 'postmaster_profile': 0}}",
          "rules" },
        { "{'v': 1, 'version': 1, 'rules': [{}],"
          " 'settings': {'postmaster': null, 'postmaster_profile': 0}}",
          "rules[0]" },
        { "{'v': 1, 'version': 1, 'rules': [],"
          " 'settings': {'postmaster': 1, 'postmaster_profile': 0}}",
          "postmaster" },
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        json_t *json = json_of(bad[i][0]);
        struct rule_set *set = NULL;
        struct reason why = { "" };

        cr_expect_eq(rule_set_from_json(json, &set, &why), -EBADMSG, "%s", bad[i][0]);
        cr_expect_null(set);
        cr_expect(strstr(why.text, bad[i][1]) != NULL, "%s: %s", bad[i][0], why.text);
        json_decref(json);
    }
}
