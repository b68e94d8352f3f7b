/* worker/resolver.c: c-ares on the loop. */
#include "worker/resolver.h"

#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/loop.h"
#include "worker/resolver_private.h"

/* c-ares has sorted by preference; take the families in turn, so that a family without a route
 * costs one try and not all of them. */
static struct resolver_answer *interleave(const struct ares_addrinfo *info)
{
    const struct ares_addrinfo_node *next[2] = { info->nodes, NULL };
    struct resolver_answer *answer;
    int families[2];
    unsigned total = 0, turn = 0;

    for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next)
        total++;
    if (total > RESOLVER_ADDRESSES_MAX)
        total = RESOLVER_ADDRESSES_MAX;
    if (total == 0 || (answer = resolver_answer_new(total)) == NULL)
        return NULL;
    families[0] = info->nodes->ai_family;
    families[1] = families[0] == AF_INET6 ? AF_INET : AF_INET6;
    next[1] = info->nodes;

    while (answer->count < total) {
        struct address *address = &answer->addresses[answer->count];

        while (next[turn] != NULL && next[turn]->ai_family != families[turn])
            next[turn] = next[turn]->ai_next;
        if (next[turn] == NULL) {
            turn = 1 - turn;
            if (next[turn] == NULL)
                break;
            continue;
        }
        address->bytes = (socklen_t)next[turn]->ai_addrlen;
        if (address->bytes <= sizeof(address->storage)) {
            memcpy(&address->storage, next[turn]->ai_addr, address->bytes);
            answer->count++;
        }
        next[turn] = next[turn]->ai_next;
        turn = 1 - turn;
    }
    if (answer->count > 0)
        return answer;
    free(answer);
    return NULL;
}

static const char *words_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND: return "no such name";
    case ARES_ENODATA: return "the name has no address";
    case ARES_ETIMEOUT: return "the name servers do not answer";
    case ARES_ECONNREFUSED: /* also what is left when every server answered SERVFAIL */
    case ARES_ESERVFAIL: return "the name servers failed or cannot be reached";
    default: return ares_strerror(status);
    }
}

static void on_lookup(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct lookup *lookup = arg;
    struct name *name = lookup->name;

    (void)timeouts;
    if (name != NULL && status == ARES_SUCCESS && info != NULL && info->nodes != NULL) {
        struct resolver_answer *answer = interleave(info);
        int64_t ttl_s = RESOLVER_TTL_MAX_S;

        for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next)
            ttl_s = n->ai_ttl < ttl_s ? n->ai_ttl : ttl_s;
        if (ttl_s < RESOLVER_TTL_MIN_S)
            ttl_s = RESOLVER_TTL_MIN_S;
        resolver_settle(name, answer, ttl_s, "out of memory");
    } else if (name != NULL) {
        resolver_settle(name, NULL, RESOLVER_NEGATIVE_S,
                        words_of(status == ARES_SUCCESS ? ARES_ENODATA : status));
    }
    if (info != NULL)
        ares_freeaddrinfo(info);
    free(lookup);
}

/* ---- c-ares on the loop ---- */

static void arm_timer(struct resolver *resolver)
{
    struct timeval wait;

    if (ares_timeout(resolver->channel, NULL, &wait) != NULL)
        loop_timer_set_ms(resolver->timer, wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1);
    else
        loop_timer_clear(resolver->timer);
}

static void on_timer(void *arg)
{
    struct resolver *resolver = arg;

    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(resolver);
}

