/* master/health_shown.h: the health of servers as the control API shows it (SP23). */
#ifndef MASTER_HEALTH_SHOWN_H
#define MASTER_HEALTH_SHOWN_H

#include <stdint.h>

#include <jansson.h>

struct queue;

/* The servers of this profile, 0: of all that relay mail, in the order of their lists:
 * [{"profile", "server", "state", "drained", "since", "reason", "failures", "next_probe",
 *   "in_flight"}, ...]. NULL: no memory. */
json_t *health_shown(const struct queue *queue, uint32_t profile);

/* What somebody should know as long as it lasts, as strings: profiles of which no server takes
 * mail, servers that refuse our login, servers that are drained. NULL: no memory. */
json_t *health_warnings(const struct queue *queue);

#endif
