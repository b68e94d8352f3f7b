/* worker/http_request.c: a job made of a request, and what it is made of wiped. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "common/secret.h"
#include "worker/http_private.h"
#include "worker/tls.h"

#define HOST_MAX 255

/* ---- the URL ---- */

static char *part_of(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;

    return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* Without the brackets of an IPv6 address. */
static char *host_of(CURLU *url)
{
    char *host = part_of(url, CURLUPART_HOST, 0);
    size_t length = host != NULL ? strlen(host) : 0;

    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
    return host;
}

static bool is_literal(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    }
    return true;
}

static int read_url(struct http_job *job, const char *text, struct reason *reterr_why)
{
    char *scheme = NULL;
    CURLUcode code;

    http_memory_failed = false;
    job->url = curl_url();
    if (job->url == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    code = is_ascii(text) ? curl_url_set(job->url, CURLUPART_URL, text, CURLU_DISALLOW_USER)
                          : CURLUE_MALFORMED_INPUT;
    scheme = part_of(job->url, CURLUPART_SCHEME, 0);
    job->host = host_of(job->url);
    job->port = part_of(job->url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    if (http_memory_failed) {
        curl_free(scheme);
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    }
    if (code != CURLUE_OK)
        return reason_set(reterr_why, -EINVAL, "the URL: %s", curl_url_strerror(code));
    if (scheme == NULL || job->host == NULL || job->port == NULL) {
        curl_free(scheme);
        return reason_set(reterr_why, -EINVAL, "the URL: it has no scheme and host");
    }
    job->is_secure = strcmp(scheme, "https") == 0;
    job->is_literal = is_literal(job->host);
    if ((!job->is_secure && strcmp(scheme, "http") != 0) || strlen(job->host) > HOST_MAX) {
        curl_free(scheme);
        return reason_set(reterr_why, -EINVAL, "the URL: it must be http or https");
    }
    curl_free(scheme);
    return 0;
}

/* ---- method and headers ---- */

/* RFC 9110 5.6.2: what the name of a method or of a header is made of. */
static size_t token_length(const char *text)
{
    return strspn(text, "!#$%&'*+-.^_`|~0123456789"
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* libcurl takes lines as they are: one with a line's end would be two. */
static bool is_header(const char *line)
{
    size_t name = token_length(line);

    if (name == 0 || line[name] != ':' || line[name + 1] != ' ' || line[name + 2] == '\0')
        return false;
    for (const unsigned char *c = (const unsigned char *)line; *c != '\0'; c++) {
        if ((*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    }
    return true;
}

static int add_header(struct http_job *job, const char *line, struct reason *reterr_why)
{
    struct curl_slist *more = curl_slist_append(job->headers, line);

    if (more == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    job->headers = more;
    return 0;
}

static int read_headers(struct http_job *job, const char *const *headers, struct reason *reterr_why)
{
    int err = add_header(job, "Expect:", reterr_why); /* no 100-continue */

    for (; err == 0 && headers != NULL && *headers != NULL; headers++) {
        if (!is_header(*headers))
            err = reason_set(reterr_why, -EINVAL, "a header is none");
        else
            err = add_header(job, *headers, reterr_why);
    }
    return err;
}

/* ---- the whole ---- */

static char *copy(const char *bytes, size_t count)
{
    char *block = secret_block_new(count + 1);

    if (block != NULL) {
        memcpy(block, bytes, count);
        block[count] = '\0';
    }
    return block;
}

static int read_rest(struct http_job *job, const struct http_request *request,
                     struct reason *reterr_why)
{
    job->method = copy(request->method, strlen(request->method));
    if (request->body != NULL)
        job->body = copy(request->body, request->body_bytes);
    if (request->ca != NULL)
        job->ca = copy(request->ca, strlen(request->ca));
    if (job->method == NULL || (request->body != NULL && job->body == NULL) ||
        (request->ca != NULL && job->ca == NULL))
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    job->body_bytes = request->body != NULL ? request->body_bytes : 0;
    if (request->source != NULL)
        job->source = *request->source;
    job->is_unverified = request->is_unverified;
    job->shows_id = request->shows_id;
    job->is_alone = request->is_alone;
    job->connect_ms = request->connect_ms;
    job->total_ms = request->total_ms;
    job->stall_ms = request->stall_ms;
    job->answer_max = request->answer_max;
    return 0;
}

static int check(const struct http_request *request, struct reason *reterr_why)
{
    size_t method = token_length(request->method);

    if (method == 0 || request->method[method] != '\0')
        return reason_set(reterr_why, -EINVAL, "the method is none");
    if (request->connect_ms <= 0 || request->total_ms <= 0 || request->total_ms > HTTP_TOTAL_MAX_MS)
        return reason_set(reterr_why, -EINVAL, "the deadlines are none");
    if (request->source != NULL && (request->body != NULL || request->source->bytes > INT64_MAX))
        return reason_set(reterr_why, -EINVAL, "the body is none");
    return 0;
}

/* A CA that is none is found now, not when the turn comes. */
static int find_trust(struct http_job *job, struct reason *reterr_why)
{
    if (!job->is_secure || job->is_unverified)
        return 0;
    return http_trust_find(job->http->trust, job->ca, &job->tls, reterr_why);
}

int http_job_new(struct http *http, const struct http_request *request, struct http_job **ret_job,
                 struct reason *reterr_why)
{
    struct http_job *job;
    int err = check(request, reterr_why);

    if (err < 0)
        return err;
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    job->http = http;
    job->fd = -1;
    job->session = request->session != NULL ? request->session : http->shared;
    err = read_url(job, request->url, reterr_why);
    if (err == 0)
        err = read_headers(job, request->headers, reterr_why);
    if (err == 0)
        err = read_rest(job, request, reterr_why);
    if (err == 0)
        err = find_trust(job, reterr_why);
    if (err < 0) {
        http_job_free(job);
        return err;
    }
    *ret_job = job;
    return 0;
}

void http_job_free(struct http_job *job)
{
    loop_timer_free(&job->deadline);
    loop_timer_free(&job->stall);
    curl_url_cleanup(job->url);
    curl_free(job->host);
    curl_free(job->port);
    curl_slist_free_all(job->headers);
    secret_block_free(job->method);
    secret_block_free(job->body);
    secret_block_free(job->ca);
    secret_block_free(job->data);
    tls_release(job->tls);
    secret_wipe(job, sizeof(*job));
    free(job);
}

char *http_encode(const char *text)
{
    char *encoded = curl_easy_escape(NULL, text, 0), *copy;

    if (encoded == NULL)
        return NULL;
    copy = strdup(encoded);
    explicit_bzero(encoded, strlen(encoded));
    curl_free(encoded);
    return copy;
}
