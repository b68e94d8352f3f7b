/* vault_sink: a Vault for the bench, which takes everything, fast, and counts.
 *
 *   vault_sink [-p PORT] [-o REPORT]       on 127.0.0.1 (0: a free port; 0)
 *
 * Its first line on standard output is its port. SIGUSR1: the report is written, as JSON, and
 * "report" said. SIGTERM: the report, and the end.
 *
 * It knows the five calls of an upload, whatever stands before /transfer in their paths, and asks
 * for no key. Contents are thrown away. A file that is completed
 * with another number of octets than was announced, a transfer with a file that is not complete,
 * and what is no such call at all are answered 400 and counted as refused: then figures are worth
 * nothing. vault_server.py is the one that is strict. One thread, so that it takes one core at
 * most. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/loop.h"
#include "listener.h"
#include "program.h"

#define IN_BYTES  (256U << 10)
#define OUT_BYTES (16U << 10) /* one answer, with its links: nobody asks before it was read */
#define NONE      UINT32_MAX

enum call { OPEN_GROUP, OPEN_FILE, CHUNK, CLOSE_FILE, CLOSE_GROUP, CALL_COUNT };

static const struct {
    const char *name, *method, *path;
} calls[CALL_COUNT] = {
    [OPEN_GROUP] = { "open_group", "GET ", "/transfer" },
    [OPEN_FILE] = { "open_file", "GET ", "/transfer_file" },
    [CHUNK] = { "chunk", "PATCH ", "/transfer_file" },
    [CLOSE_FILE] = { "close_file", "POST ", "/transfer_file" },
    [CLOSE_GROUP] = { "close_group", "POST ", "/transfer" },
};

struct file { /* its id is its place in `files` */
    uint64_t promised, came;
    uint32_t group, next; /* next: of the same transfer */
    bool is_whole;
};

struct group {
    uint32_t first; /* of its files, NONE: there is none */
    bool is_open;
};

struct connection {
    struct loop_watch *watch;
    int fd;
    uint64_t body_left; /* of the request at hand, to be thrown away */
    size_t end, said;
    char in[IN_BYTES], out[OUT_BYTES];
};

static struct {
    struct loop *loop;
    const char *report_file;
    struct file *files;
    struct group *groups;
    uint32_t file_count, group_count;
    uint64_t requests[CALL_COUNT], refused, octets;
    uint64_t connections, open, most_open, whole_files, closed_groups;
    int64_t first_us, last_us; /* of the first transfer's begin, and of the last file's end */
} sink;

/* Room for one more, doubled when it is used up. */
static void *grown(void *list, uint32_t count, size_t each)
{
    if (count >= 64 && (count & (count - 1)) != 0)
        return list;
    list = realloc(list, (count < 64 ? 64 : (size_t)count * 2) * each);
    if (list == NULL)
        abort();
    return list;
}

/* ---- a request ---- */

struct request {
    enum call call; /* CALL_COUNT: none of them */
    uint64_t body_bytes, file_size;
    uint32_t group, file; /* NONE: not given, or unknown */
};

static enum call call_of(const char *head)
{
    const char *space = strchr(head, ' '),
               *path_end = space != NULL ? strchr(space + 1, ' ') : NULL;

    for (unsigned i = 0; path_end != NULL && i < CALL_COUNT; i++) {
        size_t bytes = strlen(calls[i].path);

        if (strncmp(head, calls[i].method, strlen(calls[i].method)) == 0 &&
            (size_t)(path_end - space) > bytes &&
            memcmp(path_end - bytes, calls[i].path, bytes) == 0)
            return (enum call)i;
    }
    return CALL_COUNT;
}

/* The line is of that field, whose value begins at *ret_value. */
static bool is_field(const char *line, const char *name, const char **ret_value)
{
    size_t bytes = strlen(name);

    if (strncasecmp(line, name, bytes) != 0 || line[bytes] != ':')
        return false;
    *ret_value = line + bytes + 1 + strspn(line + bytes + 1, " ");
    return true;
}

static uint32_t known_id(const char *text, uint32_t count)
{
    unsigned long id = strtoul(text, NULL, 16);

    return id < count ? (uint32_t)id : NONE;
}

/* `head` ends with a NUL; its lines with CRLF. */
static struct request read_head(const char *head)
{
    struct request request = { .call = call_of(head), .group = NONE, .file = NONE };

