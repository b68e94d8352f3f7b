#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/auto.h"
#include "common/conf_private.h"
#include "common/log.h"

#define KEY(s, k, type_, help_)                                  \
    .section = #s, .name = #k, .help = (help_), .type = (type_), \
    .offset = offsetof(struct conf, s##_##k)

const struct conf_key conf_keys[CONF_KEY_COUNT] = {
#define CONF_INT(s, k, fallback_, min_, max_, unit_, help_)                                \
    { KEY(s, k, CONF_KEY_INT, help_), .number = (fallback_), .min = (min_), .max = (max_), \
      .unit = (unit_) },
#define CONF_STR(s, k, fallback_, help_) \
    { KEY(s, k, CONF_KEY_STR, help_), .fallback = (fallback_) },
#define CONF_BOOL(s, k, fallback_, help_) \
    { KEY(s, k, CONF_KEY_BOOL, help_), .number = (fallback_), .max = 1 },
#define CONF_LIST(s, k, fallback_, help_) \
    { KEY(s, k, CONF_KEY_LIST, help_), .fallback = (fallback_) },
#include "common/conf_keys.def"
};

bool conf_key_is_top(const struct conf_key *key)
{
    return strcmp(key->section, "top") == 0;
}

const struct conf_key *conf_key_find(const char *section, const char *name)
{
    for (unsigned i = 0; i < CONF_KEY_COUNT; i++) {
        if (strcmp(conf_keys[i].name, name) == 0 &&
            strcmp(conf_keys[i].section, strcmp(section, "root") == 0 ? "top" : section) == 0)
            return &conf_keys[i];
    }
    return NULL;
}

void *conf_field(const struct conf *conf, const struct conf_key *key)
{
    return (char *)conf + key->offset;
}

/* ---- numbers with units ---- */

static int64_t scale_of(char suffix, enum conf_unit unit)
{
    static const struct {
        enum conf_unit unit;
        char suffix;
        int64_t scale;
    } scales[] = {
        { CONF_BYTES, 'K', 1 << 10 }, { CONF_BYTES, 'M', 1 << 20 }, { CONF_BYTES, 'G', 1 << 30 },
        { CONF_SECONDS, 's', 1 },     { CONF_SECONDS, 'm', 60 },    { CONF_SECONDS, 'h', 3600 },
        { CONF_SECONDS, 'd', 86400 },
    };

    for (unsigned i = 0; i < ARRAY_LEN(scales); i++) {
        if (scales[i].unit == unit && scales[i].suffix == suffix)
            return scales[i].scale;
    }
    return 0;
}

int conf_key_number(const struct conf_key *key, const char *text, int64_t *ret_number,
                    struct reason *reterr_why)
{
    static const char *const units[] = { [CONF_PLAIN] = "",
                                         [CONF_BYTES] = " bytes (K, M, G)",
                                         [CONF_SECONDS] = " seconds (s, m, h, d)" };
    int64_t number = 0, scale = 1;
    const char *p = text;

    while (isdigit((unsigned char)*p) && number < INT64_MAX / 20)
        number = number * 10 + (*p++ - '0');
    if (p != text && *p != '\0') {
        scale = scale_of(*p, key->unit);
        p++;
    }
    if (p == text || *p != '\0' || scale == 0 || number > INT64_MAX / scale ||
        number * scale < key->min || number * scale > key->max)
        return reason_set(reterr_why, -EINVAL,
                          "%s: \"%s\" is not allowed: a number from %" PRId64 " to %" PRId64 "%s",
                          key->name, text, key->min, key->max, units[key->unit]);
    *ret_number = number * scale;
    return 0;
}

/* ---- what a number's range does not say ---- */

/* Without an address there is no console. */
static bool is_no_console(const struct conf_key *key, const char *value)
{
    return *value == '\0' && strcmp(key->section, "console") == 0;
}

int conf_key_check(const struct conf_key *key, const char *value, struct reason *reterr_why)
{
    enum log_level level;
    struct address address;
    char *end;
    long count;

    if (strcmp(key->name, "workers") == 0 && strcmp(value, "auto") != 0) {
        count = strtol(value, &end, 10);
        if (*end != '\0' || count < 1 || count > 256)
            return reason_set(reterr_why, -EINVAL, "%s: \"%s\" is not allowed: auto or 1 to 256",
                              key->name, value);
    }
    if (strcmp(key->section, "log") == 0 && strcmp(key->name, "level") == 0 &&
        !log_level_parse(value, &level))
        return reason_set(reterr_why, -EINVAL,
                          "%s: \"%s\" is not allowed: debug, info, warning, error or alert",
                          key->name, value);
    if (strcmp(key->name, "format") == 0 && strcmp(value, "logfmt") != 0 &&
        strcmp(value, "json") != 0)
        return reason_set(reterr_why, -EINVAL, "%s: \"%s\" is not allowed: logfmt or json",
                          key->name, value);
    if (strcmp(key->name, "listen") == 0 && !is_no_console(key, value) &&
        address_parse(value, 0, &address) < 0)
        return reason_set(reterr_why, -EINVAL,
                          "%s: \"%s\" is not allowed: address:port, such as 0.0.0.0:25 or [::]:25",
                          key->name, value);
    if (strcmp(key->section, "resolver") == 0 && key->type == CONF_KEY_LIST &&
        address_parse(value, 53, &address) < 0)
        return reason_set(reterr_why, -EINVAL,
                          "%s: \"%s\" is not allowed: an IP address, with :port if it is not 53",
                          key->name, value);
    return 0;
}
