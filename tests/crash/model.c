#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dice.h"

struct content {
    unsigned char *data;
    uint64_t bytes, room; /* from `bytes` to `room` all is zero */
};

struct name {
    uint32_t folder, node;
    bool is_folder;
    char text[RECORD_NAME_SIZE];
};

struct names {
    struct name *items;
    size_t count, room;
};

struct model {
    struct content *contents; /* by node: what is certain */
    struct content *scratch;  /* by node: of the image that was built last */
    bool *is_scratch;
    size_t nodes;
    struct names names, scratch_names;
    size_t *pending;
    size_t pending_count, pending_room;
    struct image_item *items;
    size_t items_room;
};

static void *grow(void *memory, size_t count, size_t size)
{
    void *grown = reallocarray(memory, count, size);

    if (grown == NULL)
        abort();
    return grown;
}

struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof(*model));

    if (model == NULL)
        abort();
    return model;
}

void model_free(struct model **model)
{
    struct model *m = *model;

    if (m == NULL)
        return;
    for (size_t i = 0; i < m->nodes; i++) {
        free(m->contents[i].data);
        free(m->scratch[i].data);
    }
    free(m->contents);
    free(m->scratch);
    free(m->is_scratch);
    free(m->names.items);
    free(m->scratch_names.items);
    free(m->pending);
    free(m->items);
    free(m);
    *model = NULL;
}

/* ---- contents ---- */

static void make_room(struct content *content, uint64_t bytes)
{
    uint64_t room = content->room > 0 ? content->room : SECTOR_BYTES;

    if (bytes <= content->room)
        return;
    while (room < bytes)
        room *= 2;
    content->data = grow(content->data, room, 1);
    memset(content->data + content->room, 0, room - content->room);
    content->room = room;
}

static void grow_to(struct content *content, uint64_t bytes)
{
    make_room(content, bytes);
    if (content->bytes < bytes)
        content->bytes = bytes;
}

static void cut_to(struct content *content, uint64_t bytes)
{
    if (bytes < content->bytes)
        memset(content->data + bytes, 0, content->bytes - bytes);
    content->bytes = bytes;
    make_room(content, bytes);
}

static void put(struct content *content, const struct record_entry *entry, uint64_t from,
                uint64_t end)
{
    if (from < entry->offset)
        from = entry->offset;
    if (end > entry->offset + entry->bytes)
        end = entry->offset + entry->bytes;
    if (from >= end)
        return;
    grow_to(content, end);
    memcpy(content->data + from, entry->data + (from - entry->offset), end - from);
}

static void put_sectors(struct content *content, const struct record_entry *entry, uint64_t seed)
{
    const uint64_t end = entry->offset + entry->bytes;
    struct dice dice = { seed };

    for (uint64_t at = entry->offset - entry->offset % SECTOR_BYTES; at < end; at += SECTOR_BYTES) {
        if (dice_one_in(&dice, 2))
            put(content, entry, at, at + SECTOR_BYTES);
    }
}

static void change_content(struct content *content, const struct record_entry *entry,
                           const struct fate *fate)
{
    if (fate->what == FATE_ABSENT)
        return;
    if (entry->what == RECORD_GROW) {
        grow_to(content, entry->bytes);
        return;
    }
    if (entry->what == RECORD_CUT) {
        cut_to(content, entry->bytes);
        return;
    }
    switch (fate->what) {
    case FATE_PRESENT: put(content, entry, 0, UINT64_MAX); break;
    case FATE_SIZE: grow_to(content, entry->offset + entry->bytes); break;
    case FATE_HEAD: put(content, entry, 0, fate->cut); break;
    case FATE_TAIL: put(content, entry, fate->cut, UINT64_MAX); break;
    case FATE_SECTORS: put_sectors(content, entry, fate->cut); break;
    case FATE_ABSENT: break;
    }
}

/* ---- names ---- */

static bool is_name(const struct record_entry *entry)
{
    return entry->what == RECORD_CREATE || entry->what == RECORD_UNLINK ||
           entry->what == RECORD_RENAME;
}

