/* common/conf_private.h: how the configuration is cut.
 *
 *   conf_key.c    the table of keys, made from conf_keys.def, and what a value may be
 *   conf.c        reading a file (libconfuse)
 *   conf_text.c   writing one */
#ifndef COMMON_CONF_PRIVATE_H
#define COMMON_CONF_PRIVATE_H

#include "common/conf.h"

enum conf_key_type { CONF_KEY_INT, CONF_KEY_STR, CONF_KEY_BOOL, CONF_KEY_LIST };

struct conf_key {
    const char *section, *name, *help;
    enum conf_key_type type;
    size_t offset;
    const char *fallback; /* text; a list is separated by commas */
    int64_t number, min, max;
    enum conf_unit unit;
};

enum { /* one for every line */
#define CONF_INT(s, k, fallback, min, max, unit, help) CONF_KEY_##s##_##k,
#define CONF_STR(s, k, fallback, help)                 CONF_KEY_##s##_##k,
#define CONF_BOOL(s, k, fallback, help)                CONF_KEY_##s##_##k,
#define CONF_LIST(s, k, fallback, help)                CONF_KEY_##s##_##k,
#include "common/conf_keys.def"
       CONF_KEY_COUNT
};

extern const struct conf_key conf_keys[CONF_KEY_COUNT];

bool conf_key_is_top(const struct conf_key *key); /* it stands in no section */

/* `section` as libconfuse names it: "root" is the top. NULL: there is no such key. */
const struct conf_key *conf_key_find(const char *section, const char *name);

/* int64_t, char *, bool or struct conf_list. */
void *conf_field(const struct conf *conf, const struct conf_key *key);

/* "10M" within the key's range. 0 or -EINVAL with what is allowed. */
int conf_key_number(const struct conf_key *key, const char *text, int64_t *ret_number,
                    struct reason *reterr_why);

/* Any other value, or one of a list's. 0 or -EINVAL with what is allowed. */
int conf_key_check(const struct conf_key *key, const char *value, struct reason *reterr_why);

#endif
