/* master/ctl/show.h: any JSON for people.
 *
 * An object is one line per value ("pool.size  20"), a list of plain values one line each under the
 * same name, a list of objects a table with their keys as headings. Nothing is left out, so that
 * what the daemon learns to say is shown without a change here. */
#ifndef MASTER_CTL_SHOW_H
#define MASTER_CTL_SHOW_H

#include <stdio.h>

#include <jansson.h>

/* `object`: a JSON object. */
void show_object(FILE *out, const json_t *object, unsigned indent);

/* `list`: a JSON array of objects. */
void show_list(FILE *out, const json_t *list, unsigned indent);

/* One value on one line: a string as it is, a list with commas, an object as JSON. free(). */
char *show_value(const json_t *value);

/* A string member; NULL if there is none. */
const char *show_text(const json_t *object, const char *key);

#endif
