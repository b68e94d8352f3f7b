#include "common/property.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"

#define ALLOWED_SIZE 1024

static void *at(const struct property *row, const void *object)
{
    return (char *)object + row->offset;
}

const struct property *property_find(const struct property_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    }
    return NULL;
}

json_t *property_value(const json_t *input, const char *name)
{
    const char *dot = strchr(name, '.');
    char group[PROPERTY_NAME_SIZE];
    json_t *value;

    if (dot == NULL)
        return json_object_get(input, name);
    (void)snprintf(group, sizeof(group), "%.*s", (int)(dot - name), name);
    value = json_object_get(input, group);
    return json_is_object(value) ? json_object_get(value, dot + 1)
           : json_is_null(value) ? value
                                 : NULL;
}

bool property_is_given(const json_t *input, const char *name)
{
    const json_t *value = property_value(input, name);

    return value != NULL && !json_is_null(value);
}

/* ---- what is allowed, in words ---- */

/* "a, b or c": the last two are joined by `joint`. */
static const char *join(const char *const *words, const char *joint, char *out, size_t size)
{
    size_t used = 0, count = 0, written = 0;

    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL; i++)
        count += words[i][0] != '\0';
    for (size_t i = 0; words[i] != NULL && used < size; i++) {
        if (words[i][0] == '\0')
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", written == 0 ? "" : " ",
                                 written > 0 && written + 1 == count ? joint : "",
                                 written > 0 && written + 1 == count ? " " : "", words[i]);
        written++;
        if (written + 1 < count && used + 1 < size)
            used += (size_t)snprintf(out + used, size - used, ",");
    }
    return out;
}

const char *property_type_text(const struct property_table *table, unsigned types, char *out,
                               size_t size)
{
    const char *names[33] = { NULL };
    size_t count = 0;

    for (unsigned i = 0; i < table->type_count; i++) {
        if ((types & 1U << i) != 0)
            names[count++] = table->type_names[i];
    }
    return join(names, "and", out, size);
}

static const char *allowed_text(const struct property *row, char *out, size_t size)
{
    if (row->allowed != NULL)
        return row->allowed;
    switch (row->kind) {
    case PROPERTY_GROUP: return "an object";
    case PROPERTY_FLAG: return "true or false";
    case PROPERTY_WORD: return join(row->words, "or", out, size);
    case PROPERTY_UNSIGNED:
        (void)snprintf(out, size, "%.0f to %.0f", row->min, row->max);
        return out;
    case PROPERTY_REAL:
        (void)snprintf(out, size, "a number from %g to %g", row->min, row->max);
        return out;
    case PROPERTY_TEXT:
    case PROPERTY_SECRET:
        (void)snprintf(out, size, "%.0f to %.0f bytes of text without control characters", row->min,
                       row->max);
        return out;
    case PROPERTY_OWN:
    case PROPERTY_READ_ONLY: break;
    }
    return NULL;
}

/* ---- what must not be there ---- */

static void add_unknown(const struct property_table *table, unsigned types, const char *name,
                        const json_t *value, struct problems *problems)
{
    char allowed[ALLOWED_SIZE] = "";
    size_t used = 0;

    for (size_t i = 0; i < table->count && used < sizeof(allowed); i++) {
        const struct property *row = &table->rows[i];

        if ((row->types & types) != 0 && row->kind != PROPERTY_READ_ONLY &&
            row->kind != PROPERTY_GROUP)
            used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s",
                                     used > 0 ? ", " : "", row->name);
    }
    /* It may be a misspelt secret: a text is not repeated. */
    problem_add(problems, name, json_is_string(value) ? NULL : value, allowed,
                table->type_count > 0 ? "unknown property: no type has it" : "unknown property");
}

static void check_members(const struct property_table *table, unsigned types, const json_t *input,
                          const char *group, struct problems *problems)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)input, key, value) {
        char name[PROPERTY_NAME_SIZE], owners[ALLOWED_SIZE], text[ALLOWED_SIZE + 32];
        const struct property *row;

        (void)snprintf(name, sizeof(name), "%s%s%s", group, group[0] != '\0' ? "." : "", key);
        /* A key with a dot in it is no path. */
        row = strchr(key, '.') == NULL ? property_find(table, name) : NULL;
        if (row == NULL) {
            add_unknown(table, types, name, value, problems);
        } else if ((row->types & types) == 0) {
            (void)snprintf(text, sizeof(text), "a property of %s",
                           property_type_text(table, row->types, owners, sizeof(owners)));
            problem_add(problems, name, row->kind == PROPERTY_SECRET ? NULL : value, text,
                        "this type does not have it");
        } else if (row->kind == PROPERTY_GROUP && json_is_object(value)) {
            check_members(table, types, value, name, problems);
        }
    }
}

