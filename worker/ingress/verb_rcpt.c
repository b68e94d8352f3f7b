/* worker/ingress/verb_rcpt.c: RCPT TO: who gets the message, and by which rule (SR03, SR04). */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/conf.h"
#include "common/rule.h"
#include "worker/directory.h"
#include "worker/ingress/ingress_private.h"
#include "worker/ingress/path.h"
#include "worker/stream.h"

static const char *refusal_of_path(enum path_verdict verdict, const struct path *path)
{
    switch (verdict) {
    case PATH_OK: return path->bytes > 0 ? NULL : "501 5.1.3 Bad recipient address: empty";
    case PATH_ROUTED:
    case PATH_TWICE: return "550 5.7.1 Routing through this host is refused";
    case PATH_NOT_ASCII: return "553 5.6.7 Address needs SMTPUTF8, which is not offered";
    case PATH_TOO_LONG: return "501 5.1.3 Recipient address too long";
    case PATH_BAD: break;
    }
    return "501 5.1.3 Bad recipient address, syntax: RCPT TO:<user@domain>";
}

/* *recipient is changed to the mailbox that postmaster's mail goes to. */
static const char *find_rule(struct session *s, const char **recipient, uint32_t *ret_rule,
                             uint32_t *ret_profile)
{
    const struct rule_set *rules = directory_rules(s->ingress->directory);
    const struct rule *rule = NULL;

    switch (rule_set_match(rules, stream_peer(s->stream), transaction_sender(&s->transaction),
                           *recipient, &rule)) {
    case RULE_MATCH:
        *ret_rule = rule->id;
        *ret_profile = rule->relay;
        return NULL;
    case RULE_POSTMASTER:
        *ret_rule = 0;
        *ret_profile = rules->postmaster_profile;
        *recipient = rules->postmaster;
        return NULL;
    case RULE_NO_POSTMASTER: return "451 4.3.5 No mailbox for postmaster is set up yet, try later";
    case RULE_NONE_ENABLED: return "451 4.3.5 No rule is set up yet, try later";
    case RULE_NO_MATCH: break;
    }
    return "550 5.7.1 No rule takes mail for this recipient from you";
}

/* NULL, or the refusal. */
static const char *take_recipient(struct session *s, const char *argument)
{
    struct transaction *tx = &s->transaction;
    char address[ENVELOPE_MAX_ADDRESS];
    const char *recipient = address;
    uint32_t rule, profile;
    const char *rest = "", *refusal;
    struct parameter parameter;
    struct path path;
    int err;

    if (argument == NULL)
        return "501 5.5.4 Syntax: RCPT TO:<address>";
    refusal = refusal_of_path(path_parse(argument, &path, &rest), &path);
    if (refusal != NULL)
        return refusal;
    switch (parameter_next(&rest, &parameter)) {
    case PARAMETER_NONE: break;
    case PARAMETER_BAD: return "501 5.5.4 Bad parameter";
    case PARAMETER_OK: return "555 5.5.4 Parameter not recognized";
    }
    if (tx->recipient_count >= (uint64_t)s->ingress->conf->smtp_max_recipients)
        return "452 4.5.3 Too many recipients";
    path_copy(&path, address);
    if (!path.has_domain && strcasecmp(address, "postmaster") != 0)
        return "501 5.1.3 Recipient address needs a domain";
    refusal = find_rule(s, &recipient, &rule, &profile);
    if (refusal != NULL)
        return refusal;
    err = transaction_add(tx, recipient, strlen(recipient), rule, profile);
    if (err == -E2BIG)
        return "452 4.5.3 Too many recipients";
    return err < 0 ? "452 4.3.1 No memory for another recipient now, try later" : NULL;
}

enum session_state do_rcpt(struct session *s, const char *argument)
{
    const char *refusal = take_recipient(s, argument);

    if (refusal != NULL) {
        session_refuse_mail(s, argument, refusal);
        return s->state;
    }
    session_reply(s, "250 2.1.5 Ok");
    return SESSION_RCPT;
}
