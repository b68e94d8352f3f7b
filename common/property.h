/* common/property.h: a struct's editable properties as one table, and what follows from it.
 *
 * A row says what a property is called, which types of the object have it, where it is kept, its
 * default, its range and the feature that gives it effect. From the rows come the reading of an
 * editor's JSON with every mistake at once, the writing of JSON, and the list of what is not yet
 * in effect. What needs more than a row (names, lists, secrets) is PROPERTY_OWN: known here, so
 * that it is no unknown property, but read and written by the object's own module.
 *
 * A property inside an object is named "group.member" and its group has a row too, before it. */
#ifndef COMMON_PROPERTY_H
#define COMMON_PROPERTY_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/feature.h"
#include "common/problem.h"
#include "common/reason.h"

enum property_kind {
    PROPERTY_GROUP,
    PROPERTY_FLAG,     /* bool */
    PROPERTY_UNSIGNED, /* unsigned, min to max */
    PROPERTY_REAL,     /* double, min to max */
    PROPERTY_WORD,     /* an enum: the index into words; an empty word stands for "none given" */
    PROPERTY_TEXT,     /* char *, min to max bytes, no control characters; NULL: none */
    PROPERTY_SECRET,   /* char *, likewise; read by the module, its value never shown */
    PROPERTY_OWN,
    PROPERTY_READ_ONLY, /* accepted and passed over */
};

/* Checks a text and may replace it by its normalised form (free() the old one). 0 or negative.
 * On a PROPERTY_WORD it only has the reason to give for a word that is not in the list. */
typedef int property_check(char **text, struct reason *reterr_why);

struct property {
    const char *name;
    unsigned types; /* bit (1 << type) for each that has it */
    enum property_kind kind;
    enum feature feature; /* FEATURE_COUNT: needs none */
    size_t offset;
    double fallback, min, max;
    const char *const *words; /* NULL-terminated */
    property_check *check;
    const char *allowed; /* for people; NULL: made from the range or the words */
};

struct property_table {
    const struct property *rows;
    size_t count;
    const char *const *type_names;
    unsigned type_count;
};

#define PROPERTY_ALL_TYPES (~0U)
#define PROPERTY_NAME_SIZE 256

/* Reads everything but SECRET and OWN into `object`; left out or null is the default. Unknown
 * properties and those that `types` (bits) do not have are errors. Texts that `object` held are
 * not freed: it is a fresh one. */
void property_read(const struct property_table *table, unsigned types, const json_t *input,
                   void *object, struct problems *problems);

/* A text as a row of kind TEXT or SECRET would have it, in fresh memory; NULL with the errors. */
char *property_read_text(const struct property *row, const json_t *value,
                         struct problems *problems);

/* The value that an input has for "group.member": NULL if left out, JSON null if it or its whole
 * group is null. */
json_t *property_value(const json_t *input, const char *name);

/* What is given, which is neither left out nor null. */
bool property_is_given(const json_t *input, const char *name);

/* Writes everything but SECRET, OWN and READ_ONLY. 0 or -ENOMEM. */
int property_write(const struct property_table *table, unsigned types, const void *object,
                   json_t *out);

/* Every property that property_write() writes must be there: what we wrote ourselves has no
 * defaults. 0, or -EBADMSG with the reason. */
int property_read_record(const struct property_table *table, unsigned types, const json_t *record,
                         void *object, struct reason *reterr_why);

/* Appends the names of those that are set to something whose feature this build lacks. */
int property_list_not_in_effect(const struct property_table *table, unsigned types,
                                const void *object, json_t *names);

const struct property *property_find(const struct property_table *table, const char *name);

/* Frees the texts of kind TEXT. */
void property_clear(const struct property_table *table, void *object);

/* "smtp and core"; cut at `size`. */
const char *property_type_text(const struct property_table *table, unsigned types, char *out,
                               size_t size);

#endif
