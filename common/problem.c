#include "common/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES  200U
#define TEXT_BYTES   512U /* before it is cut */
#define PROBLEMS_MAX 200U /* of each sort: an input is bounded, an answer should be too */

int problems_init(struct problems *problems)
{
    *problems = (struct problems){ .errors = json_array(), .warnings = json_array() };
    if (problems->errors != NULL && problems->warnings != NULL)
        return 0;
    problems_done(problems);
    return -ENOMEM;
}

void problems_done(struct problems *problems)
{
    json_decref(problems->errors);
    json_decref(problems->warnings);
    *problems = (struct problems){ 0 };
}

/* A JSON string of at most SHOWN_BYTES, cut between characters. */
static json_t *make_cut_string(const char *text)
{
    size_t length = strnlen(text, SHOWN_BYTES + 1);
    json_t *json;

    if (length > SHOWN_BYTES) {
        length = SHOWN_BYTES;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    json = json_stringn(text, length);
    return json != NULL ? json : json_string("(not UTF-8)");
}

/* A URI with user info and a private key in the wrong place are secrets that are refused: their
 * refusal must not print them. */
static json_t *make_scrubbed_string(const char *text)
{
    const char *scheme = strstr(text, "://"), *at = strrchr(text, '@');
    const char *rest = scheme != NULL ? scheme + 3 : text;
    char shown[SHOWN_BYTES + 64];

    if (strstr(text, "PRIVATE KEY") != NULL)
        return json_string("(secret)");
    if (at == NULL || at < rest ||
        (scheme == NULL && memchr(text, ':', (size_t)(at - text)) == NULL))
        return make_cut_string(text);
    (void)snprintf(shown, sizeof(shown), "%.*s(secret)%s",
                   (int)(rest - text < 16 ? rest - text : 0), text, at);
    return make_cut_string(shown);
}

/* An object or a list is not shown: whatever it holds may be a secret, misplaced. */
static json_t *make_value(const json_t *value)
{
    if (json_is_string(value))
        return make_scrubbed_string(json_string_value(value));
    if (json_is_object(value))
        return json_string("(object)");
    if (json_is_array(value))
        return json_string("(list)");
    return json_incref((json_t *)value);
}

static bool add(json_t *list, const char *property, const json_t *value, const char *allowed,
                const char *text)
{
    json_t *entry;

    if (json_array_size(list) >= PROBLEMS_MAX)
        return true;
    entry = json_pack("{s:o, s:o*, s:o, s:o*}", "property", make_cut_string(property), "value",
                      value != NULL ? make_value(value) : NULL, "problem", make_cut_string(text),
                      "allowed", allowed != NULL ? json_string(allowed) : NULL);
    return json_array_append_new(list, entry) == 0;
}

void problem_add(struct problems *problems, const char *property, const json_t *value,
                 const char *allowed, const char *problem, ...)
{
    char text[TEXT_BYTES];
    va_list args;

    va_start(args, problem);
    (void)vsnprintf(text, sizeof(text), problem, args);
    va_end(args);
    if (!add(problems->errors, property, value, allowed, text))
        problems->out_of_memory = true;
}

void warning_add(struct problems *problems, const char *property, const json_t *value,
                 const char *allowed, const char *problem, ...)
{
    char text[TEXT_BYTES];
    va_list args;

    va_start(args, problem);
    (void)vsnprintf(text, sizeof(text), problem, args);
    va_end(args);
    if (!add(problems->warnings, property, value, allowed, text))
        problems->out_of_memory = true;
}

bool problems_any(const struct problems *problems)
{
    return problems->out_of_memory || json_array_size(problems->errors) > 0;
}

const char *problem_of_json(json_error_t *error)
{
    char *quoted = strstr(error->text, " near '");

    if (quoted != NULL)
        *quoted = '\0';
    return error->text;
}
