/* A message that an operator sends to see one go through: whose way it takes, and what it is. */
#include "tests/unit/control_fixture.h"

#include "common/clock.h"

#define VAULT \
    "{\"name\":\"Archive\",\"type\":\"vault\",\"servers\":[\"10.0.0.9\"],\"api_key\":\"k\"}"

static long long exchange, inbound, archived;

static long long put_rule(const char *body)
{
    ask("POST", "/rules", body);
    cr_assert_eq(last.status, 201, "%s", last.body);
    return number_at("rule.id");
}

/* For a.test from 10.0.0.0/8 only, for b.test from anywhere and with an upload. */
static void setup(void)
{
    start();
    exchange = put_profile(EXCHANGE);
    put_profile(VAULT);
    inbound = put_rule("{\"name\":\"Inbound\",\"relay\":\"Exchange\",\"match\":{"
                       "\"recipients\":[\"*@a.test\"],\"clients\":[\"10.0.0.0/8\"]}}");
    archived = put_rule("{\"name\":\"Archived\",\"relay\":\"Exchange\",\"vault\":\"Archive\","
                        "\"match\":{\"recipients\":[\"*@b.test\"]}}");
}

TestSuite(test_message, .init = setup, .fini = stop, .timeout = 30);

static int send_test(const char *body)
{
    return ask("POST", "/test-message", body);
}

/* An entry is on its way to the disk when the answer is. */
static void wait_audited(void)
{
    const int64_t until = clock_mono_ms() + WAIT_MS;

    do
        ASSERT_STATUS(ask("GET", "/audit?limit=1", NULL), 200);
    while (strcmp(text_at("entries.0.what"), "test message") != 0 && clock_mono_ms() < until);
    ASSERT_AT("entries.0.what", "test message");
}

Test(test_message, it_is_queued_by_the_rule_that_matches)
{
    char id[ID_TEXT_SIZE];

    ASSERT_STATUS(send_test("{\"to\":\"x@a.test\",\"from\":\"y@c.test\",\"client\":\"10.1.2.3\"}"),
                  202);
    ASSERT_AT("id", id_text(77, id));
    ASSERT_AT("to", "x@a.test");
    ASSERT_AT("rule", "Inbound");
    ASSERT_AT("profile", "Exchange");
    cr_assert_eq(fake.mail.rule, inbound);
    cr_assert_eq(fake.mail.profile, exchange);
    cr_assert_str_eq(fake.mail.sender, "y@c.test");
    cr_assert_str_eq(fake.mail.from, "y@c.test");
    cr_assert_str_eq(fake.mail.to, "x@a.test");
    cr_assert_str_eq(fake.mail.file, "", "nothing would be done with it");
    cr_assert(strncmp(fake.mail.subject, "Test message of ", 16) == 0 && fake.mail.subject[16]);
    for (size_t i = 0; i < 5; i++) {
        static const char *const parts[] = { "test message", "10.1.2.3", "<x@a.test>", "Inbound",
                                             "Exchange" };

        cr_assert(strstr(fake.mail.text, parts[i]), "%s: %s", parts[i], fake.mail.text);
    }
    wait_audited();
    ASSERT_AT("entries.0.object", id_text(77, id));
    ASSERT_AT("entries.0.detail", "to x@a.test by rule Inbound");
}

Test(test_message, where_the_rule_uploads_there_is_a_file)
{
    ASSERT_STATUS(send_test("{\"to\":\"x@b.test\"}"), 202);
    cr_assert_eq(fake.mail.rule, archived);
    cr_assert_str_eq(fake.mail.file, "postern-test.txt");
    cr_assert(strncmp(fake.mail.sender, "postmaster@", 11) == 0, "%s", fake.mail.sender);
    ASSERT_STATUS(send_test("{\"to\":\"x@b.test\",\"from\":\"\"}"), 202);
    cr_assert_str_eq(fake.mail.sender, "");
    cr_assert(strncmp(fake.mail.from, "postmaster@", 11) == 0, "%s", fake.mail.from);
}

Test(test_message, mail_that_no_rule_takes_is_not_sent)
{
    ASSERT_STATUS(send_test("{\"to\":\"x@a.test\"}"), 409);
    ASSERT_AT("code", "no_rule");
    ASSERT_AT("which.verdict", "refused");
    ASSERT_AT("which.reply", "550 5.7.1");
    ASSERT_AT("which.passed_over.0.because", "the client does not match");
    cr_assert_str_eq(fake.mail.to, "");
}

Test(test_message, SR03_postmaster_has_its_own_way)
{
    ASSERT_STATUS(send_test("{\"to\":\"postmaster@b.test\"}"), 409);
    ASSERT_AT("which.reply", "451 4.3.5");
    ASSERT_STATUS(
        ask_with("PUT", "/settings", "If-Match: *\r\n",
                 "{\"postmaster\":{\"mailbox\":\"admin@d.test\",\"profile\":\"Exchange\"}}"),
        200);
    ASSERT_STATUS(send_test("{\"to\":\"postmaster@b.test\"}"), 202);
    ASSERT_AT("rule", "postmaster");
    ASSERT_AT("to", "admin@d.test");
    cr_assert_eq(fake.mail.rule, 0);
    cr_assert_str_eq(fake.mail.to, "admin@d.test");
}

Test(test_message, what_makes_no_sense_is_refused)
{
    static const char *const bad[] = {
        "{}",
        "{\"to\":7}",
        "{\"to\":null}",
        "{\"to\":\"nobody\"}",
        "{\"to\":\"*@b.test\"}",
        "{\"to\":\"x@b.test\",\"from\":\"nobody\"}",
        "{\"to\":\"x@b.test\",\"from\":null}",
        "{\"to\":\"x@b.test\",\"client\":\"here\"}",
        "{\"to\":\"x@b.test\",\"subject\":\"s\"}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(send_test(bad[i]), 422, "%s: %s", bad[i], last.body);
        cr_expect_str_eq(fake.mail.to, "", "%s", bad[i]);
    }
}

Test(test_message, what_cannot_be_stored_is_said)
{
    static const struct {
        int err, late_err, status;
    } rows[] = { { -EAGAIN, 0, 503 }, { 0, -ENOSPC, 503 }, { 0, -EINVAL, 422 } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake.mail.err = rows[i].err;
        fake.mail.late_err = rows[i].late_err;
        cr_expect_eq(send_test("{\"to\":\"x@b.test\"}"), rows[i].status, "%zu: %s", i, last.body);
    }
    fake.mail.err = fake.mail.late_err = 0;
    ASSERT_STATUS(send_test("{\"to\":\"x@b.test\"}"), 202);
    wait_audited();
    ASSERT_STATUS(ask("GET", "/audit?limit=2", NULL), 200);
    cr_assert_str_neq(text_at("entries.1.what"), "test message", "one was sent");
}
