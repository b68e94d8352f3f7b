#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <confuse.h>

#include "common/address.h"
#include "common/auto.h"
#include "common/log.h"

enum key_type { KEY_INT, KEY_STR, KEY_BOOL, KEY_LIST };

static const struct key {
    const char *section, *name, *help;
    enum key_type type;
    size_t offset;
    const char *fallback; /* text; a list is separated by commas */
    int64_t number, min, max;
    enum conf_unit unit;
} keys[] = {
#define CONF_INT(s, k, fallback_, min_, max_, unit_, help_) \
    { #s, #k, help_, KEY_INT, offsetof(struct conf, s##_##k), NULL, fallback_, min_, max_, unit_ },
#define CONF_STR(s, k, fallback_, help_) \
    { #s, #k, help_, KEY_STR, offsetof(struct conf, s##_##k), fallback_, 0, 0, 0, CONF_PLAIN },
#define CONF_BOOL(s, k, fallback_, help_) \
    { #s, #k, help_, KEY_BOOL, offsetof(struct conf, s##_##k), NULL, fallback_, 0, 1, CONF_PLAIN },
#define CONF_LIST(s, k, fallback_, help_) \
    { #s, #k, help_, KEY_LIST, offsetof(struct conf, s##_##k), fallback_, 0, 0, 0, CONF_PLAIN },
#include "common/conf_keys.def"
};

enum { KEY_COUNT = ARRAY_LEN(keys), SECTIONS_MAX = 16, FILE_MAX = 1 << 20 };

static bool is_top(const struct key *key)
{
    return strcmp(key->section, "top") == 0;
}

static const struct key *find_key(const char *section, const char *name)
{
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) == 0 &&
            strcmp(keys[i].section, strcmp(section, "root") == 0 ? "top" : section) == 0)
            return &keys[i];
    }
    return NULL;
}

static void *field_of(const struct conf *conf, const struct key *key)
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

static int parse_number(const struct key *key, const char *text, int64_t *ret_number,
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

static int check_string(const struct key *key, const char *value, struct reason *reterr_why)
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
    if (strcmp(key->name, "listen") == 0 && address_parse(value, 0, &address) < 0)
        return reason_set(reterr_why, -EINVAL,
                          "%s: \"%s\" is not allowed: address:port, such as 0.0.0.0:25 or [::]:25",
                          key->name, value);
    if (strcmp(key->section, "resolver") == 0 && key->type == KEY_LIST &&
        address_parse(value, 53, &address) < 0)
        return reason_set(reterr_why, -EINVAL,
                          "%s: \"%s\" is not allowed: an IP address, with :port if it is not 53",
                          key->name, value);
    return 0;
}

/* ---- reading ---- */

/* libconfuse's callbacks have no context of ours. */
static struct reason *first_error;
static const char *parsed_name;

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list args)
{
    char text[300];

    if (first_error == NULL || first_error->text[0] != '\0')
        return;
    (void)vsnprintf(text, sizeof(text), format, args);
    (void)reason_set(first_error, 0, "%s:%d: %s", parsed_name, cfg->line, text);
}

static int on_validate(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct key *key = find_key(cfg->name, opt->name);
    struct reason why = { "" };
    int64_t number;

    if (key == NULL)
        return 0;
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *value = cfg_opt_getnstr(opt, i);
        int err = key->type == KEY_INT ? parse_number(key, value, &number, &why)
                                       : check_string(key, value, &why);

        if (err < 0) {
            cfg_error(cfg, "%s", why.text);
            return -1;
        }
    }
    return 0;
}

static cfg_opt_t option_for(const struct key *key)
{
    cfg_opt_t as_bool = CFG_BOOL(key->name, key->number != 0 ? cfg_true : cfg_false, CFGF_NONE);
    cfg_opt_t as_list = CFG_STR_LIST(key->name, NULL, CFGF_NODEFAULT);
    cfg_opt_t as_text = CFG_STR(key->name, NULL, CFGF_NODEFAULT);

    return key->type == KEY_BOOL ? as_bool : key->type == KEY_LIST ? as_list : as_text;
}

/* libconfuse wants arrays of options, one per section, closed by CFG_END. */
struct options {
    cfg_opt_t top[KEY_COUNT + SECTIONS_MAX + 1];
    cfg_opt_t sections[SECTIONS_MAX][KEY_COUNT + 1];
};

