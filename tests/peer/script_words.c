#include "script_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static void skip_blanks(struct words *words)
{
    while (*words->rest == ' ' || *words->rest == '\t')
        words->rest++;
}

/* Length of the word that stands next, 0 at the end. */
static size_t peek(struct words *words)
{
    skip_blanks(words);
    return strcspn(words->rest, " \t");
}

char *words_next(struct words *words)
{
    size_t length = peek(words);
    char *word = words->rest;

    if (length == 0)
        return NULL;
    words->rest += length;
    if (*words->rest != '\0')
        *words->rest++ = '\0';
    return word;
}

bool words_take(struct words *words, const char *wanted)
{
    size_t length = peek(words);

    if (length != strlen(wanted) || strncmp(words->rest, wanted, length) != 0)
        return false;
    words->rest += length;
    return true;
}

char *words_rest(struct words *words)
{
    char *rest;

    skip_blanks(words);
    rest = words->rest;
    words->rest += strlen(rest);
    return rest;
}

bool words_are_over(const struct words *words)
{
    return words->rest[strspn(words->rest, " \t")] == '\0';
}

/* Moves past the digits; false: none stand there, or too many. */
static bool read_number(const char **at, unsigned *ret_number)
{
    unsigned long value = 0;
    const char *c = *at;

    while (isdigit((unsigned char)*c) && value < 400000000)
        value = value * 10 + (unsigned long)(*c++ - '0');
    if (c == *at || isdigit((unsigned char)*c))
        return false;
    *ret_number = (unsigned)value;
    *at = c;
    return true;
}

bool words_take_number(struct words *words, unsigned *ret_number)
{
    size_t length = peek(words);
    const char *at = words->rest;

    if (!read_number(&at, ret_number) || at != words->rest + length)
        return false;
    words->rest += length;
    return true;
}

bool words_take_range(struct words *words, struct script_range *ret_range)
{
    size_t length = peek(words);
    const char *at = words->rest, *end = words->rest + length;

    if (!read_number(&at, &ret_range->from))
        return false;
    ret_range->to = ret_range->from;
    if (at != end) {
        if (strncmp(at, "..", 2) != 0)
            return false;
        at += 2;
        ret_range->to = ~0U;
        if (at != end && (!read_number(&at, &ret_range->to) || at != end))
            return false;
    }
    words->rest += length;
    return ret_range->from > 0 && ret_range->from <= ret_range->to;
}

static int hex_octet(const char *digits)
{
    char two[3] = { digits[0], digits[0] == '\0' ? '\0' : digits[1], '\0' };

    if (!isxdigit((unsigned char)two[0]) || !isxdigit((unsigned char)two[1]))
        return -1;
    return (int)strtol(two, NULL, 16);
}

char *words_unescape(const char *text, size_t *ret_bytes)
{
    static const char letters[] = "rnt0\\", octets[] = "\r\n\t\0\\";
    char *made = malloc(strlen(text) + 1), *out = made;

    while (made != NULL && *text != '\0') {
        const char *found;
        int octet;

        if (*text != '\\') {
            *out++ = *text++;
            continue;
        }
        found = text[1] != '\0' ? strchr(letters, text[1]) : NULL;
        octet = found != NULL ? octets[found - letters] : text[1] == 'x' ? hex_octet(text + 2) : -1;
        if (octet < 0) {
            free(made);
            return NULL;
        }
        *out++ = (char)octet;
        text += found != NULL ? 2 : 4;
    }
    *ret_bytes = (size_t)(out - made);
    return made;
}
