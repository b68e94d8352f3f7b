/* master/ctl/show.c: any JSON for people. */
#include "master/ctl/show.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "master/ctl/table.h"
#include "master/ctl/text.h"

#define MAX_DEPTH   8
#define MAX_COLUMNS 16

const char *show_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

char *show_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING: return text_format("%s", json_string_value(value));
    case JSON_INTEGER: return text_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL: return text_format("%g", json_real_value(value));
    case JSON_TRUE: return text_format("yes");
    case JSON_FALSE: return text_format("no");
    case JSON_NULL: return text_format("-");
    case JSON_ARRAY: {
        char *joined = text_format("%s", json_array_size(value) ? "" : "-");
        const json_t *item;
        size_t i;

        json_array_foreach (value, i, item) {
            AUTO(free) char *before = joined;
            AUTO(free) char *text = show_value(item);

            joined = text_format("%s%s%s", before, i ? ", " : "", text);
        }
        return joined;
    }
    case JSON_OBJECT: {
        char *text = json_dumps(value, JSON_COMPACT);

        return text ? text : text_format("-");
    }
    default: return text_format("-");
    }
}

static bool is_list_of_objects(const json_t *value)
{
    return json_array_size(value) > 0 && json_is_object(json_array_get(value, 0));
}

static void add_line(struct table *table, const char *name, const json_t *value)
{
    AUTO(free) char *text = show_value(value);

    table_add(table, name);
    table_add(table, text);
}

/* Plain values now; lists of objects are counted and come after the lines. */
static unsigned add_lines(struct table *table, const char *prefix, const json_t *object,
                          unsigned depth)
{
    unsigned tables = 0;
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        AUTO(free) char *name = text_format("%s%s%s", prefix, *prefix ? "." : "", key);

        if (json_is_object(value) && json_object_size(value) > 0 && depth < MAX_DEPTH) {
            tables += add_lines(table, name, value, depth + 1);
        } else if (is_list_of_objects(value)) {
            tables++;
        } else if (json_array_size(value) > 1) {
            const json_t *item;
            size_t i;

            json_array_foreach (value, i, item)
                add_line(table, i ? " " : name, item);
        } else {
            add_line(table, name, value);
        }
    }
    return tables;
}

static void show_tables(FILE *out, const char *prefix, const json_t *object, unsigned indent,
                        unsigned depth)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        AUTO(free) char *name = text_format("%s%s%s", prefix, *prefix ? "." : "", key);

        if (json_is_object(value) && depth < MAX_DEPTH) {
            show_tables(out, name, value, indent, depth + 1);
        } else if (is_list_of_objects(value)) {
            AUTO(free) char *clean = text_clean(name);

            fprintf(out, "\n%*s%s:\n", (int)indent, "", clean);
            show_list(out, value, indent + 2);
        }
    }
}

void show_object(FILE *out, const json_t *object, unsigned indent)
{
    struct table *table = table_new(2);
    unsigned tables = add_lines(table, "", object, 0);

    table_print(table, out, indent);
    table_free(&table);
    if (tables > 0)
        show_tables(out, "", object, indent, 0);
}

/* Every key that any row has, in order of appearance. */
static size_t find_columns(const json_t *list, const char *columns[MAX_COLUMNS])
{
    size_t count = 0, row;
    const json_t *item;

    json_array_foreach (list, row, item) {
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)item, key, value) {
            size_t at = 0;

            while (at < count && strcmp(columns[at], key) != 0)
                at++;
            if (at == count && count < MAX_COLUMNS)
                columns[count++] = key;
        }
    }
    return count;
}

void show_list(FILE *out, const json_t *list, unsigned indent)
{
    const char *columns[MAX_COLUMNS];
    size_t count = find_columns(list, columns), row;
    struct table *table;
    const json_t *item;

    if (count == 0)
        return;
    table = table_new(count);
    for (size_t i = 0; i < count; i++) {
        AUTO(free) char *heading = text_format("%s", columns[i]);

        for (char *at = heading; *at; at++)
            *at = (char)toupper((unsigned char)*at);
        table_add(table, heading);
    }
    json_array_foreach (list, row, item) {
        for (size_t i = 0; i < count; i++) {
            const json_t *value = json_object_get(item, columns[i]);
            AUTO(free) char *text = value ? show_value(value) : NULL;

            table_add(table, text);
        }
    }
    table_print(table, out, indent);
    table_free(&table);
}