static void on_socket(int fd, unsigned what, void *arg)
{
    struct resolver *resolver = arg;

    ares_process_fd(resolver->channel, (what & LOOP_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (what & LOOP_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    arm_timer(resolver);
}

/* c-ares opens, wants to read or write, or is about to close a socket. One that finds no place here
 * is never heard, which the deadline turns into a failure. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = arg;
    struct ares_watch *found = NULL, *unused = NULL;

    for (unsigned i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
        if (resolver->watches[i].fd == fd)
            found = &resolver->watches[i];
        else if (resolver->watches[i].fd < 0)
            unused = &resolver->watches[i];
    }
    if (!readable && !writable) {
        if (found != NULL) {
            loop_watch_free(&found->watch);
            found->fd = -1;
        }
        return;
    }
    if (found == NULL && unused != NULL) {
        unused->watch = loop_watch_new(resolver->loop, fd, on_socket, resolver);
        if (unused->watch != NULL) {
            unused->fd = fd;
            found = unused;
        }
    }
    if (found != NULL)
        loop_watch_set(found->watch, (readable ? LOOP_READ : 0U) | (writable ? LOOP_WRITE : 0U));
}

static int set_servers(struct resolver *resolver, const struct conf_list *servers,
                       struct reason *reterr_why)
{
    char list[2048] = "";
    size_t used = 0;
    int status;

    for (size_t i = 0; i < servers->count; i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address address;

        if (address_parse(servers->items[i], 53, &address) < 0)
            return reason_set(reterr_why, -EINVAL, "resolver: %s is not an address",
                              servers->items[i]);
        address_text(&address.sa, text);
        if (used + strlen(text) + 2 > sizeof(list))
            return reason_set(reterr_why, -EINVAL, "resolver: too many servers");
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? "," : "", text);
    }
    if (used == 0)
        return 0;
    status = ares_set_servers_ports_csv(resolver->channel, list);
    if (status != ARES_SUCCESS)
        return reason_set(reterr_why, -EINVAL, "resolver: %s: %s", list, ares_strerror(status));
    return 0;
}

int resolver_new(struct loop *loop, const struct conf *conf, struct resolver **ret_resolver,
                 struct reason *reterr_why)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    struct ares_options options = { 0 };
    char lookups[] = "fb"; /* /etc/hosts, then the name servers */
    int status, err;

    if (resolver == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    resolver->loop = loop;
    resolver->limit_ms = conf->resolver_timeout * 1000;
    TAILQ_INIT(&resolver->names);
    for (unsigned i = 0; i < RESOLVER_SOCKETS_MAX; i++)
        resolver->watches[i].fd = -1;
    resolver->timer = loop_timer_new(loop, on_timer, resolver);

    options.timeout = (int)(resolver->limit_ms / 4); /* the second try waits twice as long */
    options.tries = 2;
    options.lookups = lookups;
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = resolver;
    status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status == ARES_SUCCESS)
        status = ares_init_options(&resolver->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                       ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS || resolver->timer == NULL) {
        if (status == ARES_SUCCESS)
            ares_destroy(resolver->channel);
        loop_timer_free(&resolver->timer);
        free(resolver);
        return reason_set(reterr_why, -ENOMEM, "resolver: %s",
                          status == ARES_SUCCESS ? "out of memory" : ares_strerror(status));
    }
    err = set_servers(resolver, &conf->resolver_servers, reterr_why);
    if (err < 0) {
        resolver_free(&resolver);
        return err;
    }
    *ret_resolver = resolver;
    return 0;
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *r = *resolver;

    *resolver = NULL;
    if (r == NULL)
        return;
    while (!TAILQ_EMPTY(&r->names))
        resolver_drop_name(TAILQ_FIRST(&r->names));
    ares_destroy(r->channel); /* frees the lookups through their callbacks */
    for (unsigned i = 0; i < RESOLVER_SOCKETS_MAX; i++)
        loop_watch_free(&r->watches[i].watch);
    loop_timer_free(&r->timer);
    ares_library_cleanup();
    free(r);
}

void resolver_ask(struct resolver *resolver, const char *host, struct lookup *lookup)
{
    static const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
                                                      .ai_socktype = SOCK_STREAM };

    ares_getaddrinfo(resolver->channel, host, NULL, &hints, on_lookup, lookup);
    arm_timer(resolver);
}
