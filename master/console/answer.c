#include "master/console/answer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/auto.h"
#include "master/console/page.h"
#include "master/http/http.h"

#define FOR_EVER "public, max-age=31536000, immutable"

static bool is_trusted;

void answer_set_is_trusted(bool trusted)
{
    is_trusted = trusted;
}

void answer_set_headers(struct http_request *request, enum answer_kind kind)
{
    static const char *const policies[] = {
        [ANSWER_PAGE] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                        "img-src 'self' data:; connect-src 'self'; form-action 'self'; "
                        "frame-ancestors 'none'; base-uri 'none'",
        [ANSWER_DATA] = "default-src 'none'; frame-ancestors 'none'",
    };
    static const struct {
        const char *name, *value;
    } always[] = {
        { "X-Content-Type-Options", "nosniff" },
        { "X-Frame-Options", "DENY" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
    };

    http_request_set_header(request, "Content-Security-Policy", policies[kind]);
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        http_request_set_header(request, always[i].name, always[i].value);
    if (is_trusted)
        http_request_set_header(request, "Strict-Transport-Security", "max-age=31536000");
}

/* gzip, and not refused by ";q=0". */
static bool takes_gzip(const struct http_request *request)
{
    const char *accepted = http_request_header(request, "Accept-Encoding");
    const char *gzip = accepted ? strstr(accepted, "gzip") : NULL;

    return gzip && strncmp(gzip + 4, ";q=0", 4) != 0;
}

void answer_file(struct http_request *request, const struct page_file *file)
{
    bool is_gzip = file->gzip.bytes > 0 && takes_gzip(request);
    const struct page_content *content = is_gzip ? &file->gzip : &file->plain;

    answer_set_headers(request, ANSWER_PAGE);
    http_request_set_header(request, "Vary", "Accept-Encoding");
    if (is_gzip)
        http_request_set_header(request, "Content-Encoding", "gzip");
    if (page_is_for_ever(file))
        http_request_allow_caching(request, FOR_EVER);
    http_request_answer(request, 200, page_type(file), (const char *)content->octets,
                        content->bytes);
}

void answer_problem(struct http_request *request, int status, const char *code, const char *detail)
{
    char body[512];
    int bytes = snprintf(body, sizeof(body),
                         "{\"type\":\"about:blank\",\"title\":\"The console\",\"status\":%d,"
                         "\"code\":\"%s\",\"detail\":\"%s\"}",
                         status, code, detail); /* words of this program, nothing to escape */

    answer_set_headers(request, ANSWER_DATA);
    http_request_answer(request, status, "application/problem+json", body, (size_t)bytes);
}

const char *answer_client(const struct http_request *request, char out[ANSWER_CLIENT_SIZE])
{
    struct address address = { .bytes = sizeof(address.storage) };
    int fd = http_request_fd(request);

    if (fd < 0 || getpeername(fd, &address.sa, &address.bytes) != 0)
        strcpy(out, "-");
    else
        address_host_text(&address.sa, out);
    return out;
}
