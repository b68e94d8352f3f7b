#include "states_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEPT_MAX       3U
#define RANDOM_EACH    1U /* random subsets at each sync */
#define OTHERS_EACH    1U /* pending entries of other files at each sync */
#define AGAIN_ONE_IN   16U
#define NEW_ONE_IN     16U
#define FOREIGN_ONE_IN 16U

const char *const states_names[STATES_COUNT] = {
    [STATES_NOTHING] = "nothing unsynced is there",
    [STATES_ALL] = "everything unsynced is there",
    [STATES_MISSING] = "one write or name is missing",
    [STATES_ALONE] = "one write or name alone is there",
    [STATES_TORN_512] = "one write is torn at 512 bytes",
    [STATES_TORN_4096] = "one write is torn at 4,096 bytes",
    [STATES_TORN_CELL] = "one cell is torn within its sector",
    [STATES_NAMES] = "so many changes of names are there",
    [STATES_RANDOM] = "random subsets",
    [STATES_KILLED] = "killed between two calls",
    [STATES_FLIPPED] = "one byte is flipped",
};

/* Of those that are many only some are tried, by chance. */
static const unsigned char one_in[STATES_COUNT] = {
    [STATES_NOTHING] = 2,  [STATES_ALL] = 2,       [STATES_MISSING] = 6,    [STATES_ALONE] = 6,
    [STATES_TORN_512] = 4, [STATES_TORN_4096] = 2, [STATES_TORN_CELL] = 16, [STATES_NAMES] = 5,
    [STATES_RANDOM] = 1,   [STATES_KILLED] = 8,    [STATES_FLIPPED] = 2,
};

/* ---- telling ---- */

static const char *const whats[] = {
    [RECORD_CREATE] = "create",  [RECORD_UNLINK] = "unlink",
    [RECORD_RENAME] = "rename",  [RECORD_WRITE] = "write",
    [RECORD_GROW] = "fallocate", [RECORD_CUT] = "ftruncate",
    [RECORD_SETTLED] = "begin",  [RECORD_SYNC_BEGIN] = "begin of sync",
    [RECORD_SYNC_END] = "sync",
};

static const char *const fate_names[] = {
    [FATE_PRESENT] = "present", [FATE_ABSENT] = "absent",  [FATE_SIZE] = "size only",
    [FATE_HEAD] = "head only",  [FATE_TAIL] = "tail only", [FATE_SECTORS] = "some sectors",
};

/* What is special: the cell writes, all of one fate, would hide it. */
static void tell_fates(const struct states *states)
{
    for (size_t i = 0; i < states->pending_count; i++) {
        const struct record_entry *entry = record_at(states->pending[i]);

        if (entry->what == RECORD_WRITE && entry->bytes == CELL_BYTES / 2 &&
            states->fates[i].what == states->fates[0].what)
            continue;
        (void)fprintf(stderr, "      %zu %s node %u %s%s%s at %llu, %llu bytes: %s %llu\n",
                      states->pending[i], whats[entry->what], entry->node, entry->name,
                      entry->new_name[0] != '\0' ? " to " : "", entry->new_name,
                      (unsigned long long)entry->offset, (unsigned long long)entry->bytes,
                      fate_names[states->fates[i].what], (unsigned long long)states->fates[i].cut);
    }
}

static void tell(const char *line, void *arg)
{
    const struct states *states = arg;

    if (states->kept < KEPT_MAX)
        (void)fprintf(stderr, "    WRONG: %s (seed %llu: %s, after %zu calls%s%s)\n", line,
                      (unsigned long long)states->seed, states_names[states->kind], states->at,
                      states->detail != NULL ? ", " : "",
                      states->detail != NULL ? states->detail : "");
}

static void keep(struct states *states, const struct image *image)
{
    char folder[] = "/tmp/postern-crash.XXXXXX";
    struct stage *stage;

    if (states->kept++ >= KEPT_MAX || mkdtemp(folder) == NULL)
        return;
    stage = stage_new(folder);
    stage_set(stage, image);
    stage_free(&stage);
    (void)fprintf(stderr, "    the state is kept in %s\n", folder);
    tell_fates(states);
}

/* ---- trials ---- */

