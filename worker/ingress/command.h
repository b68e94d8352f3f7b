/* worker/ingress/command.h: command lines, as they lie in the input. Pure. */
#ifndef WORKER_INGRESS_COMMAND_H
#define WORKER_INGRESS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;

/* RFC 5321 has 512; the extensions raise it: SIZE, BODY, and later DSN, SMTPUTF8 and AUTH. */
#define COMMAND_LINE_MAX 2048

enum command_line {
    COMMAND_LINE_NONE, /* no line yet */
    COMMAND_LINE_OK,
    COMMAND_LINE_LONG, /* too long; what there was of it is gone, and the rest is to be skipped */
    COMMAND_LINE_BARE, /* a bare CR, a bare LF or a NUL in it (MQ04) */
};

/* Takes the next line off `input` into `line`, which holds COMMAND_LINE_MAX + 1 bytes, without its
 * CRLF and with a NUL. */
enum command_line command_take_line(struct evbuffer *input, char *line);

/* Throws away input up to and including the next CRLF. Returns whether it was there. */
bool command_skip_line(struct evbuffer *input);

enum command_verb {
    COMMAND_EHLO,
    COMMAND_HELO,
    COMMAND_MAIL,
    COMMAND_RCPT,
    COMMAND_DATA,
    COMMAND_RSET,
    COMMAND_NOOP,
    COMMAND_QUIT,
    COMMAND_VRFY,
    COMMAND_STARTTLS,
    COMMAND_KNOWN,   /* a verb of SMTP that this server does not have */
    COMMAND_UNKNOWN, /* no verb */
    COMMAND_VERB_COUNT
};

/* Cuts trailing blanks off the line and tells its verb; *ret_argument is what follows it. For MAIL
 * and RCPT that is what follows the colon, and NULL if "FROM:" or "TO:" is missing. */
enum command_verb command_parse(char *line, const char **ret_argument);

const char *command_verb_name(enum command_verb verb);

/* Whether `name` may stand for a client's name: a host name or an address literal, read laxly. */
bool command_is_helo_name(const char *name);

#endif
