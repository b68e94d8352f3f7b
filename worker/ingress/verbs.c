/* worker/ingress/verbs.c: which verb may come when, and the verbs that need no file of their own.
 */
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/conf.h"
#include "worker/ingress/command.h"
#include "worker/ingress/ingress_private.h"
#include "worker/stream.h"

#define IN(state) (1U << SESSION_##state)
#define ANYWHERE  (IN(START) | IN(READY) | IN(MAIL) | IN(RCPT))
#define GREETED   (IN(READY) | IN(MAIL) | IN(RCPT))

static const struct row {
    session_verb *run;
    unsigned states;                   /* where it may come */
    const char *too_early, *otherwise; /* in SESSION_START, and in the other states */
} rows[COMMAND_VERB_COUNT] = {
    [COMMAND_EHLO] = { do_ehlo, ANYWHERE, NULL, NULL },
    [COMMAND_HELO] = { do_helo, ANYWHERE, NULL, NULL },
    [COMMAND_MAIL] = { do_mail, IN(READY), "503 5.5.1 Say EHLO first",
                       "503 5.5.1 Sender already given" },
    [COMMAND_RCPT] = { do_rcpt, IN(MAIL) | IN(RCPT), "503 5.5.1 Say EHLO first",
                       "503 5.5.1 Say MAIL first" },
    [COMMAND_DATA] = { do_data, IN(MAIL) | IN(RCPT), "503 5.5.1 Say EHLO first",
                       "503 5.5.1 Say MAIL first" },
    [COMMAND_RSET] = { do_rset, ANYWHERE, NULL, NULL },
    [COMMAND_NOOP] = { do_noop, ANYWHERE, NULL, NULL },
    [COMMAND_QUIT] = { do_quit, ANYWHERE, NULL, NULL },
    [COMMAND_VRFY] = { do_vrfy, ANYWHERE, NULL, NULL },
    [COMMAND_STARTTLS] = { do_starttls, IN(READY), "503 5.5.1 Say EHLO first",
                           "503 5.5.1 Not within a transaction" },
    [COMMAND_KNOWN] = { NULL, 0, "502 5.5.1 Command not implemented",
                        "502 5.5.1 Command not implemented" },
    [COMMAND_UNKNOWN] = { NULL, 0, "500 5.5.2 Command not recognized",
                          "500 5.5.2 Command not recognized" },
};

static enum session_state run_command(struct session *s, char *line)
{
    const char *argument;
    enum command_verb verb = command_parse(line, &argument);
    const struct row *row = &rows[verb];

    if ((row->states & 1U << s->state) == 0) {
        /* Not the line itself: it may be a password for an AUTH that is not there. */
        session_refuse(s, command_verb_name(verb),
                       s->state == SESSION_START ? row->too_early : row->otherwise);
        return s->state;
    }
    return row->run(s, argument);
}

bool session_take_command(struct session *s, enum session_state *ret_next)
{
    struct evbuffer *in = stream_input(s->stream);
    char line[COMMAND_LINE_MAX + 1];

    *ret_next = s->state;
    if (s->is_skipping) {
        if (!command_skip_line(in))
            return false;
        s->is_skipping = false;
        session_refuse(s, NULL, "500 5.5.2 Line too long");
        return true;
    }
    switch (command_take_line(in, line)) {
    case COMMAND_LINE_NONE: return false;
    case COMMAND_LINE_LONG: s->is_skipping = true; return true;
    case COMMAND_LINE_BARE:
        /* Who writes such lines may mean a second message by them: no further word with it. */
        session_refuse(s, NULL, "521 5.5.2 Bare CR, bare LF or NUL in a command, closing");
        *ret_next = SESSION_CLOSED;
        return true;
    case COMMAND_LINE_OK: break;
    }
    *ret_next = run_command(s, line);
    return true;
}

/* ---- introductions: RFC 2034 has no enhanced codes here ---- */

static bool take_name(struct session *s, const char *name, const char *verb)
{
    char line[64];

    if (!command_is_helo_name(name)) {
        snprintf(line, sizeof(line), "501 Syntax: %s hostname", verb);
        session_refuse(s, name, line);
        return false;
    }
    snprintf(s->helo, sizeof(s->helo), "%s", name);
    return true;
}

enum session_state do_ehlo(struct session *s, const char *argument)
{
    if (!take_name(s, argument, "EHLO"))
        return s->state;
    s->is_esmtp = true;
    session_reply(s, s->ingress->ehlo_reply);
    session_reply(s, ingress_offers_tls(s->ingress) && !s->is_secured
                         ? "250-ENHANCEDSTATUSCODES\r\n250 STARTTLS"
                         : "250 ENHANCEDSTATUSCODES");
    return SESSION_READY;
}

enum session_state do_helo(struct session *s, const char *argument)
{
    if (!take_name(s, argument, "HELO"))
        return s->state;
    s->is_esmtp = false;
    session_replyf(s, "250 %s", s->ingress->conf->top_hostname);
    return SESSION_READY;
}

/* ---- the small ones ---- */

enum session_state do_rset(struct session *s, const char *argument)
{
    if (*argument != '\0') {
        session_refuse(s, argument, "501 5.5.4 RSET takes no argument");
        return s->state;
    }
    session_reply(s, "250 2.0.0 Ok");
    return s->state == SESSION_START ? SESSION_START : SESSION_READY;
}

enum session_state do_noop(struct session *s, const char *argument)
{
    (void)argument;
    session_reply(s, "250 2.0.0 Ok");
    return s->state;
}

enum session_state do_quit(struct session *s, const char *argument)
{
    (void)argument;
    session_reply(s, "221 2.0.0 Bye");
    return SESSION_CLOSED;
}

enum session_state do_vrfy(struct session *s, const char *argument)
{
    if (*argument == '\0')
        session_refuse(s, NULL, "501 5.5.4 Syntax: VRFY address");
    else
        session_reply(s, "252 2.5.0 Cannot verify, but will take mail for those it has rules for");
    return s->state;
}
