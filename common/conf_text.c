/* The configuration as text: for workers, and as the annotated file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_private.h"

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

static void write_value(FILE *out, const struct conf *conf, const struct conf_key *key)
{
    const void *field = conf_field(conf, key);

    switch (key->type) {
    case CONF_KEY_INT: fprintf(out, "%" PRId64, *(const int64_t *)field); break;
    case CONF_KEY_BOOL: fputs(*(const bool *)field ? "true" : "false", out); break;
    case CONF_KEY_STR: write_quoted(out, *(char *const *)field); break;
    case CONF_KEY_LIST: write_list(out, field); break;
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
    for (unsigned i = 0; i < CONF_KEY_COUNT; i++) {
        bool is_new = strcmp(section, conf_keys[i].section) != 0;

        if (is_new) {
            fprintf(out, "%s%s%s {\n", strcmp(section, "top") == 0 ? "" : "}\n",
                    is_annotated ? "\n" : "", conf_keys[i].section);
            section = conf_keys[i].section;
        }
        if (is_annotated) {
            fprintf(out, "%s# %s", conf_key_is_top(&conf_keys[i]) || is_new ? "" : "\n",
                    conf_keys[i].help);
            if (conf_keys[i].type == CONF_KEY_INT)
                fprintf(out, " (%" PRId64 " to %" PRId64 ")", conf_keys[i].min, conf_keys[i].max);
            fputs("\n#", out);
        }
        fprintf(out, "%s = ", conf_keys[i].name);
        write_value(out, conf, &conf_keys[i]);
        fputs(is_annotated && conf_key_is_top(&conf_keys[i]) ? "\n\n" : "\n", out);
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