void states_trial_image(struct states *states, const struct image *image,
                        const struct moment *moment)
{
    const bool is_again = dice_one_in(&states->dice, AGAIN_ONE_IN);
    struct moment with = *moment;
    unsigned wrong;

    with.is_continued = !is_again && dice_one_in(&states->dice, NEW_ONE_IN);
    with.is_foreign = dice_one_in(&states->dice, FOREIGN_ONE_IN);
    if (states->only != STATES_COUNT && states->only != states->kind)
        return;
    if (!dice_one_in(&states->dice, one_in[states->kind]))
        return;
    stage_set(states->stage, image);
    wrong = check_restart(states->gateway, states->ledger, &with, tell, states);
    gateway_stop(states->gateway);
    if (wrong == 0 && is_again) { /* what a restart did must not be to the next one's harm */
        wrong = check_restart(states->gateway, states->ledger, &with, tell, states);
        gateway_stop(states->gateway);
    }
    states->tally->tried[states->kind]++;
    states->tally->wrong[states->kind] += wrong > 0;
    if (wrong > 0)
        keep(states, image);
}

void states_trial(struct states *states, enum states_kind kind)
{
    const struct moment moment = { .at = states->at, .is_kill = kind == STATES_KILLED };
    struct image image;

    states->kind = kind;
    states->detail = NULL;
    model_build(states->model, states->fates, &image);
    states_trial_image(states, &image, &moment);
}

void states_set_all(struct states *states, enum fate_what what)
{
    for (size_t i = 0; i < states->pending_count; i++)
        states->fates[i] = (struct fate){ .what = what };
}

/* ---- one entry ---- */

static bool is_name(const struct record_entry *entry)
{
    return entry->what == RECORD_CREATE || entry->what == RECORD_UNLINK ||
           entry->what == RECORD_RENAME;
}

static void try_one(struct states *states, size_t which, struct fate fate, enum states_kind kind)
{
    states_set_all(states, kind == STATES_ALONE ? FATE_ABSENT : FATE_PRESENT);
    states->fates[which] = fate;
    states_trial(states, kind);
}

static void try_cut(struct states *states, size_t which, uint64_t cut, enum states_kind kind)
{
    try_one(states, which, (struct fate){ .what = FATE_HEAD, .cut = cut }, kind);
    try_one(states, which, (struct fate){ .what = FATE_TAIL, .cut = cut }, kind);
}

/* At the first place where it can be torn, and at any other. */
static void tear(struct states *states, size_t which, uint64_t grain, enum states_kind kind)
{
    const struct record_entry *entry = record_at(states->pending[which]);
    const uint64_t first = entry->offset - entry->offset % grain + grain,
                   end = entry->offset + entry->bytes;
    uint64_t cut;

    if (first >= end)
        return;
    try_cut(states, which, first, kind);
    cut = first + grain * dice_below(&states->dice, (end - first + grain - 1) / grain);
    if (cut != first)
        try_cut(states, which, cut, kind);
}

static void try_entry(struct states *states, size_t which)
{
    const struct record_entry *entry = record_at(states->pending[which]);

    try_one(states, which, (struct fate){ .what = FATE_ABSENT }, STATES_MISSING);
    try_one(states, which, (struct fate){ .what = FATE_PRESENT }, STATES_ALONE);
    if (entry->what != RECORD_WRITE)
        return;
    tear(states, which, 512, STATES_TORN_512);
    tear(states, which, 4096, STATES_TORN_4096);
    if (entry->bytes < SECTOR_BYTES)
        try_cut(states, which, entry->offset + 8 * (1 + dice_below(&states->dice, 7)),
                STATES_TORN_CELL);
}

/* ---- many ---- */

static void choose_fate(struct states *states, size_t which)
{
    const struct record_entry *entry = record_at(states->pending[which]);
    struct fate *fate = &states->fates[which];
    const uint64_t cut = entry->offset + dice_below(&states->dice, entry->bytes + 1);

    switch (dice_below(&states->dice, entry->what == RECORD_WRITE ? 9 : 2)) {
    case 0:
    case 2: *fate = (struct fate){ .what = FATE_ABSENT }; break;
    case 3: *fate = (struct fate){ .what = FATE_HEAD, .cut = cut - cut % SECTOR_BYTES }; break;
    case 4: *fate = (struct fate){ .what = FATE_TAIL, .cut = cut - cut % SECTOR_BYTES }; break;
    case 5: *fate = (struct fate){ .what = FATE_SIZE }; break;
    case 6: *fate = (struct fate){ .what = FATE_SECTORS, .cut = dice_throw(&states->dice) }; break;
    default: *fate = (struct fate){ .what = FATE_PRESENT }; break;
    }
}

