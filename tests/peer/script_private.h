/* tests/peer/script_private.h: for the two files that read scripts. */
#ifndef TESTS_PEER_SCRIPT_PRIVATE_H
#define TESTS_PEER_SCRIPT_PRIVATE_H

#include "script.h"

void *script_must(void *made); /* NULL ends the program: memory */

struct script_action *script_action_new(enum script_verb verb);
/* "CODE TEXT", of one or more lines, as it is sent. */
int script_action_set_reply(struct script_action *action, const char *text,
                            struct reason *reterr_why);

/* "ACTION then ACTION...", ending in the usual reply if nothing else does. `text` is cut up. What
 * was made is in `ret` also after an error. */
int script_actions_parse(char *text, enum script_point point, struct script_action **ret,
                         struct reason *reterr_why);
void script_actions_free(struct script_action *actions);

#endif
