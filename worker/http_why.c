/* worker/http_why.c: how a transfer ended, as an event and in words. libcurl's own words are not
 * handed on: they may hold what was received. */
#include <stdlib.h>
#include <string.h>

#include "common/shortage.h"
#include "worker/http_private.h"
#include "worker/tls.h"

#define FIRST_NO   300
#define CUT_SHORT  "the connection was closed in the middle of the answer"
#define NOT_HTTP   "what came is not HTTP"
#define LARGE_HEAD "the head of the answer is too large"
#define LARGE_BODY "the answer is larger than %zu bytes"

/* A yes does not count for what was sent in part: libcurl stops sending when the server is about to
 * close, whatever it says. */
static void end_answered(struct http_job *job)
{
    (void)curl_easy_getinfo(job->curl, CURLINFO_RESPONSE_CODE, &job->status);
    (void)curl_easy_getinfo(job->curl, CURLINFO_NUM_CONNECTS, &job->connects);
    if (!job->is_head_whole)
        http_end(job, HTTP_UNREACHABLE, CUT_SHORT);
    else if (job->status < FIRST_NO && !http_is_sent(job))
        http_end(job, HTTP_UNREACHABLE, "the server answered before it had everything");
    else
        http_end(job, HTTP_ANSWERED, "%s", "");
}

/* A server that does not want what is being sent says so and closes: for libcurl it was lost. */
static bool has_said_no(const struct http_job *job)
{
    long status = 0;

    (void)curl_easy_getinfo(job->curl, CURLINFO_RESPONSE_CODE, &status);
    return job->is_head_whole && status >= FIRST_NO && !http_is_sent(job);
}

/* Chunks that are none are an error of receiving for libcurl, as is a reset. */
static void end_received(struct http_job *job)
{
    if (strstr(job->curl_says, "chunk") != NULL)
        http_end(job, HTTP_NONSENSE, NOT_HTTP);
    else
        http_end(job, HTTP_UNREACHABLE, "the connection was lost");
}

static void end_unconnected(struct http_job *job)
{
    long err = 0;

    (void)curl_easy_getinfo(job->curl, CURLINFO_OS_ERRNO, &err);
    if (is_shortage(-job->socket_errno))
        http_end(job, HTTP_SHORT, "%s", strerror(job->socket_errno));
    else
        http_end(job, HTTP_UNREACHABLE, "%s", err != 0 ? strerror((int)err) : "no connection");
}

/* "error:0A00010B:SSL routines::wrong version number": the number is OpenSSL's. */
static unsigned long openssl_code(const char *text)
{
    const char *code = strstr(text, "error:");

    return code != NULL ? strtoul(code + 6, NULL, 16) : 0;
}

static void end_insecure(struct http_job *job)
{
    const char *certificate = job->lent != NULL ? tls_lent_why(job->lent) : NULL;

    http_end(job, HTTP_TLS_FAILED, "%s",
             certificate != NULL ? certificate : tls_explain(openssl_code(job->curl_says)));
}

static void end_unwritten(struct http_job *job)
{
    if (!job->is_too_large)
        http_end(job, HTTP_SHORT, "out of memory");
    else if (job->head_bytes > HTTP_HEADERS_MAX)
        http_end(job, HTTP_TOO_LARGE, LARGE_HEAD);
    else
        http_end(job, HTTP_TOO_LARGE, LARGE_BODY, job->answer_max);
}

void http_end_transfer(struct http_job *job, CURLcode code)
{
    if (code != CURLE_OK && http_memory_failed) { /* libcurl takes that for many things */
        http_end(job, HTTP_SHORT, "out of memory");
        return;
    }
    if (job->source_err != 0) {
        http_end(job, HTTP_SHORT, "what is to be sent cannot be read: %s",
                 strerror(-job->source_err));
        return;
    }
    if ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE) &&
        has_said_no(job))
        code = CURLE_OK;
    switch ((int)code) { /* of the hundred, those that can be */
    case CURLE_OK: end_answered(job); break;
    case CURLE_COULDNT_CONNECT: end_unconnected(job); break;
    case CURLE_OPERATION_TIMEDOUT:
        http_end(job, HTTP_TIMED_OUT, "no connection within %lld ms", (long long)job->connect_ms);
        break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM: end_insecure(job); break;
    case CURLE_FILESIZE_EXCEEDED: http_end(job, HTTP_TOO_LARGE, LARGE_BODY, job->answer_max); break;
    case CURLE_WRITE_ERROR: end_unwritten(job); break;
    case CURLE_OUT_OF_MEMORY: /* there was no lack of it: so much for an endless line */
        http_end(job, HTTP_TOO_LARGE, LARGE_HEAD);
        break;
    case CURLE_UNSUPPORTED_PROTOCOL: /* also HTTP/0.9, which is any bytes at all */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: http_end(job, HTTP_NONSENSE, "what came is not HTTP"); break;
    case CURLE_GOT_NOTHING:
        http_end(job, HTTP_UNREACHABLE, "the connection was closed before an answer");
        break;
    case CURLE_PARTIAL_FILE: http_end(job, HTTP_UNREACHABLE, CUT_SHORT); break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: end_received(job); break;
    default: http_end(job, HTTP_UNREACHABLE, "%s", curl_easy_strerror(code)); break;
    }
}
