/* Reading the configuration file. */
#include "common/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <confuse.h>

#include "common/auto.h"
#include "common/conf_private.h"

enum { SECTIONS_MAX = 16, FILE_MAX = 1 << 20, LIBRARY_ROOM = 64 << 10 };

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
    const struct conf_key *key = conf_key_find(cfg->name, opt->name);
    struct reason why = { "" };
    int64_t number;

    if (key == NULL)
        return 0;
    for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
        const char *value = cfg_opt_getnstr(opt, i);
        int err = key->type == CONF_KEY_INT ? conf_key_number(key, value, &number, &why)
                                            : conf_key_check(key, value, &why);

        if (err < 0) {
            cfg_error(cfg, "%s", why.text);
            return -1;
        }
    }
    return 0;
}

static cfg_opt_t option_for(const struct conf_key *key)
{
    cfg_opt_t as_bool = CFG_BOOL(key->name, key->number != 0 ? cfg_true : cfg_false, CFGF_NONE);
    cfg_opt_t as_list = CFG_STR_LIST(key->name, NULL, CFGF_NODEFAULT);
    cfg_opt_t as_text = CFG_STR(key->name, NULL, CFGF_NODEFAULT);

    return key->type == CONF_KEY_BOOL ? as_bool : key->type == CONF_KEY_LIST ? as_list : as_text;
}

/* libconfuse wants arrays of options, one per section, closed by CFG_END. */
struct options {
    cfg_opt_t top[CONF_KEY_COUNT + SECTIONS_MAX + 1];
    cfg_opt_t sections[SECTIONS_MAX][CONF_KEY_COUNT + 1];
};

static void fill_options(struct options *options)
{
    const char *names[SECTIONS_MAX] = { NULL };
    unsigned used[SECTIONS_MAX] = { 0 }, top = 0, count = 0;
    const cfg_opt_t end = CFG_END();

    for (unsigned i = 0; i < CONF_KEY_COUNT; i++) {
        unsigned s = 0;

        if (conf_key_is_top(&conf_keys[i])) {
            options->top[top++] = option_for(&conf_keys[i]);
            continue;
        }
        while (s < count && strcmp(names[s], conf_keys[i].section) != 0)
            s++;
        if (s == count)
            names[count++] = conf_keys[i].section;
        options->sections[s][used[s]++] = option_for(&conf_keys[i]);
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

static int take_list(cfg_t *section, const struct conf_key *key, struct conf_list *ret_list)
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

static int take_value(cfg_t *section, const struct conf_key *key, struct conf *conf)
{
    void *field = conf_field(conf, key);
    const char *text;

    switch (key->type) {
    case CONF_KEY_BOOL: *(bool *)field = cfg_getbool(section, key->name) == cfg_true; return 0;
    case CONF_KEY_LIST: return take_list(section, key, field);
    case CONF_KEY_INT:
        text = cfg_getstr(section, key->name);
        *(int64_t *)field = key->number;
        return text != NULL ? conf_key_number(key, text, field, NULL) : 0;
    case CONF_KEY_STR:
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

/* libconfuse 3.3 uses what it could not allocate. It needs less than this, which is known to be
 * there just before. */
static bool has_room(void)
{
    void *volatile room = malloc(LIBRARY_ROOM);

    free(room);
    return room != NULL;
}

int conf_parse(const char *text, const char *shown_name, struct conf **ret_conf,
               struct reason *reterr_why)
{
    struct options *options = calloc(1, sizeof(*options));
    struct conf *conf = calloc(1, sizeof(*conf));
    struct reason error = { "" };
    cfg_t *cfg = NULL;
    int err = -ENOMEM;

    if (options != NULL && conf != NULL && has_room()) {
        fill_options(options);
        cfg = cfg_init(options->top, CFGF_NONE);
    }
    if (cfg != NULL) {
        first_error = &error;
        cfg_set_error_function(cfg, on_error);
        for (unsigned i = 0; i < CONF_KEY_COUNT; i++) {
            char path[128];

            (void)snprintf(path, sizeof(path), "%s%s%s",
                           conf_key_is_top(&conf_keys[i]) ? "" : conf_keys[i].section,
                           conf_key_is_top(&conf_keys[i]) ? "" : "|", conf_keys[i].name);
            if (conf_keys[i].type != CONF_KEY_BOOL)
                (void)cfg_set_validate_func(cfg, path, on_validate);
        }
        parsed_name = shown_name;
        err = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : -EINVAL;
        first_error = NULL;
    }
    for (unsigned i = 0; i < CONF_KEY_COUNT && err == 0; i++) {
        cfg_t *section =
            conf_key_is_top(&conf_keys[i]) ? cfg : cfg_getsec(cfg, conf_keys[i].section);

        err = take_value(section, &conf_keys[i], conf);
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
    for (unsigned i = 0; i < CONF_KEY_COUNT; i++) {
        void *field = conf_field(*conf, &conf_keys[i]);

        if (conf_keys[i].type == CONF_KEY_STR)
            free(*(char **)field);
        if (conf_keys[i].type == CONF_KEY_LIST) {
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
