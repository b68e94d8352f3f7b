/* Whatever a client writes in place of commands: lines, verbs, paths and parameters.
 *
 * The first byte says how the rest is cut into pieces. What must hold: no line contains CR, LF or
 * NUL; nothing is lost or read twice; an address that was read reads as itself again, and cannot
 * smuggle anything out of its angle brackets. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/envelope.h"
#include "worker/ingress/command.h"
#include "worker/ingress/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_path(const char *argument)
{
    char address[ENVELOPE_MAX_ADDRESS], bracketed[ENVELOPE_MAX_ADDRESS + 3];
    struct path path, again;
    struct parameter parameter;
    const char *rest;
    enum path_verdict verdict = path_parse(argument, &path, &rest);
    enum parameter_verdict next;

    if (verdict == PATH_BAD || verdict == PATH_NOT_ASCII || verdict == PATH_TOO_LONG)
        return;
    require(path.bytes < ENVELOPE_MAX_ADDRESS);
    require(path.bytes == 0 ||
            (path.mailbox >= argument && path.mailbox + path.bytes <= argument + strlen(argument)));
    require(*rest == '\0' || *rest == ' ');
    path_copy(&path, address);
    require(strlen(address) == path.bytes);
    for (size_t i = 0; i < path.bytes; i++)
        require(address[i] >= ' ' && address[i] < 0x7f);
    bracketed[0] = '<';
    memcpy(bracketed + 1, address, path.bytes);
    memcpy(bracketed + 1 + path.bytes, ">", 2);
    do {
        next = parameter_next(&rest, &parameter);
        require(next != PARAMETER_OK || parameter.name_bytes > 0);
    } while (next == PARAMETER_OK);
    require(path_parse(bracketed, &again, &rest) == verdict && *rest == '\0');
    require(again.bytes == path.bytes && memcmp(again.mailbox, path.mailbox, path.bytes) == 0);
}

static void check_line(char *line)
{
    size_t bytes = strlen(line);
    const char *argument;
    enum command_verb verb;

    require(bytes <= COMMAND_LINE_MAX);
    require(strpbrk(line, "\r\n") == NULL);
    verb = command_parse(line, &argument);
    require(command_verb_name(verb) != NULL);
    if (argument == NULL)
        return;
    require(argument >= line && argument <= line + bytes);
    (void)command_is_helo_name(argument);
    check_path(argument);
}

static void take_lines(struct evbuffer *input, int *is_skipping)
{
    char line[COMMAND_LINE_MAX + 1];

    for (;;) {
        size_t before = evbuffer_get_length(input);

        if (*is_skipping) {
            *is_skipping = !command_skip_line(input);
            if (*is_skipping)
                return;
            continue;
        }
        switch (command_take_line(input, line)) {
        case COMMAND_LINE_NONE:
            require(evbuffer_get_length(input) == before && before < COMMAND_LINE_MAX);
            return;
        case COMMAND_LINE_LONG: *is_skipping = 1; break;
        case COMMAND_LINE_BARE: break;
        case COMMAND_LINE_OK: check_line(line); break;
        }
        require(evbuffer_get_length(input) < before);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct evbuffer *input = evbuffer_new();
    size_t piece = size > 0 ? (size_t)data[0] * 8 + 1 : 1;
    int is_skipping = 0;

    for (size_t at = 1; at < size; at += piece) {
        size_t bytes = size - at < piece ? size - at : piece;

        evbuffer_add_reference(input, data + at, bytes, NULL, NULL);
        take_lines(input, &is_skipping);
    }
    evbuffer_free(input);
    return 0;
}