static void fill_options(struct options *options)
{
    const char *names[SECTIONS_MAX] = { NULL };
    unsigned used[SECTIONS_MAX] = { 0 }, top = 0, count = 0;
    const cfg_opt_t end = CFG_END();

    for (unsigned i = 0; i < KEY_COUNT; i++) {
        unsigned s = 0;

        if (is_top(&keys[i])) {
            options->top[top++] = option_for(&keys[i]);
            continue;
        }
        while (s < count && strcmp(names[s], keys[i].section) != 0)
            s++;
        if (s == count)
            names[count++] = keys[i].section;
        options->sections[s][used[s]++] = option_for(&keys[i]);
    }
    for (unsigned s = 0; s < count; s++) {
        const cfg_opt_t section = CFG_SEC(names[s], options->sections[s], CFGF_NONE);

        options->sections[s][used[s]] = end;
        options->top[top++] = section;
    }
    options->top[top] = end;
}

static int list_append(struct conf_list *list, const char *text, size_t bytes)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

    if (items == NULL)
        return -ENOMEM;
    list->items = items;
    items[list->count] = strndup(text, bytes);
    return items[list->count] != NULL ? (list->count++, 0) : -ENOMEM;
}

static int take_list(cfg_t *section, const struct key *key, struct conf_list *ret_list)
{
    int err = 0;

    for (unsigned i = 0; i < cfg_size(section, key->name) && err == 0; i++) {
        const char *item = cfg_getnstr(section, key->name, i);

        err = list_append(ret_list, item, strlen(item));
    }
    if (cfg_size(section, key->name) > 0)
        return err;
    for (const char *p = key->fallback; *p != '\0' && err == 0;) {
        size_t bytes = strcspn(p, ",");

        err = list_append(ret_list, p, bytes);
        p += bytes + (p[bytes] == ',');
    }
    return err;
}

static int take_value(cfg_t *section, const struct key *key, struct conf *conf)
{
    void *field = field_of(conf, key);
    const char *text;

    switch (key->type) {
    case KEY_BOOL: *(bool *)field = cfg_getbool(section, key->name) == cfg_true; return 0;
    case KEY_LIST: return take_list(section, key, field);
    case KEY_INT:
        text = cfg_getstr(section, key->name);
        *(int64_t *)field = key->number;
        return text != NULL ? parse_number(key, text, field, NULL) : 0;
    case KEY_STR:
        text = cfg_getstr(section, key->name);
        *(char **)field = strdup(text != NULL ? text : key->fallback);
        return *(char **)field != NULL ? 0 : -ENOMEM;
    }
    return -EINVAL;
}

static int fill_host_name(struct conf *conf)
{
    char name[256] = "localhost";

    if (conf->top_hostname[0] != '\0')
        return 0;
    if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
        (void)snprintf(name, sizeof(name), "localhost");
    free(conf->top_hostname);
    conf->top_hostname = strdup(name);
    return conf->top_hostname != NULL ? 0 : -ENOMEM;
}

int conf_parse(const char *text, const char *shown_name, struct conf **ret_conf,
               struct reason *reterr_why)
{
    struct options *options = calloc(1, sizeof(*options));
    struct conf *conf = calloc(1, sizeof(*conf));
    struct reason error = { "" };
    cfg_t *cfg = NULL;
    int err = -ENOMEM;

    if (options != NULL && conf != NULL) {
        fill_options(options);
        cfg = cfg_init(options->top, CFGF_NONE);
    }
    if (cfg != NULL) {
        first_error = &error;
        cfg_set_error_function(cfg, on_error);
        for (unsigned i = 0; i < KEY_COUNT; i++) {
            char path[128];

            (void)snprintf(path, sizeof(path), "%s%s%s", is_top(&keys[i]) ? "" : keys[i].section,
                           is_top(&keys[i]) ? "" : "|", keys[i].name);
            if (keys[i].type != KEY_BOOL)
                (void)cfg_set_validate_func(cfg, path, on_validate);
        }
        parsed_name = shown_name;
        err = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : -EINVAL;
        first_error = NULL;
    }
    for (unsigned i = 0; i < KEY_COUNT && err == 0; i++) {
        cfg_t *section = is_top(&keys[i]) ? cfg : cfg_getsec(cfg, keys[i].section);

        err = take_value(section, &keys[i], conf);
    }
    if (err == 0)
        err = fill_host_name(conf);
    if (cfg != NULL)
        cfg_free(cfg);
    free(options);
    if (err < 0) {
        conf_free(&conf);
        return reason_set(reterr_why, err, "%s",
                          error.text[0] != '\0' ? error.text : strerror(-err));
    }
    *ret_conf = conf;
    return 0;
}

