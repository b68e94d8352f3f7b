#include "worker/probe_advice.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "common/address.h"

enum probe_step probe_step_of(enum smtp_point point, bool is_smtps)
{
    switch (point) {
    case SMTP_AT_CONNECT: return PROBE_CONNECT;
    case SMTP_AT_GREETING: return PROBE_GREETING;
    case SMTP_AT_EHLO:
    case SMTP_AT_HELO: return PROBE_EHLO;
    case SMTP_AT_STARTTLS: return PROBE_STARTTLS;
    case SMTP_AT_TLS: return is_smtps ? PROBE_TLS : PROBE_STARTTLS;
    case SMTP_AT_CERTIFICATE: return PROBE_CERTIFICATE;
    case SMTP_AT_AUTH: return PROBE_AUTH;
    case SMTP_AT_RSET:
    case SMTP_AT_MAIL:
    case SMTP_AT_RCPT:
    case SMTP_AT_DATA:
    case SMTP_AT_BODY:
    case SMTP_AT_END:
    case SMTP_POINT_COUNT: break;
    }
    return PROBE_QUIT;
}

static const char *advice_on_tls(const struct server_uri *server,
                                 const struct smtp_failure *failure)
{
    bool is_smtps = server_uri_is_tls(server);

    switch (failure->fault) {
    case TLS_NOT_SPOKEN:
        if (server->scheme == SERVER_HTTPS)
            return "this port does not speak TLS: write http://, if what is sent may be read on "
                   "the way";
        return is_smtps
                   ? "this port does not speak TLS from the first byte: write smtp://, and set "
                     "`encryption` if the server offers STARTTLS"
                   : "TLS is not offered there: if it is on a port of its own, write smtps://; "
                     "if mail may go in clear, set `encryption` to starttls_optional or none";
    case TLS_WANTS_CLIENT_CERTIFICATE:
        return "the server wants to see a certificate: set `client_certificate` to true";
    case TLS_UNKNOWN_ISSUER:
        return "paste the certificate of the CA that issued it into `ca`, or have the server send "
               "its whole chain";
    case TLS_SELF_SIGNED: return "it vouches for itself: paste it, or its CA, into `ca`";
    case TLS_WRONG_NAME:
        return "write the server by a name that its certificate has, or have it certified for this "
               "one";
    case TLS_EXPIRED: return "have its administrator renew it";
    case TLS_NOT_YET_VALID: return "is this machine's clock right, and the server's?";
    case TLS_NO_COMMON_WAY: return "the server must speak TLS 1.2 or later";
    case TLS_NO_FAULT:
    default: break;
    }
    if (failure->event == SMTP_GARBAGE)
        return "what is said there does not come from the server alone: ask its administrator";
    if (failure->event == SMTP_TIMED_OUT && server->scheme == SERVER_HTTPS)
        return "if this port does not speak TLS, write http://";
    if (failure->event == SMTP_TIMED_OUT && is_smtps)
        return "if this port begins in clear, write smtp://";
    if (failure->code != 0)
        return "the server refuses TLS now: ask its administrator";
    return "does the server want a client certificate (`client_certificate`), or is it broken?";
}

static const char *advice_on_login(const struct smtp_failure *failure)
{
    switch (failure->login) {
    case SMTP_LOGIN_NOT_OFFERED:
        return "if the server needs no login, remove `username` and `password`; else its "
               "administrator must allow it here";
    case SMTP_LOGIN_ONLY_IN_TLS:
        return "it may be offered after STARTTLS: set `encryption` to starttls_required";
    case SMTP_LOGIN_NO_COMMON_WAY: return "have its administrator allow it";
    case SMTP_LOGIN_IN_CLEAR:
        return "set `encryption` to starttls_required; or to none, if the password may be read on "
               "the way";
    case SMTP_LOGIN_TO_ANYONE:
        return "paste its CA into `ca` and set `encryption` to starttls_required; or set "
               "`verify_certificate` to false, if anyone may be given the password";
    case SMTP_LOGIN_UNPROVEN: return "is it the server that it should be?";
    case SMTP_LOGIN_NO_TOKEN:
        return "check `oauth`: token_url, client_id, client_secret, scope, and for its grant "
               "refresh_token";
    case SMTP_LOGIN_FINE:
    default: break;
    }
    if (failure->code == 535)
        return "the server does not know this name with this password, or token: check `username` "
               "and `password`, or `oauth`: its user and scope";
    if (failure->event == SMTP_GARBAGE)
        return "the server does AUTH wrong, or is not the one that it should be";
    return "the server does not log us in now: try again, or ask its administrator";
}

