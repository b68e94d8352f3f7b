/* master/control/test_message.c: a message that an operator sends to see one go through.
 *
 * It takes the way that mail of this sender to this recipient would take: the same match of the
 * rules finds it, and it is queued as that rule's, with scan, upload and relay. Only the door is
 * not tried. If the rule uploads, there is something in it to upload. */
#include "master/control/call.h"
#include "master/control/control_private.h"
#include "master/control/routes.h"
#include "master/control/which.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/rule.h"
#include "master/composer.h"

#define HERE      "127.0.0.1" /* whose mail it is taken for, unless said otherwise */
#define FILE_NAME "postern-test.txt"
#define FILE_TEXT                                                                            \
    "This file is part of a test message of a mail gateway, for what uploads attachments.\n" \
    "There is nothing else in it.\n"

struct test_message {
    struct call *call;
    const char *from, *to, *client; /* the call's, as the next */
    uint32_t rule, profile;
    bool has_file;
    /* As they were when it was sent. The mailbox is `to`, or the one for postmaster. */
    char *mailbox, *rule_name, *profile_name;
};

static void test_free(struct test_message *test)
{
    free(test->mailbox);
    free(test->rule_name);
    free(test->profile_name);
    free(test);
}

/* ---- what is asked for ---- */

static bool knows_members(struct call *call)
{
    const char *name;
    json_t *value;

    json_object_foreach (call->body, name, value) {
        if (strcmp(name, "to") == 0 || strcmp(name, "from") == 0 || strcmp(name, "client") == 0)
            continue;
        call_refuse(call, 422, "invalid", "%.64s: to, from and client are known", name);
        return false;
    }
    return true;
}

/* One text; `fallback` if it is not there, NULL: it must be. false: refused. */
static bool read_text(struct call *call, const char *name, const char *fallback,
                      const char **ret_text)
{
    const json_t *value = json_object_get(call->body, name);

    *ret_text = value ? json_string_value(value) : fallback;
    if (*ret_text && (!value || strlen(*ret_text) == json_string_length(value)))
        return true;
    call_refuse(call, 422, "invalid", "%s: a text is expected", name);
    return false;
}

static bool is_mailbox(struct call *call, const char *name, const char *text)
{
    struct reason why = { "" };

    if (rule_mailbox_check(text, &why) == 0)
        return true;
    call_refuse(call, 422, "invalid", "%s: %.64s: %s", name, text, why.text);
    return false;
}

static bool read_request(struct call *call, struct test_message *test, struct address *ret_client)
{
    if (!knows_members(call) || !read_text(call, "to", NULL, &test->to) ||
        !read_text(call, "from", call->control->own_address, &test->from) ||
        !read_text(call, "client", HERE, &test->client) || !is_mailbox(call, "to", test->to) ||
        (*test->from && !is_mailbox(call, "from", test->from)))
        return false;
    if (address_parse(test->client, 25, ret_client) == 0)
        return true;
    call_refuse(call, 422, "invalid", "client: %.64s is no IP address", test->client);
    return false;
}

/* ---- its way ---- */

static void refuse_unmatched(struct call *call, const struct which *which)
{
    call_refuse_with(call, 409, "no_rule",
                     json_pack("{s:o}", "which", which_answer(call->control, which)),
                     "no rule would take this message");
}

/* false: refused. */
static bool find_way(struct call *call, struct test_message *test, const struct address *client)
{
    const struct registry *registry = call->control->registry;
    const struct rule_set *set = registry_rules(registry);
    const struct which which = { &client->sa, test->from, test->to };
    const struct rule *rule = NULL;
    const struct profile *profile;
    const enum rule_verdict verdict =
        rule_set_match(set, which.client, which.sender, which.recipient, &rule);

    if (verdict != RULE_MATCH && verdict != RULE_POSTMASTER) {
        refuse_unmatched(call, &which);
        return false;
    }
    test->rule = verdict == RULE_MATCH ? rule->id : 0;
    test->profile = verdict == RULE_MATCH ? rule->relay : set->postmaster_profile;
    test->has_file = verdict == RULE_MATCH && rule->vault != 0;
    profile = registry_profile(registry, test->profile);
    test->mailbox = strdup(verdict == RULE_MATCH ? test->to : set->postmaster);
    test->rule_name = strdup(verdict == RULE_MATCH ? rule->name : "postmaster");
    test->profile_name = strdup(profile ? profile->name : "");
    if (test->mailbox && test->rule_name && test->profile_name)
        return true;
    call_refuse_memory(call);
    return false;
}

/* ---- the answer ---- */

static void refuse(struct call *call, int err)
{
    if (err == -EINVAL)
        call_refuse(call, 422, "invalid", "to, from: must be in ASCII, without < > ( ) , ;");
    else
        call_refuse(call, 503, "busy", "the message could not be stored: %s", strerror(-err));
}

static void on_composed(int err, uint64_t id, void *arg)
{
    struct test_message *test = arg;
    struct call *call = test->call;
    char text[ID_TEXT_SIZE], detail[512];

    if (err == 0) {
        (void)snprintf(detail, sizeof(detail), "to %.254s by rule %.200s", test->mailbox,
                       test->rule_name);
        registry_audit_add(call->control->registry, &call->actor, "test message", id_text(id, text),
                           detail);
        call_answer(call, 202,
                    json_pack("{s:s, s:s, s:s, s:s}", "id", id_text(id, text), "to", test->mailbox,
                              "rule", test->rule_name, "profile", test->profile_name));
    } else {
        refuse(call, err);
    }
    test_free(test);
}

/* free(). NULL: no memory. */
static char *make_text(const struct test_message *test, const char *hostname)
{
    char now[CLOCK_TEXT_SIZE], *text = NULL;

    if (asprintf(&text,
                 "This is a test message of the mail gateway %s.\n"
                 "Nobody needs to answer it.\n\n"
                 "Asked for:  %s\n"
                 "As mail of: %s\n"
                 "From:       <%s>\n"
                 "To:         <%s>\n"
                 "By rule:    %s\n"
                 "Relayed by: %s\n",
                 hostname, clock_text(clock_wall_ms(), now), test->client, test->from, test->to,
                 test->rule_name, test->profile_name) < 0)
        return NULL;
    return text;
}

static int compose(struct test_message *test)
{
    const struct control *control = test->call->control;
    const char *hostname = strchr(control->own_address, '@') + 1;
    const char *recipients[] = { test->mailbox };
    char subject[128], *text = make_text(test, hostname);
    struct composer_mail mail = { .sender = test->from,
                                  .from = *test->from ? test->from : control->own_address,
                                  .recipients = recipients,
                                  .recipient_count = 1,
                                  .profile = test->profile,
                                  .rule = test->rule,
                                  .subject = subject,
                                  .text = text };
    int err;

    if (!text)
        return -ENOMEM;
    (void)snprintf(subject, sizeof(subject), "Test message of %.100s", hostname);
    if (test->has_file) {
        mail.file_name = FILE_NAME;
        mail.file_text = FILE_TEXT;
    }
    err = control->backend.compose(control->backend.self, &mail, on_composed, test);
    free(text);
    return err;
}

void serve_test_message(struct call *call)
{
    struct test_message *test = calloc(1, sizeof(*test));
    struct address client;
    int err;

    if (!test) {
        call_refuse_memory(call);
        return;
    }
    test->call = call;
    if (!read_request(call, test, &client) || !find_way(call, test, &client)) {
        test_free(test);
        return;
    }
    err = compose(test);
    if (err < 0)
        on_composed(err, 0, test);
}
