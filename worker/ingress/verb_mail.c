/* worker/ingress/verb_mail.c: MAIL FROM: a transaction begins. */
#include <errno.h>
#include <stdlib.h>

#include "common/conf.h"
#include "worker/ingress/ingress_private.h"
#include "worker/ingress/path.h"

#define SIZE_DIGITS_MAX 20 /* RFC 1870 */

static const char *refusal_of_path(enum path_verdict verdict, const struct path *path)
{
    switch (verdict) {
    case PATH_OK:
    case PATH_ROUTED: /* "%" and "!" are letters like others, a second "@" is none */
        if (path->bytes > 0 && !path->has_domain)
            return "501 5.1.7 Sender address needs a domain";
        return NULL;
    case PATH_NOT_ASCII: return "553 5.6.7 Address needs SMTPUTF8, which is not offered";
    case PATH_TOO_LONG: return "501 5.1.7 Sender address too long";
    case PATH_TWICE:
    case PATH_BAD: break;
    }
    return "501 5.1.7 Bad sender address, syntax: MAIL FROM:<user@domain>";
}

static const char *take_size(const struct conf *conf, const struct parameter *parameter,
                             uint64_t *ret_bytes)
{
    uint64_t bytes = 0;

    if (parameter->value == NULL || parameter->value_bytes > SIZE_DIGITS_MAX)
        return "501 5.5.4 Syntax: SIZE=number";
    for (size_t i = 0; i < parameter->value_bytes; i++) {
        char c = parameter->value[i];

        if (c < '0' || c > '9')
            return "501 5.5.4 Syntax: SIZE=number";
        /* Twenty digits may be more than the type holds; what is beyond the limit is that anyway */
        if (bytes <= (uint64_t)conf->smtp_max_message_size)
            bytes = bytes * 10 + (uint64_t)(c - '0');
    }
    if (bytes > (uint64_t)conf->smtp_max_message_size)
        return "552 5.3.4 Message too big";
    *ret_bytes = bytes;
    return NULL;
}

/* NULL, or the refusal. */
static const char *take_parameters(const struct conf *conf, const char *rest, uint64_t *ret_bytes)
{
    struct parameter parameter;
    bool has_size = false, has_body = false;
    const char *refusal = NULL;

    *ret_bytes = 0;
    while (refusal == NULL) {
        switch (parameter_next(&rest, &parameter)) {
        case PARAMETER_NONE: return NULL;
        case PARAMETER_BAD: return "501 5.5.4 Bad parameter";
        case PARAMETER_OK: break;
        }
        if (parameter_is(&parameter, "SIZE") && !has_size) {
            has_size = true;
            refusal = take_size(conf, &parameter, ret_bytes);
        } else if (parameter_is(&parameter, "BODY") && !has_body) {
            /* Only a check: what the body needs on its way out is seen in the body itself. */
            has_body = true;
            if (!parameter_value_is(&parameter, "7BIT") &&
                !parameter_value_is(&parameter, "8BITMIME"))
                refusal = "501 5.5.4 Syntax: BODY=7BIT or BODY=8BITMIME";
        } else if (parameter_is(&parameter, "SIZE") || parameter_is(&parameter, "BODY")) {
            refusal = "501 5.5.4 Parameter given twice";
        } else {
            refusal = "555 5.5.4 Parameter not recognized";
        }
    }
    return refusal;
}

enum session_state do_mail(struct session *s, const char *argument)
{
    const struct conf *conf = s->ingress->conf;
    struct path path = { .mailbox = "" };
    const char *rest = "", *refusal;
    uint64_t bytes = 0;

    if (conf->smtp_max_messages > 0 && s->messages >= (uint64_t)conf->smtp_max_messages) {
        session_refuse(s, NULL, "421 4.7.0 Enough messages for one connection, closing");
        return SESSION_CLOSED;
    }
    if (argument == NULL)
        refusal = "501 5.5.4 Syntax: MAIL FROM:<address>";
    else
        refusal = refusal_of_path(path_parse(argument, &path, &rest), &path);
    if (refusal == NULL)
        refusal = take_parameters(conf, rest, &bytes);
    if (refusal == NULL && transaction_set_sender(&s->transaction, path.mailbox, path.bytes) < 0)
        refusal = "452 4.3.1 No memory for another message now, try later";
    if (refusal != NULL) {
        session_refuse_mail(s, argument, refusal);
        return SESSION_READY;
    }
    s->transaction.declared_bytes = bytes;
    session_reply(s, "250 2.1.0 Ok");
    return SESSION_MAIL;
}
