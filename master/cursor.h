/* master/cursor.h: whose turn it is among the servers of a round-robin profile (SP21). Pure.
 *
 * The cursor is the identity of the server that was handed out last, not an index: servers come and
 * go. Turns are exact for parallel work through debts. When a delivery that started elsewhere was
 * served by k through failover, k was served once more than its turns say: debt[k] grows. When k's
 * turn comes while it has debt, the turn is skipped and one debt is paid. Debt that every server
 * has is nobody's: it is taken off all. So over M deliveries n healthy servers get M/n each, +-1.
 *
 * Servers that take no mail now are passed over as if they were not in the list: the others have
 * the turns among themselves, evenly however many are out and whichever they are. Nothing is owed
 * to them for that when they are back; what they owed themselves they still do.
 *
 * An edit of the list keeps order and debts of the servers that stay. If the server handed out last
 * was removed, the turn goes to the one that followed it. */
#ifndef MASTER_CURSOR_H
#define MASTER_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#define CURSOR_MAX_SERVERS 64

struct cursor { /* all zero: no servers, no turn given yet */
    size_t count;
    uint64_t servers[CURSOR_MAX_SERVERS]; /* identities in the order of the list */
    uint32_t debts[CURSOR_MAX_SERVERS];
    uint64_t last; /* handed out last, 0: none yet */
};

/* The list as it is now; at most CURSOR_MAX_SERVERS, no two alike. */
void cursor_set_servers(struct cursor *cursor, const uint64_t *identities, size_t count);

/* Hands out the next start server (an index into the list) among those that `usable` has a bit for;
 * at least one of them must be in the list. */
#define CURSOR_ALL UINT64_MAX
size_t cursor_take(struct cursor *cursor, uint64_t usable);

/* What cursor_take() would hand out. */
size_t cursor_peek(const struct cursor *cursor, uint64_t usable);

/* A delivery that started elsewhere was served by this one; unknown identities are ignored. */
void cursor_served(struct cursor *cursor, uint64_t identity);

/* One line of text without a line end, and back. cursor_print() returns the length it needs, as
 * snprintf does; cursor_parse() 0 or -EBADMSG. */
#define CURSOR_TEXT_MAX (64 * 28 + 64)
int cursor_print(const struct cursor *cursor, char *out, size_t size);
int cursor_parse(const char *text, struct cursor *ret_cursor);

#endif