static void choose_fates(struct states *states)
{
    for (size_t i = 0; i < states->pending_count; i++)
        choose_fate(states, i);
}

static void try_random(struct states *states)
{
    for (unsigned n = 0; n < RANDOM_EACH; n++) {
        choose_fates(states);
        states_trial(states, STATES_RANDOM);
    }
}

/* The names of a folder change in order as a rule: so many are there. */
static void try_names(struct states *states)
{
    for (size_t end = 0; end < states->pending_count; end++) {
        if (!is_name(record_at(states->pending[end])))
            continue;
        states_set_all(states, FATE_PRESENT);
        for (size_t i = end; i < states->pending_count; i++) {
            if (is_name(record_at(states->pending[i])))
                states->fates[i].what = FATE_ABSENT;
        }
        states_trial(states, STATES_NAMES);
    }
}

/* Is it what the sync of that node is about: its content, or its own name, or the names in it? */
static bool is_about(const struct record_entry *entry, uint32_t node)
{
    return entry->node == node || (is_name(entry) && entry->folder == node);
}

static void look_at_pending(struct states *states, size_t at)
{
    states->at = at;
    states->pending_count = model_pending(states->model, &states->pending);
    if (states->pending_count > states->fates_room) {
        states->fates_room = states->pending_count * 2;
        states->fates = reallocarray(states->fates, states->fates_room, sizeof(*states->fates));
        if (states->fates == NULL)
            abort();
    }
    states_set_all(states, FATE_PRESENT);
}

/* The power goes when the sync was about to return: what it covers is still pending. */
static void try_sync(struct states *states, size_t index)
{
    const uint32_t synced = record_at(index)->node;
    size_t others = 0;

    look_at_pending(states, index);
    states_set_all(states, FATE_ABSENT);
    states_trial(states, STATES_NOTHING);
    if (states->pending_count > 0) {
        states_set_all(states, FATE_PRESENT);
        states_trial(states, STATES_ALL);
        try_names(states);
        try_random(states);
    }
    states_flip_segment(states);
    states_flip_cell(states);
    for (size_t i = 0; i < states->pending_count; i++) {
        if (is_about(record_at(states->pending[i]), synced))
            try_entry(states, i);
        else
            others++;
    }
    for (size_t i = 0; i < states->pending_count; i++) {
        if (!is_about(record_at(states->pending[i]), synced) &&
            dice_below(&states->dice, others) < OTHERS_EACH)
            try_entry(states, i);
    }
}

void states_try(struct gateway *gateway, const struct ledger *ledger, uint64_t seed,
                enum states_kind only, struct states_tally *tally)
{
    struct states states = { .gateway = gateway,
                             .ledger = ledger,
                             .only = only,
                             .tally = tally,
                             .model = model_new(),
                             .stage = stage_new(gateway->state_dir),
                             .seed = seed,
                             .dice = { seed } };
    const size_t end = record_position();
    bool is_begun = false;

    for (size_t i = 0; i < end; i++) {
        const struct record_entry *entry = record_at(i);

        if (is_begun && entry->what == RECORD_SYNC_END) {
            try_sync(&states, i);
            tally->syncs++;
        }
        model_step(states.model, i);
        tally->entries++;
        if (entry->what == RECORD_SETTLED)
            is_begun = true;
        if (!is_begun || entry->what == RECORD_SYNC_BEGIN || entry->what == RECORD_SYNC_END)
            continue;
        look_at_pending(&states, i + 1);
        states_trial(&states, STATES_KILLED);
    }
    stage_free(&states.stage);
    model_free(&states.model);
    free(states.fates);
}

static size_t choose_sync(struct dice *dice)
{
    const size_t end = record_position();
    size_t index;

    do {
        index = dice_below(dice, end);
    } while (record_at(index)->what != RECORD_SYNC_END);
    return index;
}

size_t states_choose(const char *folder, uint64_t seed)
{
    struct states states = { .model = model_new(), .stage = stage_new(folder), .dice = { seed } };
    const size_t at = choose_sync(&states.dice);
    struct image image;

    for (size_t i = 0; i < at; i++)
        model_step(states.model, i);
    look_at_pending(&states, at);
    choose_fates(&states);
    model_build(states.model, states.fates, &image);
    stage_set(states.stage, &image);
    stage_free(&states.stage);
    model_free(&states.model);
    free(states.fates);
    return at;
}
