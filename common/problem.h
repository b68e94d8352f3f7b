/* common/problem.h: everything that is wrong with an input, at once.
 *
 * One entry per mistake: {property, value, problem, allowed}. Warnings have the same shape and
 * never block. A secret's value is never put in: it shows as "(secret)". */
#ifndef COMMON_PROBLEM_H
#define COMMON_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct problems {
    json_t *errors; /* arrays of objects, at most 200 each */
    json_t *warnings;
    bool out_of_memory; /* an entry was lost: counts as an error */
};

/* 0 or -ENOMEM. */
int problems_init(struct problems *problems);
void problems_done(struct problems *problems);

/* `property` is a path as a person would write it: "pool.size", "servers[2]". `value` is borrowed
 * and cut at 200 bytes when it is a long string; an object shows as "(object)", a list as
 * "(list)"; NULL: left out. */
void problem_add(struct problems *problems, const char *property, const json_t *value,
                 const char *allowed, const char *problem, ...)
    __attribute__((format(printf, 5, 6)));
void warning_add(struct problems *problems, const char *property, const json_t *value,
                 const char *allowed, const char *problem, ...)
    __attribute__((format(printf, 5, 6)));

/* What is wrong with a text that is no JSON, without the piece of the text that jansson quotes: it
 * may be of a secret (SP60). Cuts `error` and returns its text. */
const char *problem_of_json(json_error_t *error);

bool problems_any(const struct problems *problems); /* errors, not warnings */

#endif
