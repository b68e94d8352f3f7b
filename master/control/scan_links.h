/* master/control/scan_links.h: where people see what a Core found (CO02). */
#ifndef MASTER_CONTROL_SCAN_LINKS_H
#define MASTER_CONTROL_SCAN_LINKS_H

#include <stdint.h>

#include <jansson.h>

struct registry;

/* Adds "link" to every file in message.scan.files that a Core took: the page of its own console,
 * at the very server that took it or, if the profile has a link_base, there. `message`: what a
 * worker said of a group that came by `rule`; anything else is left alone. */
void scan_links_add(const struct registry *registry, uint32_t rule, json_t *message);

#endif
