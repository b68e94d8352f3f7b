/* common/conf.h: the configuration file: only what is needed before the store can be read.
 *
 * conf_keys.def is the one table: name, type, default, range, help. From it come the struct, the
 * parser (libconfuse), the range check, `posternd -t`, the annotated conf/postern.conf and the text
 * handed to workers. A bad file changes nothing and says "file:line: key: reason". */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

struct conf_list {
    char **items;
    size_t count;
};

enum conf_unit { CONF_PLAIN, CONF_BYTES, CONF_SECONDS };

struct conf { /* a section's keys are named section_key */
#define CONF_INT(section, key, fallback, min, max, unit, help) int64_t section##_##key;
#define CONF_STR(section, key, fallback, help)                 char *section##_##key;
#define CONF_BOOL(section, key, fallback, help)                bool section##_##key;
#define CONF_LIST(section, key, fallback, help)                struct conf_list section##_##key;
#include "common/conf_keys.def"
};

/* NULL path: all defaults. 0 or -EINVAL / -ENOENT / ... with the reason. */
int conf_load(const char *path, struct conf **ret_conf, struct reason *reterr_why);
int conf_parse(const char *text, const char *shown_name, struct conf **ret_conf,
               struct reason *reterr_why);
void conf_free(struct conf **conf);

/* `workers` as a number: auto is one per core this process may use. */
unsigned conf_workers(const struct conf *conf);

/* The effective configuration in the syntax of the file (free()): what workers are given. */
char *conf_to_text(const struct conf *conf);

/* conf/postern.conf: every key with its help, default and range, as comments. free(). */
char *conf_annotated(void);

#endif
