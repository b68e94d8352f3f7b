#include "master/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE SIZE_MAX

static size_t find(const uint64_t *servers, size_t count, uint64_t identity)
{
    for (size_t i = 0; i < count; i++) {
        if (servers[i] == identity)
            return i;
    }
    return NOWHERE;
}

static size_t place_of(const struct cursor *cursor, uint64_t identity)
{
    return find(cursor->servers, cursor->count, identity);
}

static bool is_among(uint64_t servers, size_t index)
{
    return (servers >> index & 1) != 0;
}

/* Debt that all of these have changes nobody's share, so it is dropped: paid round by round it
 * would end the same, after as many rounds. */
static void drop_common_debt(struct cursor *cursor, uint64_t among)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < cursor->count; i++) {
        if (is_among(among, i) && cursor->debts[i] < least)
            least = cursor->debts[i];
    }
    for (size_t i = 0; i < cursor->count; i++)
        cursor->debts[i] -= is_among(among, i) ? least : 0;
}

/* The nearest one before `last` in the old list that is still there: the turn after it is the turn
 * of the first survivor behind `last`. */
static uint64_t survivor_before(const struct cursor *old, const uint64_t *identities, size_t count)
{
    size_t at = place_of(old, old->last);

    if (at == NOWHERE)
        return 0;
    for (size_t i = 0; i < old->count; i++) {
        uint64_t candidate = old->servers[(at + old->count - i) % old->count];

        if (find(identities, count, candidate) != NOWHERE)
            return candidate;
    }
    return 0;
}

void cursor_set_servers(struct cursor *cursor, const uint64_t *identities, size_t count)
{
    const struct cursor old = *cursor;

    cursor->last = survivor_before(&old, identities, count);
    cursor->count = count;
    memset(cursor->debts, 0, sizeof(cursor->debts));
    for (size_t i = 0; i < count; i++) {
        size_t before = place_of(&old, identities[i]);

        cursor->servers[i] = identities[i];
        cursor->debts[i] = before != NOWHERE ? old.debts[before] : 0;
    }
    drop_common_debt(cursor, CURSOR_ALL);
}

size_t cursor_take(struct cursor *cursor, uint64_t usable)
{
    size_t at = cursor->last != 0 ? place_of(cursor, cursor->last) : NOWHERE;

    drop_common_debt(cursor, usable);
    at = at == NOWHERE ? 0 : (at + 1) % cursor->count;
    while (!is_among(usable, at) || cursor->debts[at] > 0) { /* ends: one is without debt */
        if (is_among(usable, at))
            cursor->debts[at]--;
        at = (at + 1) % cursor->count;
    }
    cursor->last = cursor->servers[at];
    return at;
}

size_t cursor_peek(const struct cursor *cursor, uint64_t usable)
{
    struct cursor copy = *cursor;

    return cursor_take(&copy, usable);
}

void cursor_served(struct cursor *cursor, uint64_t identity)
{
    size_t at = place_of(cursor, identity);

    if (at == NOWHERE || cursor->debts[at] == UINT32_MAX)
        return;
    cursor->debts[at]++;
    drop_common_debt(cursor, CURSOR_ALL);
}

/* ---- text: "<last> <count> <identity>:<debt> ..." ---- */

int cursor_print(const struct cursor *cursor, char *out, size_t size)
{
    int used = snprintf(out, size, "%016" PRIx64 " %zu", cursor->last, cursor->count);

    for (size_t i = 0; i < cursor->count; i++) {
        bool fits = (size_t)used < size;

        used += snprintf(fits ? out + used : NULL, fits ? size - (size_t)used : 0,
                         " %016" PRIx64 ":%" PRIu32, cursor->servers[i], cursor->debts[i]);
    }
    return used;
}

/* A number and the character that must follow it. */
static bool take_number(const char **text, int base, uint64_t max, char follows, uint64_t *ret)
{
    char *end;

    if (**text == '-' || **text == '+' || **text == ' ')
        return false;
    errno = 0;
    *ret = strtoull(*text, &end, base);
    if (errno != 0 || end == *text || *ret > max || *end != follows)
        return false;
    *text = *end != '\0' ? end + 1 : end;
    return true;
}

int cursor_parse(const char *text, struct cursor *ret_cursor)
{
    struct cursor cursor = { 0 };
    uint64_t count;

    if (!take_number(&text, 16, UINT64_MAX, ' ', &cursor.last))
        return -EBADMSG;
    if (!take_number(&text, 10, CURSOR_MAX_SERVERS, strchr(text, ' ') != NULL ? ' ' : '\0', &count))
        return -EBADMSG;
    for (; cursor.count < count; cursor.count++) {
        uint64_t identity, debt;
        char follows = cursor.count + 1 < count ? ' ' : '\0';

        if (!take_number(&text, 16, UINT64_MAX, ':', &identity) || identity == 0 ||
            place_of(&cursor, identity) != NOWHERE ||
            !take_number(&text, 10, UINT32_MAX, follows, &debt))
            return -EBADMSG;
        cursor.servers[cursor.count] = identity;
        cursor.debts[cursor.count] = (uint32_t)debt;
    }
    if (*text != '\0')
        return -EBADMSG;
    drop_common_debt(&cursor, CURSOR_ALL);
    *ret_cursor = cursor;
    return 0;
}
