/* master/ctl/table.c: aligned columns for people. */
#include "master/ctl/table.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "master/ctl/text.h"

#define MAX_COLUMNS 16
#define GAP         2

struct table {
    size_t columns;
    size_t count; /* of cells */
    size_t room;
    char **cells;
};

struct table *table_new(size_t columns)
{
    struct table *table = text_alloc(NULL, sizeof(*table));

    assert(columns > 0 && columns <= MAX_COLUMNS);
    *table = (struct table){ .columns = columns };
    return table;
}

void table_free(struct table **table)
{
    if (!*table)
        return;
    for (size_t i = 0; i < (*table)->count; i++)
        free((*table)->cells[i]);
    free((*table)->cells);
    free(*table);
    *table = NULL;
}

void table_add(struct table *table, const char *text)
{
    if (table->count == table->room) {
        table->room = table->room ? table->room * 2 : 64;
        table->cells = text_alloc(table->cells, table->room * sizeof(*table->cells));
    }
    table->cells[table->count++] = text_clean(text && *text ? text : "-");
}

/* Below the heading; "-" stands for nothing and says nothing. */
static bool is_number_column(const struct table *table, size_t column)
{
    bool any = false;

    for (size_t at = table->columns + column; at < table->count; at += table->columns) {
        const char *text = table->cells[at];

        if (strcmp(text, "-") == 0)
            continue;
        for (; *text; text++)
            if (!isdigit((unsigned char)*text) && *text != '.')
                return false;
        any = true;
    }
    return any;
}

static void print_cell(FILE *out, const char *text, size_t width, bool to_the_right, bool is_last)
{
    size_t own = text_width(text);
    int blanks = own < width ? (int)(width - own) : 0;

    if (to_the_right)
        fprintf(out, "%*s%s", blanks, "", text);
    else
        fprintf(out, "%s%*s", text, is_last ? 0 : blanks, "");
    if (!is_last)
        fprintf(out, "%*s", GAP, "");
}

void table_print(const struct table *table, FILE *out, unsigned indent)
{
    size_t widths[MAX_COLUMNS] = { 0 };
    bool is_number[MAX_COLUMNS] = { false };

    for (size_t i = 0; i < table->count; i++) {
        size_t width = text_width(table->cells[i]);

        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->columns; i++)
        is_number[i] = is_number_column(table, i);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool is_last = column == table->columns - 1;

        if (column == 0)
            fprintf(out, "%*s", (int)indent, "");
        print_cell(out, table->cells[i], widths[column], is_number[column], is_last);
        if (is_last)
            fputc('\n', out);
    }
}
