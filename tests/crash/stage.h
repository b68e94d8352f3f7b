/* tests/crash/stage.h: a folder that becomes one image after the other.
 *
 * Only what differs is written: whatever ran on the last image may have changed, added and removed
 * things, and that is undone too. */
#ifndef TESTS_CRASH_STAGE_H
#define TESTS_CRASH_STAGE_H

#include "model.h"

struct stage;

/* `root` is an empty folder of a file system in memory, if there is one. */
struct stage *stage_new(const char *root);
void stage_free(struct stage **stage); /* the folder stays */
void stage_set(struct stage *stage, const struct image *image);

#endif
