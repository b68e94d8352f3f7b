#include "master/control/scan_links.h"

#include <stddef.h>
#include <string.h>

#include "common/profile.h"
#include "common/rule.h"
#include "master/registry.h"

#define PAGE "/#/public/process/dataId/"

/* NULL: the server's own address. A rule may have been given another Core since. */
static const char *base_of(const struct registry *registry, uint32_t rule_id)
{
    const struct rule *rule = registry_rule(registry, rule_id);
    const struct profile *core = rule != NULL ? registry_profile(registry, rule->core) : NULL;

    return core != NULL ? core->link_base : NULL;
}

static int without_slash(const char *base)
{
    size_t bytes = strlen(base);

    while (bytes > 0 && base[bytes - 1] == '/')
        bytes--;
    return (int)bytes;
}

void scan_links_add(const struct registry *registry, uint32_t rule, json_t *message)
{
    const char *base = base_of(registry, rule);
    json_t *file;
    size_t i;

    json_array_foreach (json_object_get(json_object_get(message, "scan"), "files"), i, file) {
        const char *server = json_string_value(json_object_get(file, "server"));
        const char *id = json_string_value(json_object_get(file, "id"));
        const char *at = base != NULL ? base : server;

        if (server != NULL && id != NULL)
            (void)json_object_set_new(file, "link",
                                      json_sprintf("%.*s" PAGE "%s", without_slash(at), at, id));
    }
}
