/* worker/note.h: what is remembered of a group beside its cell, as JSON.
 *
 *   { "attempts":   [ { "time", "start", "tried": [ ... ], ... } ],       the last 8, oldest first
 *     "recipients": [ { "address", "state", "code", "enhanced", "text", "server" } ],
 *     "scan":       { "verdict", "reason", "server", "files": [ ... ] }     worker/delivery_scan.c
 *     "upload":     { "server", "group", "closed", "files": [ ... ] } worker/delivery_upload.c
 *   }
 *
 * Written by the job's worker through spooler_note(), found through the group's cell. A note that
 * does not check out counts as none: what was begun is begun anew, and nobody can tell why. */
#ifndef WORKER_NOTE_H
#define WORKER_NOTE_H

#include <stdint.h>

#include <jansson.h>

#include "common/cell.h"

struct segment_cache;

#define NOTE_ATTEMPTS_MAX 8

/* NULL: there is none, or it cannot be read. */
json_t *note_read(struct segment_cache *cache, const struct cell_note_place *place, uint64_t id,
                  uint32_t group);

#endif
