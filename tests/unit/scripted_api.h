/* tests/unit/scripted_api.h: a control socket that answers as a test tells it, in a thread. */
#ifndef TESTS_UNIT_SCRIPTED_API_H
#define TESTS_UNIT_SCRIPTED_API_H

#include <criterion/criterion.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/ctl/ctl.h"

#define API_ANSWERS 16

struct api_answer {
    int status;       /* 0: the connection is cut without a word */
    const char *type; /* NULL: application/json */
    const char *body;
    const char *etag;
};

static struct {
    char dir[64], path[96];
    int listen_fd;
    pthread_t thread;
    struct api_answer answers[API_ANSWERS];
    unsigned answer_count, asked;
    char requests[API_ANSWERS][16384]; /* head and body as they came */
} api;

/* Until the whole request is there. */
static bool api_read(int fd, char *out, size_t room)
{
    size_t bytes = 0;

    for (;;) {
        char *body, *length;
        ssize_t got;

        out[bytes] = '\0';
        body = strstr(out, "\r\n\r\n");
        if (body) {
            length = strcasestr(out, "content-length:");
            if (!length || length > body ||
                strlen(body + 4) >= (size_t)atol(length + strlen("content-length:")))
                return true;
        }
        got = bytes < room - 1 ? recv(fd, out + bytes, room - 1 - bytes, 0) : -1;
        if (got <= 0)
            return false;
        bytes += (size_t)got;
    }
}

static void *api_run(void *arg)
{
    (void)arg;
    while (api.asked < api.answer_count) {
        int fd = accept(api.listen_fd, NULL, NULL);

        if (fd < 0)
            return NULL;
        while (api.asked < api.answer_count && api_read(fd, api.requests[api.asked], 16384)) {
            const struct api_answer *answer = &api.answers[api.asked++];
            char head[512];
            int length;

            if (answer->status == 0)
                break;
            length = snprintf(head, sizeof(head),
                              "HTTP/1.1 %d X\r\nContent-Type: %s\r\n%s%s%s"
                              "Content-Length: %zu\r\n\r\n",
                              answer->status, answer->type ? answer->type : "application/json",
                              answer->etag ? "ETag: " : "", answer->etag ? answer->etag : "",
                              answer->etag ? "\r\n" : "", answer->body ? strlen(answer->body) : 0);
            (void)!send(fd, head, (size_t)length, MSG_NOSIGNAL);
            if (answer->body)
                (void)!send(fd, answer->body, strlen(answer->body), MSG_NOSIGNAL);
        }
        close(fd);
    }
    return NULL;
}

/* The answers that it will give, one per request, in order. */
__attribute__((unused)) static void api_start(unsigned count, const struct api_answer *answers)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    memset(&api, 0, sizeof(api));
    strcpy(api.dir, "/tmp/postern-ctl-XXXXXX");
    cr_assert(mkdtemp(api.dir));
    snprintf(api.path, sizeof(api.path), "%s/control.sock", api.dir);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", api.path);
    api.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(api.listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(api.listen_fd, 8), 0);
    memcpy(api.answers, answers, count * sizeof(*answers));
    api.answer_count = count;
    cr_assert_eq(pthread_create(&api.thread, NULL, api_run, NULL), 0);
}

__attribute__((unused)) static void api_stop(void)
{
    shutdown(api.listen_fd, SHUT_RDWR); /* wakes accept() */
    pthread_join(api.thread, NULL);
    close(api.listen_fd);
    unlink(api.path);
    rmdir(api.dir);
}

/* What one run of posternctl did. */
static struct {
    int code;
    char *out, *err; /* free() by ctl_forget() */
} ran;

__attribute__((unused)) static void ctl_forget(void)
{
    free(ran.out);
    free(ran.err);
    ran.out = ran.err = NULL;
}

/* Runs `posternctl -s <socket> words...`; words end with NULL. */
__attribute__((unused)) static void ctl_run_words(const char *socket, const char *const *words)
{
    char *arguments[32] = { (char *)"posternctl", (char *)"-s", (char *)socket };
    int count = socket ? 3 : 1;
    size_t out_bytes, err_bytes;
    FILE *out, *err;

    ctl_forget();
    while (*words && count < 31)
        arguments[count++] = (char *)*words++;
    arguments[count] = NULL;
    out = open_memstream(&ran.out, &out_bytes);
    err = open_memstream(&ran.err, &err_bytes);
    ran.code = ctl_main(count, arguments, out, err);
    fclose(out);
    fclose(err);
}

#define RUN(socket, ...) ctl_run_words(socket, (const char *const[]){ __VA_ARGS__, NULL })

#define ASSERT_HAS(text, part) \
    cr_assert(strstr((text), (part)), "\"%s\" is not in:\n%s", (part), (text))
#define ASSERT_LACKS(text, part) \
    cr_assert_not(strstr((text), (part)), "\"%s\" is in:\n%s", (part), (text))

#endif
