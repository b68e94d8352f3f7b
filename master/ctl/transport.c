/* master/ctl/transport.c: one HTTP request over the control socket. */
#include "master/ctl/transport.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/auto.h"

#define BASE             "http://postern/api/v1"
#define CONNECT_MS       5000L
#define WHOLE_MS         120000L /* a connection test takes 15 s, an import of many some more */
#define MAX_ANSWER_BYTES (256U << 20)

struct transport {
    CURL *curl;
    char *socket_path;
};

/* What came, cut into lines when it is a stream. */
struct answer {
    char *data;
    size_t bytes;
    size_t room;
    bool is_stream;
    bool is_json;
    char etag[64];
    transport_line_cb *on_line;
    void *arg;
};

struct transport *transport_new(const char *socket_path)
{
    struct transport *transport = calloc(1, sizeof(*transport));

    if (!transport)
        return NULL;
    transport->socket_path = strdup(socket_path);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        transport->curl = curl_easy_init();
    if (!transport->socket_path || !transport->curl)
        transport_free(&transport);
    return transport;
}

void transport_free(struct transport **transport)
{
    if (!*transport)
        return;
    if ((*transport)->curl)
        curl_easy_cleanup((*transport)->curl);
    curl_global_cleanup();
    free((*transport)->socket_path);
    free(*transport);
    *transport = NULL;
}

/* ---- the answer ---- */

static bool has_name(const char *line, size_t bytes, const char *name, const char **ret_value)
{
    size_t length = strlen(name);

    if (bytes <= length || strncasecmp(line, name, length) != 0)
        return false;
    *ret_value = line + length;
    while (**ret_value == ' ')
        (*ret_value)++;
    return true;
}

/* Called with one complete line, which libcurl ends with a NUL beyond its bytes. */
static size_t on_header(char *line, size_t one, size_t bytes, void *arg)
{
    struct answer *answer = arg;
    const char *value;

    (void)one;
    if (has_name(line, bytes, "etag:", &value)) {
        size_t length = strcspn(value, "\r\n");

        if (length < sizeof(answer->etag)) {
            memcpy(answer->etag, value, length);
            answer->etag[length] = '\0';
        }
    } else if (has_name(line, bytes, "content-type:", &value)) {
        answer->is_stream = strncasecmp(value, "application/x-ndjson", 20) == 0;
        answer->is_json = answer->is_stream || strncasecmp(value, "application/json", 16) == 0 ||
                          strncasecmp(value, "application/problem+json", 24) == 0;
    }
    return bytes;
}

/* Hands on every line that has another behind it: the last is the answer. */
static void hand_on_lines(struct answer *answer)
{
    for (;;) {
        char *end = memchr(answer->data, '\n', answer->bytes);
        size_t length = end ? (size_t)(end - answer->data) + 1 : 0;
        AUTO(json) json_t *line = NULL;

        if (!end || length == answer->bytes)
            return;
        line = json_loadb(answer->data, length, 0, NULL);
        if (line && answer->on_line)
            answer->on_line(line, answer->arg);
        memmove(answer->data, answer->data + length, answer->bytes - length);
        answer->bytes -= length;
    }
}

static size_t on_data(char *data, size_t one, size_t bytes, void *arg)
{
    struct answer *answer = arg;

    (void)one;
    if (bytes > MAX_ANSWER_BYTES - answer->bytes)
        return 0;
    if (answer->bytes + bytes > answer->room) {
        size_t room = (answer->bytes + bytes) * 2;
        char *larger = realloc(answer->data, room);

        if (!larger)
            return 0;
        answer->data = larger;
        answer->room = room;
    }
    memcpy(answer->data + answer->bytes, data, bytes);
    answer->bytes += bytes;
    if (answer->is_stream)
        hand_on_lines(answer);
    return bytes;
}

/* ---- the call ---- */