static const char *advice_for(const struct server_uri *server, const struct smtp_failure *failure)
{
    bool is_silent = failure->event == SMTP_TIMED_OUT || failure->event == SMTP_CUT;

    if (failure->point == SMTP_AT_CONNECT)
        return failure->event == SMTP_TIMED_OUT
                   ? "nothing answers there: is the address right, and does a firewall let us pass?"
               : server->scheme == SERVER_HTTP || server->scheme == SERVER_HTTPS
                   ? "is the address right, and the port? A Core listens on 8008, a Vault on 8010, "
                     "or 8000 if it is old"
                   : "is the address right, and does the server listen on this port?";
    if (failure->point == SMTP_AT_GREETING) {
        if (failure->event == SMTP_GARBAGE || (server->port == 465 && failure->code == 0))
            return "if this port speaks TLS from the first byte, write smtps://; else it is no "
                   "SMTP server";
        if (is_silent)
            return "the server sent no greeting: if the port speaks TLS from the first byte, write "
                   "smtps://; it may also check our address slowly, or be overloaded";
        if (failure->code / 100 == 5)
            return "the server does not want this gateway: let its administrator allow our address";
        return "the server is not ready: try again, or ask its administrator";
    }
    if (failure->point == SMTP_AT_STARTTLS || failure->point == SMTP_AT_TLS ||
        failure->point == SMTP_AT_CERTIFICATE)
        return advice_on_tls(server, failure);
    if (failure->point == SMTP_AT_AUTH)
        return advice_on_login(failure);
    if (failure->event == SMTP_GARBAGE)
        return "it is no SMTP server";
    if (failure->code / 100 == 5)
        return "the server refuses our name: set `ehlo_name` to one that it accepts";
    return "the server is not ready: try again, or ask its administrator";
}

void probe_advise(const struct server_uri *server, const struct smtp_failure *failure, char *out,
                  size_t bytes)
{
    (void)snprintf(out, bytes, "%.*s; %s", PROBE_SEEN_MAX,
                   failure->text != NULL ? failure->text : "failed", advice_for(server, failure));
}

void probe_advise_late(const struct server_uri *server, enum probe_step step, unsigned limit_s,
                       char *out, size_t bytes)
{
    char seen[48];
    struct smtp_failure failure = { .event = SMTP_TIMED_OUT, .text = seen };

    (void)snprintf(seen, sizeof(seen), "not through within %u s", limit_s);
    if (step == PROBE_RESOLVE) {
        (void)snprintf(out, bytes,
                       "%s; the name servers are slow or do not answer: is `resolver` "
                       "in the configuration right?",
                       seen);
        return;
    }
    if (step == PROBE_REQUEST) { /* of what kind the server is, makes no difference then */
        const struct rest_found silent = { REST_FAILED, REST_SILENT, seen };

        probe_advise_rest(server, PROFILE_CORE, true, &silent, out, bytes);
        return;
    }
    failure.point = step == PROBE_CONNECT    ? SMTP_AT_CONNECT
                    : step == PROBE_GREETING ? SMTP_AT_GREETING
                    : step == PROBE_TLS      ? SMTP_AT_TLS
                    : step == PROBE_STARTTLS ? SMTP_AT_STARTTLS
                    : step == PROBE_AUTH     ? SMTP_AT_AUTH
                                             : SMTP_AT_EHLO;
    probe_advise(server, &failure, out, bytes);
}

/* ---- ourselves ---- */

static void plain_ip(const struct sockaddr *sa, char *out)
{
    (void)address_host_text(sa, out);
}

static unsigned port_of(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
    if (sa->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
    return 0;
}

static bool is_v6(const char *ip)
{
    return strchr(ip, ':') != NULL;
}

static bool is_of_this_machine(const char *ip)
{
    struct ifaddrs *all = NULL;
    bool is_ours = strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;

    if (is_ours || getifaddrs(&all) < 0)
        return is_ours;
    for (const struct ifaddrs *i = all; i != NULL && !is_ours; i = i->ifa_next) {
        char own[ADDRESS_TEXT_SIZE];

        if (i->ifa_addr == NULL ||
            (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        plain_ip(i->ifa_addr, own);
        is_ours = strcmp(own, ip) == 0;
    }
    freeifaddrs(all);
    return is_ours;
}

bool probe_is_ourselves(const struct conf *conf, const struct sockaddr *peer)
{
    char peer_ip[ADDRESS_TEXT_SIZE], door_ip[ADDRESS_TEXT_SIZE];
    struct address door;

    plain_ip(peer, peer_ip);
    for (size_t i = 0; i < conf->smtp_listen.count; i++) {
        if (address_parse(conf->smtp_listen.items[i], 0, &door) < 0 ||
            port_of(&door.sa) != port_of(peer))
            continue;
        plain_ip(&door.sa, door_ip);
        if (strcmp(door_ip, peer_ip) == 0)
            return true;
        /* Each family has a door of its own: "::" takes no IPv4. */
        if (strcmp(door_ip, is_v6(peer_ip) ? "::" : "0.0.0.0") == 0 && is_of_this_machine(peer_ip))
            return true;
    }
    return false;
}