    for (const char *line = strchr(head, '\n'), *value; line != NULL; line = strchr(line, '\n')) {
        line++;
        if (is_field(line, "content-length", &value))
            request.body_bytes = strtoull(value, NULL, 10);
        else if (is_field(line, "file_size", &value))
            request.file_size = strtoull(value, NULL, 10);
        else if (is_field(line, "group_id", &value))
            request.group = known_id(value, sink.group_count);
        else if (is_field(line, "file_id", &value))
            request.file = known_id(value, sink.file_count);
    }
    return request;
}

/* ---- answers: into `out`, at most ROOM; false: 400 ---- */

static bool open_group(FILE *out)
{
    if (sink.first_us == 0)
        sink.first_us = clock_mono_us();
    sink.groups = grown(sink.groups, sink.group_count, sizeof(*sink.groups));
    sink.groups[sink.group_count] = (struct group){ .first = NONE, .is_open = true };
    fprintf(out, "{\"group_id\":\"%032x\",\"shared_with\":[]}", sink.group_count++);
    return true;
}

static bool open_file(const struct request *request, FILE *out)
{
    struct group *group = &sink.groups[request->group];

    sink.files = grown(sink.files, sink.file_count, sizeof(*sink.files));
    sink.files[sink.file_count] = (struct file){ .promised = request->file_size,
                                                 .group = request->group,
                                                 .next = group->first };
    group->first = sink.file_count;
    fprintf(out, "{\"message\":null,\"file_id\":\"%032x\"}", sink.file_count++);
    return true;
}

static bool close_file(struct file *file, FILE *out)
{
    if (file->is_whole || file->came != file->promised)
        return false;
    file->is_whole = true;
    sink.whole_files++;
    sink.last_us = clock_mono_us();
    fputs("{\"result\":\"success\"}", out);
    return true;
}

static bool close_group(struct group *group, FILE *out)
{
    for (uint32_t i = group->first; i != NONE; i = sink.files[i].next) {
        if (!sink.files[i].is_whole)
            return false;
    }
    group->is_open = false;
    sink.closed_groups++;
    fputs("{\"files\":[", out);
    for (uint32_t i = group->first; i != NONE; i = sink.files[i].next)
        fprintf(out, "%s{\"file_id\":\"%032x\",\"file_url\":\"http://127.0.0.1/file/%032x\"}",
                i == group->first ? "" : ",", i, i);
    fputs("]}", out);
    return true;
}

static bool act(const struct request *request, FILE *out)
{
    bool has_group = request->group != NONE && sink.groups[request->group].is_open;
    struct file *file = has_group && request->file != NONE ? &sink.files[request->file] : NULL;

    if (file != NULL && file->group != request->group)
        return false;
    switch (request->call) {
    case OPEN_GROUP: return open_group(out);
    case OPEN_FILE: return has_group && open_file(request, out);
    case CHUNK:
        if (file == NULL)
            return false;
        file->came += request->body_bytes;
        sink.octets += request->body_bytes;
        fputs("{\"message\":null}", out);
        return true;
    case CLOSE_FILE: return file != NULL && close_file(file, out);
    case CLOSE_GROUP: return has_group && close_group(&sink.groups[request->group], out);
    case CALL_COUNT: break;
    }
    return false;
}

static void answer(struct connection *c, const struct request *request)
{
    char body[OUT_BYTES - 256];
    FILE *out = fmemopen(body, sizeof(body), "w");
    bool is_well;
    long bytes;

    if (out == NULL)
        abort();
    is_well = act(request, out);
    bytes = ftell(out);
    if (fclose(out) != 0)
        abort(); /* more files in a transfer than the bench has */
    if (request->call != CALL_COUNT)
        sink.requests[request->call]++;
    sink.refused += !is_well;
    c->said = (size_t)snprintf(c->out, OUT_BYTES,
                               "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                               "Content-Length: %ld\r\n\r\n%.*s",
                               is_well ? "200 OK" : "400 Bad Request", is_well ? bytes : 0L,
                               is_well ? (int)bytes : 0, body);
}

/* ---- a connection ---- */

static void hang_up(struct connection *c)
{
    loop_watch_free(&c->watch);
    close(c->fd);
    free(c);
    sink.open--;
}

/* A request's answer goes into `out` when all of it is here, but for its body's octets: these are
 * only counted, and nobody reads an answer before it has sent them. */
