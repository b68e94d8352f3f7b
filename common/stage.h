/* common/stage.h: what is done with a group, one thing after the other: scanned by a Core (CO01),
 * its attachments uploaded to a Vault (VA01), relayed.
 *
 * Each stage goes through a profile of its own: the rule's `core`, its `vault`, and the relay. What
 * the rule does not name is no stage of its mail. The rule counts as it is now (SP53); what has
 * been done stands in the group's cell as flags (common/cell.h). */
#ifndef COMMON_STAGE_H
#define COMMON_STAGE_H

#include <stdbool.h>

#include "common/cell.h"

enum stage { STAGE_SCAN, STAGE_UPLOAD, STAGE_RELAY, STAGE_COUNT };

/* "scan", "upload", "relay" */
static inline const char *stage_name(enum stage stage)
{
    static const char *const names[STAGE_COUNT] = { "scan", "upload", "relay" };

    return names[stage];
}

/* The next one of a group whose cell has these flags. */
static inline enum stage stage_next(unsigned flags, bool has_core, bool has_vault)
{
    if (has_core && (flags & CELL_SCANNED) == 0)
        return STAGE_SCAN;
    if (has_vault && (flags & CELL_UPLOADED) == 0)
        return STAGE_UPLOAD;
    return STAGE_RELAY;
}

/* The flag that says that a stage is over; 0 for the relay's. */
static inline unsigned stage_flag(enum stage stage)
{
    static const unsigned flags[STAGE_COUNT] = { CELL_SCANNED, CELL_UPLOADED, 0 };

    return flags[stage];
}

#endif
