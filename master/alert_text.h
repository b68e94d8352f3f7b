/* master/alert_text.h: the mail about all that is news, in words. */
#ifndef MASTER_ALERT_TEXT_H
#define MASTER_ALERT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct alerts;

#define ALERT_TEXT_MAX 50U /* causes in one mail; the others wait for the next */

/* How many causes have news. */
size_t alert_text_count(const struct alerts *alerts);

/* A mail about them, which is taken for under way until alert_text_ended(). 0 (free() both texts),
 * -ENOMEM, -ENOENT: there is no news. */
int alert_text_write(struct alerts *alerts, const char *hostname, char **ret_subject,
                     char **ret_text);
/* It has left, or not: then all in it is news still. */
void alert_text_ended(struct alerts *alerts, bool has_left);

#endif