static size_t take_request(struct connection *c, const char *in, size_t bytes)
{
    char *end = memmem(in, bytes, "\r\n\r\n", 4);
    struct request request;

    if (end == NULL || c->said > 0)
        return 0;
    end[2] = '\0';
    request = read_head(in);
    c->body_left = request.body_bytes;
    answer(c, &request);
    return (size_t)(end + 4 - in);
}

static void take_all(struct connection *c)
{
    size_t taken = 0, step;

    do {
        step = c->body_left < c->end - taken ? (size_t)c->body_left : c->end - taken;
        c->body_left -= step;
        if (c->body_left == 0)
            step += take_request(c, c->in + taken + step, c->end - taken - step);
        taken += step;
    } while (step > 0);
    memmove(c->in, c->in + taken, c->end - taken);
    c->end -= taken;
}

static void on_readable(int fd, unsigned what, void *arg)
{
    struct connection *c = arg;
    ssize_t count = recv(fd, c->in + c->end, IN_BYTES - c->end, 0);

    (void)what;
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN)
            hang_up(c);
        return;
    }
    c->end += (size_t)count;
    take_all(c);
    if (c->body_left > 0 || c->said == 0) /* all of it first: an early answer is another matter */
        return;
    count = send(fd, c->out, c->said, MSG_NOSIGNAL);
    if (count != (ssize_t)c->said)
        hang_up(c);
    else
        c->said = 0;
}

static void on_connection(int fd, void *arg)
{
    struct connection *c = malloc(sizeof(*c));

    (void)arg;
    if (c == NULL)
        abort();
    c->fd = fd;
    c->body_left = c->end = c->said = 0;
    c->watch = loop_watch_new(sink.loop, fd, on_readable, c);
    if (c->watch == NULL)
        abort();
    loop_watch_set(c->watch, LOOP_READ);
    sink.connections++;
    sink.open++;
    if (sink.open > sink.most_open)
        sink.most_open = sink.open;
}

/* ---- the report, and the program ---- */

static void write_report(void)
{
    json_t *requests = json_object(), *all;

    if (sink.report_file == NULL)
        return;
    for (unsigned i = 0; i < CALL_COUNT; i++)
        (void)json_object_set_new(requests, calls[i].name,
                                  json_integer((json_int_t)sink.requests[i]));
    all = json_pack("{s:o, s:I, s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:f, s:f}", "requests", requests,
                    "refused", (json_int_t)sink.refused, "connections", "accepted",
                    (json_int_t)sink.connections, "open", (json_int_t)sink.open, "most_open",
                    (json_int_t)sink.most_open, "files", (json_int_t)sink.whole_files, "transfers",
                    (json_int_t)sink.closed_groups, "octets", (json_int_t)sink.octets, "seconds",
                    (double)(sink.last_us - sink.first_us) / 1e6, "cpu_seconds",
                    program_cpu_seconds());
    if (all == NULL || json_dump_file(all, sink.report_file, JSON_INDENT(1)) < 0)
        program_fail("%s: no report", sink.report_file);
    json_decref(all);
}

static void on_report(int signal_number, void *arg)
{
    (void)signal_number;
    (void)arg;
    write_report();
    program_answer("report");
}

static void on_term(int signal_number, void *arg)
{
    (void)signal_number;
    loop_stop(arg);
}

int main(int argc, char **argv)
{
    struct listener *listener;
    uint16_t port = 0;
    int option;

    while ((option = getopt(argc, argv, "p:o:")) != -1) {
        switch (option) {
        case 'p': port = program_port(optarg); break;
        case 'o': sink.report_file = optarg; break;
        default: exit(2);
        }
    }
    program_take_descriptors();
    sink.loop = loop_new();
    if (sink.loop == NULL || loop_on_signal(sink.loop, SIGTERM, on_term, sink.loop) < 0 ||
        loop_on_signal(sink.loop, SIGINT, on_term, sink.loop) < 0 ||
        loop_on_signal(sink.loop, SIGUSR1, on_report, NULL) < 0)
        abort();
    listener = listener_new(sink.loop, port, on_connection, NULL);
    if (listener == NULL)
        program_fail("port %u: %s", port, strerror(errno));
    listener_be(listener, LISTENER_OPEN);
    program_answer("%u", listener_port(listener));
    loop_run(sink.loop);
    write_report();
    _exit(0); /* connections that are open need no end of their own */
}
