/* master/ctl/order.h: orders about messages, of the queue and of the quarantine. */
#ifndef MASTER_CTL_ORDER_H
#define MASTER_CTL_ORDER_H

#include <jansson.h>

struct ctl;

/* `list`: "queue", "quarantine"; `verb`: "/release", or "" where the method says it all; `said`:
 * what is printed behind the id. --group limits it to one group. enum ctl_exit. */
int order_one(struct ctl *ctl, const char *list, const char *id, const char *method,
              const char *verb, const json_t *body, const char *said);
/* All of them are tried; the worst exit code counts. */
int order_each(struct ctl *ctl, const char *list, char **ids, const char *method, const char *verb,
               const char *said);

/* Puts "?name=value" or "&name=value" behind a target; `value` NULL: nothing. */
void order_add_query(char **target, const char *name, const char *value);

#endif