/* ---- reading ---- */

static void add_problem(const struct property *row, const json_t *value, const char *problem,
                        struct problems *problems)
{
    char allowed[ALLOWED_SIZE];
    json_t *hidden = row->kind == PROPERTY_SECRET ? json_string("(secret)") : NULL;

    problem_add(problems, row->name, hidden != NULL ? hidden : value,
                allowed_text(row, allowed, sizeof(allowed)), "%s", problem);
    json_decref(hidden);
}

char *property_read_text(const struct property *row, const json_t *value, struct problems *problems)
{
    const char *typed = json_string_value(value);
    struct reason why = { "is not allowed" };
    size_t length = json_string_length(value);
    char *text;

    if (typed == NULL) {
        add_problem(row, value, "must be a text", problems);
        return NULL;
    }
    if ((double)length < row->min || (double)length > row->max) {
        add_problem(row, value, length == 0 ? "is empty" : "is too long", problems);
        return NULL;
    }
    if (strlen(typed) != length || (row->check == NULL && !names_is_clean_text(typed))) {
        add_problem(row, value, "has a control character", problems);
        return NULL;
    }
    text = strdup(typed);
    if (text == NULL) {
        problems->out_of_memory = true;
        return NULL;
    }
    if (row->check == NULL || row->check(&text, &why) == 0)
        return text;
    add_problem(row, value, why.text, problems);
    free(text);
    return NULL;
}

static void read_number(const struct property *row, const json_t *value, void *object,
                        struct problems *problems)
{
    double number = json_number_value(value);

    if (row->kind == PROPERTY_UNSIGNED ? !json_is_integer(value) : !json_is_number(value))
        add_problem(row, value,
                    row->kind == PROPERTY_UNSIGNED ? "must be a whole number" : "must be a number",
                    problems);
    else if (number < row->min || number > row->max)
        add_problem(row, value, "is out of range", problems);
    else if (row->kind == PROPERTY_UNSIGNED)
        *(unsigned *)at(row, object) = (unsigned)number;
    else
        *(double *)at(row, object) = number;
}

static void read_word(const struct property *row, const json_t *value, void *object,
                      struct problems *problems)
{
    char *word = (char *)json_string_value(value);
    struct reason why = { "is not one of the values" };

    for (unsigned i = 0; word != NULL && word[0] != '\0' && row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], word) == 0) {
            *(unsigned *)at(row, object) = i;
            return;
        }
    }
    if (word != NULL && row->check != NULL)
        (void)row->check(&word, &why);
    add_problem(row, value, why.text, problems);
}

static void set_default(const struct property *row, void *object)
{
    switch (row->kind) {
    case PROPERTY_FLAG: *(bool *)at(row, object) = row->fallback > 0; break;
    case PROPERTY_UNSIGNED:
    case PROPERTY_WORD: *(unsigned *)at(row, object) = (unsigned)row->fallback; break;
    case PROPERTY_REAL: *(double *)at(row, object) = row->fallback; break;
    case PROPERTY_TEXT: *(char **)at(row, object) = NULL; break;
    case PROPERTY_GROUP:
    case PROPERTY_SECRET:
    case PROPERTY_OWN:
    case PROPERTY_READ_ONLY: break;
    }
}

static void read_value(const struct property *row, const json_t *value, void *object,
                       struct problems *problems)
{
    switch (row->kind) {
    case PROPERTY_GROUP:
        if (!json_is_object(value))
            add_problem(row, value, "must be an object", problems);
        break;
    case PROPERTY_FLAG:
        if (json_is_boolean(value))
            *(bool *)at(row, object) = json_is_true(value);
        else
            add_problem(row, value, "must be true or false", problems);
        break;
    case PROPERTY_UNSIGNED:
    case PROPERTY_REAL: read_number(row, value, object, problems); break;
    case PROPERTY_WORD: read_word(row, value, object, problems); break;
    case PROPERTY_TEXT: *(char **)at(row, object) = property_read_text(row, value, problems); break;
    case PROPERTY_SECRET:
    case PROPERTY_OWN:
    case PROPERTY_READ_ONLY: break;
    }
}

void property_read(const struct property_table *table, unsigned types, const json_t *input,
                   void *object, struct problems *problems)
{
    check_members(table, types, input, "", problems);
    for (size_t i = 0; i < table->count; i++) {
        const struct property *row = &table->rows[i];

        if ((row->types & types) == 0)
            continue;
        set_default(row, object);
        if (property_is_given(input, row->name))
            read_value(row, property_value(input, row->name), object, problems);
    }
}

void property_clear(const struct property_table *table, void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].kind != PROPERTY_TEXT)
            continue;
        free(*(char **)at(&table->rows[i], object));
        *(char **)at(&table->rows[i], object) = NULL;
    }
}
