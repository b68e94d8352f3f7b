/* master/registry_audit.c: who changed what, when. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/profile.h"
#include "master/registry_private.h"

/* ---- written ---- */

void request_audit(struct request *request, const char *what, const char *object,
                   const char *detail)
{
    json_t *entry = json_pack("{ss ss* ss*}", "what", what, "object", object, "detail",
                              detail != NULL && *detail != '\0' ? detail : NULL);

    if (request->audit == NULL)
        request->audit = json_array();
    if (json_array_append_new(request->audit, entry) < 0)
        request->has_failed = true;
}

static enum registry_result prepare_entry(struct registry *registry, struct request *request)
{
    (void)registry;
    (void)request; /* the entry is all there is to write */
    return REGISTRY_OK;
}

void registry_audit_add(struct registry *registry, const struct registry_actor *actor,
                        const char *what, const char *object, const char *detail)
{
    struct request *request = request_new(registry, prepare_entry, actor, NULL, NULL);

    request_audit(request, what, object, detail);
    request_submit(request);
}

static bool is_own_matter(const char *member)
{
    return strcmp(member, "version") == 0 || strcmp(member, "v") == 0;
}

static void add_name(const char *name, char *out, size_t size)
{
    size_t used = strlen(out);

    (void)snprintf(out + used, size - used, "%s%s", used == 0 ? "changed: " : ", ", name);
}

void audit_describe(const json_t *before, const json_t *after, char *out, size_t size)
{
    const char *member;
    const json_t *value;

    out[0] = '\0';
    json_object_foreach ((json_t *)after, member, value) {
        if (!is_own_matter(member) && !json_equal(value, json_object_get(before, member)))
            add_name(member, out, size);
    }
    json_object_foreach ((json_t *)before, member, value) {
        if (json_object_get(after, member) == NULL)
            add_name(member, out, size);
    }
}

/* ---- read ---- */

struct page {
    json_t *entries;
    unsigned left;
    bool has_failed;
};

static int take_entry(const char *key, const char *value, size_t bytes, void *arg)
{
    struct page *page = arg;
    json_t *entry = json_loadb(value, bytes, 0, NULL);

    (void)key;
    (void)json_object_del(entry, "v");
    if (json_array_append_new(page->entries, entry) < 0)
        page->has_failed = true;
    return --page->left == 0 || page->has_failed;
}

json_t *registry_audit(struct registry *registry, uint64_t before, unsigned limit)
{
    struct page page = { .entries = json_array(), .left = limit > 0 ? limit : 1 };
    char from[STORE_KEY_MAX + 1];
    int err;

    store_number_key(before, from);
    err = store_list(registry->store, STORE_AUDIT, before != 0 ? from : NULL, STORE_BACKWARDS,
                     take_entry, &page);
    if (err == 0 && !page.has_failed)
        return page.entries;
    json_decref(page.entries);
    return NULL;
}
