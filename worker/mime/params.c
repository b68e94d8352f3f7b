#include "worker/mime/params.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"

struct tidy {
    char *out;
    size_t used;
};

static void put(struct tidy *tidy, char c)
{
    tidy->out[tidy->used++] = c;
}

/* From the opening quotation mark to behind the closing one. */
static const char *copy_string(struct tidy *tidy, const char *p)
{
    put(tidy, *p++);
    for (; *p != '\0' && *p != '"'; p++) {
        put(tidy, *p);
        if (*p != '\\')
            continue;
        if (p[1] == '"' || p[1] == '\\')
            put(tidy, *++p);
        else
            put(tidy, '\\');
    }
    put(tidy, '"');
    return *p == '"' ? p + 1 : p;
}

/* To the next semicolon outside of strings, or to the end. */
static const char *copy_parameter(struct tidy *tidy, const char *p, bool *ret_has_value)
{
    *ret_has_value = false;
    while (*p != '\0' && *p != ';') {
        if (*p == '"') {
            p = copy_string(tidy, p);
            continue;
        }
        *ret_has_value = *ret_has_value || *p == '=';
        put(tidy, *p++);
    }
    return p;
}

/* "name*0=" or "name*0*=" at the parameter that begins at `p`, behind its semicolon. */
static bool is_first_piece(const char *p)
{
    size_t bytes = strcspn(p, "=;\"");

    while (bytes > 0 && (p[bytes - 1] == ' ' || p[bytes - 1] == '\t'))
        bytes--;
    bytes -= bytes > 0 && p[bytes - 1] == '*';
    return bytes > 2 && p[bytes - 2] == '*' && p[bytes - 1] == '0';
}

/* Either the first pieces or all others. */
static void copy_parameters(struct tidy *tidy, const char *p, bool first_pieces)
{
    bool has_value;

    while (*p == ';') {
        const size_t before = tidy->used;
        const bool is_wanted = is_first_piece(p + 1) == first_pieces;

        put(tidy, ';');
        p = copy_parameter(tidy, p + 1, &has_value);
        if (!has_value || !is_wanted)
            tidy->used = before;
    }
}

char *mime_params_tidy(const char *field)
{
    /* A backslash may become two, what is not wanted is written for a while, and marks are added.
     */
    AUTO(free) char *out = malloc(4 * strlen(field) + 8);
    struct tidy tidy = { .out = out };
    bool has_value;
    const char *p;

    if (out == NULL)
        return NULL;
    p = copy_parameter(&tidy, field, &has_value); /* the type or disposition itself */
    copy_parameters(&tidy, p, true);
    copy_parameters(&tidy, p, false);
    put(&tidy, '\0');
    return TAKE_PTR(out);
}
