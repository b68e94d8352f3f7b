/* master/control/queue_shown.h: a group of the queue as JSON, with names instead of numbers. */
#ifndef MASTER_CONTROL_QUEUE_SHOWN_H
#define MASTER_CONTROL_QUEUE_SHOWN_H

#include <stdbool.h>

#include <jansson.h>

struct control;
struct queue_view;

/* `with_message`: also what all groups of a message have in common (id, received, bytes). */
json_t *queue_shown(const struct control *control, const struct queue_view *view,
                    bool with_message);

#endif
