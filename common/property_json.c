/* The other direction: a checked object as JSON, and back from what was written so. */
#include "common/property.h"

#include <errno.h>
#include <string.h>

static const void *at(const struct property *row, const void *object)
{
    return (const char *)object + row->offset;
}

static bool is_written(const struct property *row, unsigned types)
{
    return (row->types & types) != 0 && row->kind != PROPERTY_SECRET && row->kind != PROPERTY_OWN &&
           row->kind != PROPERTY_READ_ONLY;
}

static json_t *make_value(const struct property *row, const void *object)
{
    const char *text;

    switch (row->kind) {
    case PROPERTY_GROUP: return json_object();
    case PROPERTY_FLAG: return json_boolean(*(const bool *)at(row, object));
    case PROPERTY_UNSIGNED: return json_integer(*(const unsigned *)at(row, object));
    case PROPERTY_REAL: return json_real(*(const double *)at(row, object));
    case PROPERTY_WORD:
        text = row->words[*(const unsigned *)at(row, object)];
        return text[0] != '\0' ? json_string(text) : json_null();
    case PROPERTY_TEXT:
        text = *(char *const *)at(row, object);
        return text != NULL ? json_string(text) : json_null();
    case PROPERTY_SECRET:
    case PROPERTY_OWN:
    case PROPERTY_READ_ONLY: break;
    }
    return NULL;
}

int property_write(const struct property_table *table, unsigned types, const void *object,
                   json_t *out)
{
    json_t *group = NULL;

    for (size_t i = 0; i < table->count; i++) {
        const struct property *row = &table->rows[i];
        const char *dot = strchr(row->name, '.');
        json_t *value;

        if (!is_written(row, types))
            continue;
        value = make_value(row, object);
        if (json_object_set_new(dot != NULL ? group : out, dot != NULL ? dot + 1 : row->name,
                                value) < 0)
            return -ENOMEM;
        if (row->kind == PROPERTY_GROUP)
            group = value;
    }
    return 0;
}

int property_read_record(const struct property_table *table, unsigned types, const json_t *record,
                         void *object, struct reason *reterr_why)
{
    struct problems problems;
    int err = problems_init(&problems);

    if (err < 0)
        return err;
    property_read(table, types, record, object, &problems);
    if (problems.out_of_memory) {
        err = -ENOMEM;
    } else if (problems_any(&problems)) {
        const json_t *first = json_array_get(problems.errors, 0);

        err = reason_set(reterr_why, -EBADMSG, "%s: %s",
                         json_string_value(json_object_get(first, "property")),
                         json_string_value(json_object_get(first, "problem")));
    }
    for (size_t i = 0; err == 0 && i < table->count; i++) {
        const struct property *row = &table->rows[i];

        if (is_written(row, types) && property_value(record, row->name) == NULL)
            err = reason_set(reterr_why, -EBADMSG, "%s is missing", row->name);
    }
    problems_done(&problems);
    return err;
}

static bool is_set(const struct property *row, const void *object)
{
    switch (row->kind) {
    case PROPERTY_FLAG: return *(const bool *)at(row, object);
    case PROPERTY_UNSIGNED:
    case PROPERTY_WORD: return *(const unsigned *)at(row, object) != 0;
    case PROPERTY_REAL: return *(const double *)at(row, object) > 0;
    case PROPERTY_TEXT: return *(char *const *)at(row, object) != NULL;
    case PROPERTY_GROUP:
    case PROPERTY_SECRET:
    case PROPERTY_OWN:
    case PROPERTY_READ_ONLY: break;
    }
    return false;
}

int property_list_not_in_effect(const struct property_table *table, unsigned types,
                                const void *object, json_t *names)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct property *row = &table->rows[i];

        if ((row->types & types) == 0 || row->feature == FEATURE_COUNT ||
            features[row->feature].is_built || !is_set(row, object))
            continue;
        if (json_array_append_new(names, json_string(row->name)) < 0)
            return -ENOMEM;
    }
    return 0;
}
