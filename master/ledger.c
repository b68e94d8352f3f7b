#include "master/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/id.h"
#include "master/group.h"
#include "master/queue.h"

struct entry {
    int64_t wall_ms;
    uint64_t id;
    uint32_t group;
    unsigned attempt;
    char *profile, *server;
};

struct ledger { /* a ring: the next one takes the place of the oldest */
    struct entry entries[LEDGER_MAX];
    uint64_t count;
};

struct ledger *ledger_new(void)
{
    return calloc(1, sizeof(struct ledger));
}

void ledger_free(struct ledger **ledger)
{
    for (size_t i = 0; *ledger != NULL && i < LEDGER_MAX; i++) {
        free((*ledger)->entries[i].profile);
        free((*ledger)->entries[i].server);
    }
    free(*ledger);
    *ledger = NULL;
}

static char *copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

void ledger_add(struct ledger *ledger, const struct ledger_loss *loss)
{
    struct entry *entry = &ledger->entries[ledger->count++ % LEDGER_MAX];

    free(entry->profile);
    free(entry->server);
    *entry = (struct entry){ .wall_ms = clock_wall_ms(),
                             .id = loss->id,
                             .group = loss->group,
                             .attempt = loss->attempt,
                             .profile = copy(loss->profile),
                             .server = copy(loss->server) };
}

uint64_t ledger_count(const struct ledger *ledger)
{
    return ledger->count;
}

static json_t *state_now(struct queue *queue, const struct entry *entry)
{
    const struct group *group = queue_group(queue, entry->id, entry->group);

    return group != NULL && group->state != QUEUE_GONE ? json_string(queue_state_name(group->state))
                                                       : json_null();
}

static json_t *row(const struct entry *entry, struct queue *queue)
{
    char time[CLOCK_TEXT_SIZE], id[ID_TEXT_SIZE];

    return json_pack("{s:s, s:s, s:I, s:I, s:s?, s:s?, s:o}", "time",
                     clock_text(entry->wall_ms, time), "id", id_text(entry->id, id), "group",
                     (json_int_t)entry->group, "attempt", (json_int_t)entry->attempt, "profile",
                     entry->profile, "server", entry->server, "state", state_now(queue, entry));
}

json_t *ledger_shown(const struct ledger *ledger, struct queue *queue, size_t limit)
{
    const uint64_t kept = ledger->count < LEDGER_MAX ? ledger->count : LEDGER_MAX;
    json_t *list = json_array();

    for (uint64_t i = 0; list != NULL && i < kept && i < limit; i++) {
        const uint64_t at = ledger->count - 1 - i;

        (void)json_array_append_new(list, row(&ledger->entries[at % LEDGER_MAX], queue));
    }
    return list;
}