int conf_load(const char *path, struct conf **ret_conf, struct reason *reterr_why)
{
    AUTO(close) int fd = -1;
    AUTO(free) char *text = NULL;
    struct stat facts;
    ssize_t got;

    if (path == NULL)
        return conf_parse("", "(defaults)", ret_conf, reterr_why);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &facts) < 0)
        return reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
    if (facts.st_size > FILE_MAX)
        return reason_set(reterr_why, -EFBIG, "%s: larger than 1 MiB", path);
    text = calloc(1, (size_t)facts.st_size + 1);
    if (text == NULL)
        return reason_set(reterr_why, -ENOMEM, "%s: out of memory", path);
    got = read(fd, text, (size_t)facts.st_size);
    if (got < 0)
        return reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
    if (memchr(text, '\0', (size_t)got) != NULL)
        return reason_set(reterr_why, -EINVAL, "%s: contains a NUL byte", path);
    return conf_parse(text, path, ret_conf, reterr_why);
}

void conf_free(struct conf **conf)
{
    if (*conf == NULL)
        return;
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        void *field = field_of(*conf, &keys[i]);

        if (keys[i].type == KEY_STR)
            free(*(char **)field);
        if (keys[i].type == KEY_LIST) {
            struct conf_list *list = field;

            for (size_t k = 0; k < list->count; k++)
                free(list->items[k]);
            free(list->items);
        }
    }
    free(*conf);
    *conf = NULL;
}

unsigned conf_workers(const struct conf *conf)
{
    cpu_set_t cpus;
    int count = 1;

    if (strcmp(conf->top_workers, "auto") != 0)
        return (unsigned)strtoul(conf->top_workers, NULL, 10);
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        count = CPU_COUNT(&cpus);
    return count < 1 ? 1 : count > 256 ? 256 : (unsigned)count;
}

/* ---- writing ---- */

static void write_quoted(FILE *out, const char *value)
{
    fputc('"', out);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        fputc(*p, out);
    }
    fputc('"', out);
}

static void write_list(FILE *out, const struct conf_list *list)
{
    fputc('{', out);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            fputs(", ", out);
        write_quoted(out, list->items[i]);
    }
    fputc('}', out);
}

static void write_value(FILE *out, const struct conf *conf, const struct key *key)
{
    const void *field = field_of(conf, key);

    switch (key->type) {
    case KEY_INT: fprintf(out, "%" PRId64, *(const int64_t *)field); break;
    case KEY_BOOL: fputs(*(const bool *)field ? "true" : "false", out); break;
    case KEY_STR: write_quoted(out, *(char *const *)field); break;
    case KEY_LIST: write_list(out, field); break;
    }
}

static char *write_all_keys(const struct conf *conf, bool is_annotated)
{
    const char *section = "top";
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        bool is_new = strcmp(section, keys[i].section) != 0;

        if (is_new) {
            fprintf(out, "%s%s%s {\n", strcmp(section, "top") == 0 ? "" : "}\n",
                    is_annotated ? "\n" : "", keys[i].section);
            section = keys[i].section;
        }
        if (is_annotated) {
            fprintf(out, "%s# %s", is_top(&keys[i]) || is_new ? "" : "\n", keys[i].help);
            if (keys[i].type == KEY_INT)
                fprintf(out, " (%" PRId64 " to %" PRId64 ")", keys[i].min, keys[i].max);
            fputs("\n#", out);
        }
        fprintf(out, "%s = ", keys[i].name);
        write_value(out, conf, &keys[i]);
        fputs(is_annotated && is_top(&keys[i]) ? "\n\n" : "\n", out);
    }
    fputs("}\n", out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *conf_to_text(const struct conf *conf)
{
    return write_all_keys(conf, false);
}

char *conf_annotated(void)
{
    struct conf *conf;
    char *body, *text = NULL;

    if (conf_load(NULL, &conf, NULL) < 0)
        return NULL;
    free(conf->top_hostname);
    conf->top_hostname = strdup("gw1.example.net");
    body = conf->top_hostname != NULL ? write_all_keys(conf, true) : NULL;
    if (body != NULL &&
        asprintf(&text,
                 "# Postern's configuration: only what is needed before the store can be read;\n"
                 "# profiles, rules and accounts live in the store (posternctl, console).\n"
                 "# Every key is shown with its default. Made from common/conf_keys.def.\n\n%s",
                 body) < 0)
        text = NULL;
    free(body);
    conf_free(&conf);
    return text;
}
