#include "worker/ingress/clients.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <sys/queue.h>

#define BUCKETS 1024U

struct client {
    LIST_ENTRY(client) in_bucket;
    unsigned char network[8];
    unsigned connections;
};

struct clients {
    LIST_HEAD(, client) buckets[BUCKETS];
};

struct clients *clients_new(void)
{
    return calloc(1, sizeof(struct clients));
}

void clients_free(struct clients **clients)
{
    free(*clients);
    *clients = NULL;
}

/* Whoever has one IPv6 address has the whole /64 of it. */
static void network_of(const struct sockaddr *address, unsigned char network[8])
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

    memset(network, 0, 8);
    if (address->sa_family == AF_INET)
        memcpy(network + 4, &in->sin_addr, 4);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        memcpy(network + 4, in6->sin6_addr.s6_addr + 12, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(network, in6->sin6_addr.s6_addr, 8);
}

static unsigned bucket_of(const unsigned char network[8])
{
    uint64_t hash;

    memcpy(&hash, network, sizeof(hash));
    hash *= 0x9E3779B97F4A7C15U;
    return (unsigned)(hash >> 54) % BUCKETS;
}

bool clients_enter(struct clients *clients, const struct sockaddr *address, unsigned limit,
                   struct client **ret_client)
{
    unsigned char network[8];
    struct client *client;
    unsigned bucket;

    *ret_client = NULL;
    network_of(address, network);
    bucket = bucket_of(network);
    LIST_FOREACH(client, &clients->buckets[bucket], in_bucket)
    {
        if (memcmp(client->network, network, sizeof(network)) == 0)
            break;
    }
    if (client != NULL && limit > 0 && client->connections >= limit)
        return false;
    if (client == NULL) {
        client = calloc(1, sizeof(*client));
        if (client == NULL)
            return false;
        memcpy(client->network, network, sizeof(network));
        LIST_INSERT_HEAD(&clients->buckets[bucket], client, in_bucket);
    }
    client->connections++;
    *ret_client = client;
    return true;
}

void clients_leave(struct clients *clients, struct client *client)
{
    (void)clients;
    if (client == NULL || --client->connections > 0)
        return;
    LIST_REMOVE(client, in_bucket);
    free(client);
}
