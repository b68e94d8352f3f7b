/* worker/http_source.c: a body that is fetched piece by piece while it is sent, and whether
 * anything moves at all. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "common/clock.h"
#include "common/loop.h"
#include "worker/http_private.h"

/* What libcurl fetches and sends at a time. */
#define PIECE_BYTES (64L << 10)

/* How often it is looked, in the time that nothing may move. */
#define LOOKS 4

/* ---- the source ---- */

static size_t on_read(char *out, size_t one, size_t max, void *arg)
{
    struct http_job *job = arg;
    ssize_t got = job->source.read(out, max, job->source.arg);

    (void)one;
    if (got > 0)
        return (size_t)got;
    job->source_err = got < 0 ? (int)got : -ENODATA;
    return CURL_READFUNC_ABORT;
}

/* For libcurl a request that begins anew on another connection: only from its beginning. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_job *job = arg;
    int err = offset == 0 && origin == SEEK_SET ? job->source.rewind(job->source.arg) : -EINVAL;

    if (err == 0)
        return CURL_SEEKFUNC_OK;
    job->source_err = err;
    return CURL_SEEKFUNC_FAIL;
}

/* Other than a form, libcurl gives such a body no type. */
void http_source_set(struct http_job *job)
{
    CURL *c = job->curl;

    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, job->method);
    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)job->source.bytes);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, PIECE_BYTES);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, job);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, job);
}

static int64_t sent_of(const struct http_job *job)
{
    curl_off_t sent = 0;

    (void)curl_easy_getinfo(job->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent;
}

bool http_is_sent(const struct http_job *job)
{
    return job->source.read == NULL || (uint64_t)sent_of(job) >= job->source.bytes;
}

/* ---- what moves ---- */

/* What the kernel holds for a peer that takes nothing has not moved. */
static int64_t moved_by(const struct http_job *job)
{
    int held = 0;

    if (job->fd >= 0)
        (void)ioctl(job->fd, SIOCOUTQ, &held);
    return sent_of(job) - held + (int64_t)(job->head_bytes + job->bytes);
}

static void on_look(void *arg)
{
    struct http_job *job = arg;
    struct http *http = job->http;
    const int64_t moved = moved_by(job), now_ms = clock_mono_ms();

    if (moved != job->moved) {
        job->moved = moved;
        job->moved_ms = now_ms;
    }
    if (now_ms - job->moved_ms < job->stall_ms)
        loop_timer_set_ms(job->stall, (job->stall_ms + LOOKS - 1) / LOOKS);
    else
        http_end(job, HTTP_TIMED_OUT, "nothing moved within %lld ms", (long long)job->stall_ms);
    http_leave(http);
}

bool http_stall_new(struct http_job *job)
{
    if (job->stall_ms > 0)
        job->stall = loop_timer_new(job->http->loop, on_look, job);
    return job->stall_ms <= 0 || job->stall != NULL;
}

void http_stall_begin(struct http_job *job)
{
    if (job->stall == NULL)
        return;
    job->moved_ms = clock_mono_ms();
    loop_timer_set_ms(job->stall, (job->stall_ms + LOOKS - 1) / LOOKS);
}