/* libcurl says only "could not connect": ask the socket itself what is in the way. */
static int explain_connect(const char *path, struct reason *reterr_why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    AUTO(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (strlen(path) >= sizeof(address.sun_path))
        return reason_set(reterr_why, -ENAMETOOLONG, "%s: longer than a socket's path can be",
                          path);
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return reason_set(reterr_why, -ECONNREFUSED, "%s: no connection", path);
    err = -errno;
    if (err == -ENOENT)
        return reason_set(reterr_why, err, "%s: no such socket; is posternd running?", path);
    if (err == -ECONNREFUSED)
        return reason_set(reterr_why, err, "%s: nobody answers; posternd is not running", path);
    if (err == -EACCES)
        return reason_set(reterr_why, err,
                          "%s: not allowed; be root or a member of the control group", path);
    return reason_set(reterr_why, err, "%s: %s", path, strerror(-err));
}

static int explain(CURLcode code, const char *path, struct reason *reterr_why)
{
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT: return explain_connect(path, reterr_why);
    case CURLE_OPERATION_TIMEDOUT:
        return reason_set(reterr_why, -ETIMEDOUT, "%s: no answer in time", path);
    case CURLE_OUT_OF_MEMORY: return reason_set(reterr_why, -ENOMEM, "out of memory");
    case CURLE_WRITE_ERROR:
        return reason_set(reterr_why, -EFBIG, "%s: the answer is too large", path);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        /* Strangers are cut without a word (master/http/http.h). */
        return reason_set(reterr_why, -EACCES,
                          "%s: the connection was cut; either posternd is stopping, or you are "
                          "neither root nor a member of the control group",
                          path);
    default: return reason_set(reterr_why, -EIO, "%s: %s", path, curl_easy_strerror(code));
    }
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
                                     const char *value)
{
    char line[512];

    snprintf(line, sizeof(line), "%s: %s", name, value);
    return curl_slist_append(headers, line);
}

static CURLcode perform(struct transport *transport, const struct transport_request *request,
                        const char *body, struct answer *answer)
{
    struct curl_slist *headers = add_header(NULL, "Expect", "");
    CURL *curl = transport->curl;
    char url[2048];
    CURLcode code = CURLE_URL_MALFORMAT;

    headers = add_header(headers, "Content-Type", "application/json");
    headers = add_header(headers, "Accept",
                         request->on_line ? "application/x-ndjson" : "application/json");
    if (request->if_match)
        headers = add_header(headers, "If-Match", request->if_match);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, transport->socket_path);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, WHOLE_MS);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    } else if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
    if ((size_t)snprintf(url, sizeof(url), "%s%s", BASE, request->target) < sizeof(url)) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        code = curl_easy_perform(curl);
    }
    curl_slist_free_all(headers);
    return code;
}

int transport_call(struct transport *transport, const struct transport_request *request,
                   struct transport_reply *ret_reply, struct reason *reterr_why)
{
    struct answer answer = { .on_line = request->on_line, .arg = request->arg };
    char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    long status = 0;
    CURLcode code;
    int err = 0;

    *ret_reply = (struct transport_reply){ 0 };
    if (request->body && !body)
        return reason_set(reterr_why, -ENOMEM, "out of memory");
    code = perform(transport, request, body, &answer);
    if (body)
        explicit_bzero(body, strlen(body)); /* it may hold a password */
    free(body);
    if (code != CURLE_OK) {
        err = explain(code, transport->socket_path, reterr_why);
    } else {
        curl_easy_getinfo(transport->curl, CURLINFO_RESPONSE_CODE, &status);
        if (answer.bytes > 0 && answer.is_json)
            ret_reply->body = json_loadb(answer.data, answer.bytes, 0, NULL);
        if (answer.bytes > 0 && answer.is_json && !ret_reply->body)
            err = reason_set(reterr_why, -EBADMSG, "%s: the answer is no JSON",
                             transport->socket_path);
        /* What was found out after a stream had begun with 200 is told by its last line. */
        if (answer.is_stream && json_object_get(ret_reply->body, "status"))
            status = (long)json_integer_value(json_object_get(ret_reply->body, "status"));
        ret_reply->status = (int)status;
        memcpy(ret_reply->etag, answer.etag, sizeof(answer.etag));
    }
    free(answer.data);
    return err;
}