static void remove_name(struct names *names, uint32_t folder, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].folder == folder && strcmp(names->items[i].text, text) == 0) {
            names->items[i] = names->items[--names->count];
            return;
        }
    }
}

static void set_name(struct names *names, const struct record_entry *entry, const char *text)
{
    struct name *name;

    remove_name(names, entry->folder, text);
    if (names->count == names->room) {
        names->room = names->room * 2 + 16;
        names->items = grow(names->items, names->room, sizeof(*names->items));
    }
    name = &names->items[names->count++];
    *name = (struct name){ .folder = entry->folder,
                           .node = entry->node,
                           .is_folder = entry->is_folder };
    strcpy(name->text, text);
}

static void change_names(struct names *names, const struct record_entry *entry)
{
    switch (entry->what) {
    case RECORD_CREATE: set_name(names, entry, entry->name); break;
    case RECORD_UNLINK: remove_name(names, entry->folder, entry->name); break;
    case RECORD_RENAME:
        remove_name(names, entry->folder, entry->name);
        set_name(names, entry, entry->new_name);
        break;
    case RECORD_WRITE:
    case RECORD_GROW:
    case RECORD_CUT:
    case RECORD_SYNC_BEGIN:
    case RECORD_SYNC_END:
    case RECORD_SETTLED: abort();
    }
}

/* ---- following the record ---- */

static void know_node(struct model *model, uint32_t node)
{
    if (node < model->nodes)
        return;
    model->contents = grow(model->contents, node + 1, sizeof(*model->contents));
    model->scratch = grow(model->scratch, node + 1, sizeof(*model->scratch));
    model->is_scratch = grow(model->is_scratch, node + 1, sizeof(*model->is_scratch));
    for (; model->nodes <= node; model->nodes++) {
        model->contents[model->nodes] = (struct content){ 0 };
        model->scratch[model->nodes] = (struct content){ 0 };
        model->is_scratch[model->nodes] = false;
    }
}

static void make_certain(struct model *model, const struct record_entry *entry)
{
    static const struct fate present = { .what = FATE_PRESENT };

    if (is_name(entry))
        change_names(&model->names, entry);
    else
        change_content(&model->contents[entry->node], entry, &present);
}

/* All of `node` (RECORD_NO_NODE: of all nodes) that was asked before entry `began`. */
static void settle(struct model *model, uint32_t node, size_t began)
{
    size_t kept = 0;

    for (size_t i = 0; i < model->pending_count; i++) {
        const size_t index = model->pending[i];
        const struct record_entry *entry = record_at(index);
        const uint32_t of = is_name(entry) ? entry->folder : entry->node;

        if (index < began && (node == RECORD_NO_NODE || of == node))
            make_certain(model, entry);
        else
            model->pending[kept++] = index;
    }
    model->pending_count = kept;
}

void model_step(struct model *model, size_t index)
{
    const struct record_entry *entry = record_at(index);

    know_node(model, entry->node);
    if (entry->what == RECORD_SYNC_BEGIN)
        return;
    if (entry->what == RECORD_SYNC_END) {
        settle(model, entry->node, entry->began);
        return;
    }
    if (entry->what == RECORD_SETTLED) {
        settle(model, RECORD_NO_NODE, index);
        return;
    }
    if (model->pending_count == model->pending_room) {
        model->pending_room = model->pending_room * 2 + 64;
        model->pending = grow(model->pending, model->pending_room, sizeof(*model->pending));
    }
    model->pending[model->pending_count++] = index;
}

size_t model_pending(const struct model *model, const size_t **ret_indexes)
{
    *ret_indexes = model->pending;
    return model->pending_count;
}

/* ---- building ---- */

static bool share_a_sector(const struct record_entry *a, const struct record_entry *b)
{
    return a->what == RECORD_WRITE && b->what == RECORD_WRITE && a->node == b->node &&
           a->offset / SECTOR_BYTES <= (b->offset + b->bytes - 1) / SECTOR_BYTES &&
           b->offset / SECTOR_BYTES <= (a->offset + a->bytes - 1) / SECTOR_BYTES;
}

