#include "worker/ingress/command.h"

#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

static const struct verb {
    const char *name;
    const char *keyword; /* must follow the verb */
} verbs[COMMAND_VERB_COUNT] = {
    [COMMAND_EHLO] = { "EHLO", NULL },    [COMMAND_HELO] = { "HELO", NULL },
    [COMMAND_MAIL] = { "MAIL", "FROM:" }, [COMMAND_RCPT] = { "RCPT", "TO:" },
    [COMMAND_DATA] = { "DATA", NULL },    [COMMAND_RSET] = { "RSET", NULL },
    [COMMAND_NOOP] = { "NOOP", NULL },    [COMMAND_QUIT] = { "QUIT", NULL },
    [COMMAND_VRFY] = { "VRFY", NULL },    [COMMAND_STARTTLS] = { "STARTTLS", NULL },
    [COMMAND_KNOWN] = { "other", NULL },  [COMMAND_UNKNOWN] = { "unknown", NULL },
};

static const char *const known[] = { "EXPN", "HELP", "TURN", "ETRN", "SEND", "SOML",
                                     "SAML", "AUTH", "BDAT", "LHLO", "ATRN" };

/* The beginning of the input in one piece: *ret_bytes of it, up to the longest line. */
static const char *first_piece(struct evbuffer *input, size_t *ret_bytes)
{
    size_t all = evbuffer_get_length(input);
    size_t bytes = evbuffer_get_contiguous_space(input);
    const char *data = (const char *)evbuffer_pullup(input, (ev_ssize_t)bytes);

    if (bytes < all && bytes < COMMAND_LINE_MAX &&
        (data == NULL || memchr(data, '\n', bytes) == NULL)) {
        bytes = all < COMMAND_LINE_MAX ? all : COMMAND_LINE_MAX;
        data = (const char *)evbuffer_pullup(input, (ev_ssize_t)bytes);
    }
    *ret_bytes = bytes < COMMAND_LINE_MAX ? bytes : COMMAND_LINE_MAX;
    return data;
}

enum command_line command_take_line(struct evbuffer *input, char *line)
{
    size_t bytes, length;
    const char *data = first_piece(input, &bytes);
    const char *end = data != NULL ? memchr(data, '\n', bytes) : NULL;

    if (end == NULL && bytes < COMMAND_LINE_MAX)
        return COMMAND_LINE_NONE;
    if (end == NULL) {
        /* The last byte stays: it may be the CR of the CRLF that is looked for. */
        evbuffer_drain(input, bytes - 1);
        return COMMAND_LINE_LONG;
    }
    length = (size_t)(end - data);
    memcpy(line, data, length);
    evbuffer_drain(input, length + 1);
    if (length == 0 || line[length - 1] != '\r')
        return COMMAND_LINE_BARE;
    length--;
    line[length] = '\0';
    if (memchr(line, '\r', length) != NULL || strlen(line) != length)
        return COMMAND_LINE_BARE;
    return COMMAND_LINE_OK;
}

bool command_skip_line(struct evbuffer *input)
{
    struct evbuffer_ptr end = evbuffer_search(input, "\r\n", 2, NULL);
    size_t all = evbuffer_get_length(input);

    if (end.pos >= 0)
        evbuffer_drain(input, (size_t)end.pos + 2);
    else if (all > 1)
        evbuffer_drain(input, all - 1);
    return end.pos >= 0;
}

static enum command_verb find_verb(const char *text, size_t bytes)
{
    for (int verb = 0; verb < COMMAND_KNOWN; verb++) {
        if (strlen(verbs[verb].name) == bytes && strncasecmp(text, verbs[verb].name, bytes) == 0)
            return (enum command_verb)verb;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i]) == bytes && strncasecmp(text, known[i], bytes) == 0)
            return COMMAND_KNOWN;
    }
    return COMMAND_UNKNOWN;
}

enum command_verb command_parse(char *line, const char **ret_argument)
{
    size_t length = strlen(line), verb_bytes = strcspn(line, " ");
    enum command_verb verb = find_verb(line, verb_bytes);
    const char *argument;

    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    argument = verb_bytes < length ? line + verb_bytes : line + length;
    argument += strspn(argument, " ");
    if (verbs[verb].keyword != NULL) {
        size_t bytes = strlen(verbs[verb].keyword);
        bool is_there = strncasecmp(argument, verbs[verb].keyword, bytes) == 0;

        argument = is_there ? argument + bytes : NULL;
    }
    *ret_argument = argument;
    return verb;
}

const char *command_verb_name(enum command_verb verb)
{
    return verbs[verb].name;
}

bool command_is_helo_name(const char *name)
{
    size_t bytes = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789.-_:[]");

    return bytes > 0 && bytes <= 255 && name[bytes] == '\0';
}
