/* worker/http_transfer.c: one transfer: its options, and what it brings. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "worker/http_private.h"
#include "worker/resolver.h"
#include "worker/tls.h"

/* How long libcurl keeps an address that it was given: longer than any request takes. */
#define ADDRESSES_KEPT_S  (2 * HTTP_TOTAL_MAX_MS / 1000)
#define CONNECTION_KEPT_S 60 /* while nobody uses it */
#define FIRST_ROOM        4096U

/* ---- what comes ---- */

/* Lines of heads, of interim answers too, and of what may follow a body in chunks. */
static size_t on_head(char *line, size_t one, size_t bytes, void *arg)
{
    struct http_job *job = arg;

    (void)one;
    if (bytes >= 5 && memcmp(line, "HTTP/", 5) == 0)
        job->is_head_whole = false;
    else if (line[0] == '\r' || line[0] == '\n')
        job->is_head_whole = true;
    job->head_bytes += bytes;
    job->is_too_large = job->head_bytes > HTTP_HEADERS_MAX;
    return job->is_too_large ? 0 : bytes;
}

static bool make_room(struct http_job *job, size_t bytes)
{
    size_t wanted = job->bytes + bytes + 1; /* and a NUL */
    size_t room = job->room * 2 > FIRST_ROOM ? job->room * 2 : FIRST_ROOM;
    char *larger;

    if (wanted <= job->room)
        return true;
    if (room < wanted)
        room = wanted;
    larger = secret_block_resize(job->data, room);
    if (larger == NULL)
        return false;
    job->data = larger;
    job->room = room;
    return true;
}

static size_t on_body(char *data, size_t one, size_t bytes, void *arg)
{
    struct http_job *job = arg;

    (void)one;
    job->is_too_large = bytes > job->answer_max - job->bytes;
    if (job->is_too_large || !make_room(job, bytes))
        return 0;
    memcpy(job->data + job->bytes, data, bytes);
    job->bytes += bytes;
    job->data[job->bytes] = '\0';
    return bytes;
}

/* ---- addresses ---- */

/* libcurl would ask in a thread of its own. It has been told what it needs. */
static int on_resolve(void *resolver, void *reserved, void *arg)
{
    (void)resolver;
    (void)reserved;
    (void)arg;
    return 1;
}

/* "+name:port:address,[address]"; "+": they may be forgotten. */
static bool add_addresses(struct http_job *job, const struct resolver_answer *answer)
{
    char line[512 + RESOLVER_ADDRESSES_MAX * (ADDRESS_TEXT_SIZE + 3)], text[ADDRESS_TEXT_SIZE];
    size_t used = (size_t)snprintf(line, sizeof(line), "+%s:%s:", job->host, job->port);

    for (unsigned i = 0; i < answer->count && used < sizeof(line); i++) {
        const struct sockaddr *sa = &answer->addresses[i].sa;
        bool is_wide = strchr(address_host_text(sa, text), ':') != NULL;

        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s%s%s", i > 0 ? "," : "",
                                 is_wide ? "[" : "", text, is_wide ? "]" : "");
    }
    job->addresses = used < sizeof(line) ? curl_slist_append(NULL, line) : NULL;
    return job->addresses != NULL;
}

static void set_addresses(struct http_job *job)
{
    CURL *c = job->curl;

    if (job->is_literal)
        return; /* libcurl reads it itself */
    curl_easy_setopt(c, CURLOPT_RESOLVE, job->addresses);
    curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, (long)ADDRESSES_KEPT_S);
    curl_easy_setopt(c, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
}

/* ---- TLS ---- */

static CURLcode on_context(CURL *curl, void *ssl_ctx, void *arg)
{
    struct http_job *job = arg;

    (void)curl;
    tls_lent_free(&job->lent); /* of a connection that was tried before */
    job->lent = tls_lend(job->tls, ssl_ctx, job->host);
    return job->lent != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* Chain and name are verified by the context that we lend, with its trust, and libcurl checks the
 * name once more. It is told of the CA nevertheless: that is what it knows connections apart by. No
 * sessions are resumed: each handshake verifies. */
static void set_tls(struct http_job *job)
{
    CURL *c = job->curl;
    struct curl_blob ca = { .data = job->ca, .flags = CURL_BLOB_NOCOPY };

    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, job->is_unverified ? 0L : 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, job->is_unverified ? 0L : 2L);
    curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    if (job->ca != NULL) {
        ca.len = strlen(job->ca);
        curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
    }
    if (job->shows_id && job->http->id_certificate != NULL) {
        curl_easy_setopt(c, CURLOPT_SSLCERT, job->http->id_certificate);
        curl_easy_setopt(c, CURLOPT_SSLKEY, job->http->id_key);
    }
    if (job->tls != NULL) {
        curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_context);
        curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, job);
    }
}

/* ---- the request ---- */

static void set_request(struct http_job *job)
{
    CURL *c = job->curl;
    const bool has_body = job->body != NULL || strcmp(job->method, "POST") == 0;

    curl_easy_setopt(c, CURLOPT_CURLU, job->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, job->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "Postern/" POSTERN_VERSION);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (job->source.read != NULL) {
        http_source_set(job);
        return;
    }
    if (has_body) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->body_bytes);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, job->body != NULL ? job->body : "");
    }
    if (strcmp(job->method, "HEAD") == 0)
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else if (strcmp(job->method, has_body ? "POST" : "GET") != 0)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, job->method);
}

/* Nothing of the environment's, nothing but HTTP, nothing without its limit. */
static void set_limits(struct http_job *job)
{
    CURL *c = job->curl;

    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)job->connect_ms);
    curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, (long)CONNECTION_KEPT_S);
    if (!http_is_shared(job->session)) /* its addresses in turn, each kind with half of the time */
        curl_easy_setopt(c, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, (long)job->connect_ms / 2);
    if (job->answer_max > 0)
        curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)job->answer_max);
    if (job->is_alone) {
        curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    }
}

static void set_callbacks(struct http_job *job)
{
    CURL *c = job->curl;

    curl_easy_setopt(c, CURLOPT_PRIVATE, job);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, job->curl_says);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, http_curl_open);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, job);
    curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, http_curl_close);
    curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, job->session); /* it outlives its jobs */
}

bool http_transfer_new(struct http_job *job, const struct resolver_answer *answer)
{
    http_memory_failed = false;
    job->curl = curl_easy_init();
    if (job->curl == NULL || (!job->is_literal && !add_addresses(job, answer)))
        return false;
    set_request(job);
    set_limits(job);
    set_tls(job);
    set_addresses(job);
    set_callbacks(job);
    return !http_memory_failed; /* no option is missing */
}

void http_transfer_free(struct http_job *job)
{
    if (job->curl != NULL)
        curl_easy_cleanup(job->curl);
    job->curl = NULL;
    curl_slist_free_all(job->addresses);
    job->addresses = NULL;
    tls_lent_free(&job->lent);
}