static void mend_tear(const struct model *model, struct fate *fates, size_t torn)
{
    const struct record_entry *entry = record_at(model->pending[torn]);

    for (size_t i = 0; i < torn; i++) {
        if (share_a_sector(entry, record_at(model->pending[i])))
            fates[i].what = FATE_PRESENT;
    }
}

static void mend(const struct model *model, struct fate *fates)
{
    bool keeps_names = false; /* from here on none is removed */

    for (size_t i = 0; i < model->pending_count; i++) {
        const struct record_entry *entry = record_at(model->pending[i]);

        if (entry->what == RECORD_UNLINK) {
            if (keeps_names)
                fates[i].what = FATE_ABSENT;
            keeps_names = fates[i].what == FATE_ABSENT;
        }
        if ((fates[i].what == FATE_HEAD || fates[i].what == FATE_TAIL) &&
            fates[i].cut % SECTOR_BYTES != 0)
            mend_tear(model, fates, i);
    }
}

static struct content *open_scratch(struct model *model, uint32_t node)
{
    struct content *scratch = &model->scratch[node];
    const struct content *certain = &model->contents[node];

    if (model->is_scratch[node])
        return scratch;
    model->is_scratch[node] = true;
    cut_to(scratch, 0);
    grow_to(scratch, certain->bytes);
    if (certain->bytes > 0)
        memcpy(scratch->data, certain->data, certain->bytes);
    return scratch;
}

static void copy_names(struct names *to, const struct names *from)
{
    if (to->room < from->count) {
        to->room = from->count + 64;
        to->items = grow(to->items, to->room, sizeof(*to->items));
    }
    to->count = from->count;
    if (from->count > 0)
        memcpy(to->items, from->items, from->count * sizeof(*from->items));
}

static void add_item(struct model *model, struct image *image, const char *above,
                     const struct name *name)
{
    const struct content *content =
        model->is_scratch[name->node] ? &model->scratch[name->node] : &model->contents[name->node];
    struct image_item *item;

    if (image->count == model->items_room) {
        model->items_room = model->items_room * 2 + 64;
        model->items = grow(model->items, model->items_room, sizeof(*model->items));
        image->items = model->items;
    }
    item = &image->items[image->count++];
    *item = (struct image_item){ .is_folder = name->is_folder,
                                 .node = name->node,
                                 .data = content->data,
                                 .bytes = content->bytes };
    if (snprintf(item->path, sizeof(item->path), "%s%s", above, name->text) >=
        (int)sizeof(item->path))
        abort();
}

static void add_folder(struct model *model, struct image *image, const char *above, uint32_t folder)
{
    for (size_t i = 0; i < model->scratch_names.count; i++) {
        const struct name *name = &model->scratch_names.items[i];
        char inner[256];

        if (name->folder != folder)
            continue;
        add_item(model, image, above, name);
        if (!name->is_folder)
            continue;
        if (snprintf(inner, sizeof(inner), "%s%s/", above, name->text) >= (int)sizeof(inner))
            abort();
        add_folder(model, image, inner, name->node);
    }
}

void model_build(struct model *model, struct fate *fates, struct image *ret_image)
{
    memset(model->is_scratch, 0, model->nodes * sizeof(*model->is_scratch));
    copy_names(&model->scratch_names, &model->names);
    mend(model, fates);
    for (size_t i = 0; i < model->pending_count; i++) {
        const struct record_entry *entry = record_at(model->pending[i]);

        if (!is_name(entry))
            change_content(open_scratch(model, entry->node), entry, &fates[i]);
        else if (fates[i].what != FATE_ABSENT)
            change_names(&model->scratch_names, entry);
    }
    *ret_image = (struct image){ .items = model->items };
    add_folder(model, ret_image, "", RECORD_ROOT);
}
