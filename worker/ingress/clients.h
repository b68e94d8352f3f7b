/* worker/ingress/clients.h: how many connections each client address has open. */
#ifndef WORKER_INGRESS_CLIENTS_H
#define WORKER_INGRESS_CLIENTS_H

#include <stdbool.h>

struct client;
struct clients;
struct sockaddr;

struct clients *clients_new(void);
void clients_free(struct clients **clients); /* every client must have left */

/* One more from this address, *ret_client, unless there are `limit` already (0: no limit). False:
 * too many, or no memory. IPv4-mapped addresses are IPv4; an IPv6 client is its /64. */
bool clients_enter(struct clients *clients, const struct sockaddr *address, unsigned limit,
                   struct client **ret_client);

/* NULL is allowed. */
void clients_leave(struct clients *clients, struct client *client);

#endif
