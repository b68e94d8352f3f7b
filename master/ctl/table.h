/* master/ctl/table.h: aligned columns for people. */
#ifndef MASTER_CTL_TABLE_H
#define MASTER_CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table;

/* Between 1 and 16 columns. */
struct table *table_new(size_t columns);
void table_free(struct table **table);

/* Fills the next cell, row by row; the text is copied and cleaned (master/ctl/text.h). NULL: "-".
 */
void table_add(struct table *table, const char *text);

/* Every line begins with `indent` blanks; a column that holds only numbers is aligned right. */
void table_print(const struct table *table, FILE *out, unsigned indent);

#endif
