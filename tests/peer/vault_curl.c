/* vault_curl: libcurl that does an upload's five calls against a vault, and nothing else: what a
 * gateway's uploads are held against.
 *
 *   vault_curl -u URL [-k KEY] [-n MESSAGES] [-f FILES] [-s BYTES] [-c CONNECTIONS] [-a]
 *
 *   -f  files of a message, of so many octets each    -c  messages at a time, each on a connection
 *   -a  each message on a connection of its own: closed at its end. Else connections are kept
 *
 * One thread on the loop that the gateway's workers have. A file's content is one block of memory,
 * its checksum is made once; nothing is read, decoded or stored. The answer on standard output is a
 * line of JSON. Any answer but 200 is the end, with status 2. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "common/clock.h"
#include "common/loop.h"
#include "program.h"

enum step { OPEN_GROUP, OPEN_FILE, CHUNK, CLOSE_FILE, CLOSE_GROUP, STEP_COUNT };

static const struct {
    const char *method, *path;
} steps[STEP_COUNT] = {
    [OPEN_GROUP] = { "GET", "/transfer" },   [OPEN_FILE] = { "GET", "/transfer_file" },
    [CHUNK] = { "PATCH", "/transfer_file" }, [CLOSE_FILE] = { "POST", "/transfer_file" },
    [CLOSE_GROUP] = { "POST", "/transfer" },
};

static struct {
    const char *url, *key;
    unsigned messages, files, bytes, talks;
    bool is_alone;
} options = { .key = "a-key-of-thirty-characters-012",
              .messages = 1000,
              .files = 3,
              .bytes = 20480,
              .talks = 20 };

struct talk { /* of one message after another */
    CURL *easy;
    struct curl_slist *fields;
    enum step step;
    unsigned file;
    char group_id[64], file_id[64], answer[8192];
    size_t answer_bytes;
};

static struct {
    struct loop *loop;
    struct loop_timer *timer;
    CURLM *multi;
    char *content, checksum[33];
    unsigned begun, ended;
    unsigned long requests, connections;
} all;

/* ---- a request ---- */

/* "Name: value" or, with "", "Name:", which is left out altogether. */
static void add_field(struct talk *talk, const char *name, const char *value)
{
    char line[512];
    struct curl_slist *longer;

    (void)snprintf(line, sizeof(line), "%s%s", name, value);
    longer = curl_slist_append(talk->fields, line);
    if (longer == NULL)
        abort();
    talk->fields = longer;
}

static void add_fields(struct talk *talk)
{
    char number[24];

    (void)snprintf(number, sizeof(number), "%u", options.bytes);
    add_field(talk, "Authorization: Bearer ", options.key);
    add_field(talk, "Expect:", "");
    add_field(talk, "Content-Type:", "");
    if (talk->step != OPEN_GROUP)
        add_field(talk, "group_id: ", talk->group_id);
    if (talk->step == OPEN_FILE) {
        add_field(talk, "transfer_method: ", "Chunk");
        add_field(talk, "file_size: ", number);
        add_field(talk, "file_name: ", "report%20of%20the%20quarter.bin");
    }
    if (talk->step == CHUNK || talk->step == CLOSE_FILE)
        add_field(talk, "file_id: ", talk->file_id);
    if (talk->step == CHUNK) {
        add_field(talk, "chunk_offset: ", "0");
        add_field(talk, "chunk_checksum: ", all.checksum);
    }
}

static size_t on_octets(char *octets, size_t one, size_t count, void *arg)
{
    struct talk *talk = arg;

    (void)one;
    if (count > sizeof(talk->answer) - talk->answer_bytes)
        return 0;
    memcpy(talk->answer + talk->answer_bytes, octets, count);
    talk->answer_bytes += count;
    return count;
}

static void ask(struct talk *talk)
{
    char url[512];

    curl_easy_reset(talk->easy);
    curl_slist_free_all(talk->fields);
    talk->fields = NULL;
    talk->answer_bytes = 0;
    add_fields(talk);
    (void)snprintf(url, sizeof(url), "%s%s", options.url, steps[talk->step].path);
    curl_easy_setopt(talk->easy, CURLOPT_URL, url);
    curl_easy_setopt(talk->easy, CURLOPT_PRIVATE, talk);
    curl_easy_setopt(talk->easy, CURLOPT_HTTPHEADER, talk->fields);
    curl_easy_setopt(talk->easy, CURLOPT_WRITEFUNCTION, on_octets);
    curl_easy_setopt(talk->easy, CURLOPT_WRITEDATA, talk);
    curl_easy_setopt(talk->easy, CURLOPT_PROXY, "");
    if (strcmp(steps[talk->step].method, "GET") != 0) {
        curl_easy_setopt(talk->easy, CURLOPT_POSTFIELDS, all.content);
        curl_easy_setopt(talk->easy, CURLOPT_POSTFIELDSIZE,
                         talk->step == CHUNK ? (long)options.bytes : 0L);
        curl_easy_setopt(talk->easy, CURLOPT_CUSTOMREQUEST, steps[talk->step].method);
    }
    if (options.is_alone && talk->step == CLOSE_GROUP)
        curl_easy_setopt(talk->easy, CURLOPT_FORBID_REUSE, 1L);
    all.requests++;
    if (curl_multi_add_handle(all.multi, talk->easy) != CURLM_OK)
        abort();
}

/* ---- an answer ---- */

static void take_id(const struct talk *talk, const char *name, char out[64])
{
    json_t *answer = json_loadb(talk->answer, talk->answer_bytes, 0, NULL);
    const char *id = json_string_value(json_object_get(answer, name));

    if (id == NULL || strlen(id) >= 64)
        program_fail("no %s in an answer", name);
    (void)strcpy(out, id);
    json_decref(answer);
}

/* False: this talk is over. */
static bool next_step(struct talk *talk)
{
    switch (talk->step) {
    case OPEN_GROUP:
        take_id(talk, "group_id", talk->group_id);
        talk->file = 0;
        talk->step = options.files > 0 ? OPEN_FILE : CLOSE_GROUP;
        return true;
    case OPEN_FILE:
        take_id(talk, "file_id", talk->file_id);
        talk->step = CHUNK;
        return true;
    case CHUNK: talk->step = CLOSE_FILE; return true;
    case CLOSE_FILE:
        talk->step = ++talk->file < options.files ? OPEN_FILE : CLOSE_GROUP;
        return true;
    case CLOSE_GROUP:
    case STEP_COUNT: break;
    }
    all.ended++;
    talk->step = OPEN_GROUP;
    return all.begun < options.messages && all.begun++ < options.messages;
}

static void on_answer(CURL *easy, CURLcode result)
{
    struct talk *talk;
    long status = 0, fresh = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&talk);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &fresh);
    if (result != CURLE_OK || status != 200)
        program_fail("%s %s: %s, %ld", steps[talk->step].method, steps[talk->step].path,
                     curl_easy_strerror(result), status);
    all.connections += (unsigned long)fresh;
    (void)curl_multi_remove_handle(all.multi, easy);
    if (next_step(talk))
        ask(talk);
    else if (all.ended == options.messages)
        loop_stop(all.loop);
}

/* ---- libcurl on the loop ---- */

static void drive(curl_socket_t fd, int events)
{
    const CURLMsg *message;
    int running, left;

    if (curl_multi_socket_action(all.multi, fd, events, &running) != CURLM_OK)
        abort();
    while ((message = curl_multi_info_read(all.multi, &left)) != NULL)
        on_answer(message->easy_handle, message->data.result);
}

static void on_socket_ready(int fd, unsigned what, void *arg)
{
    (void)arg;
    drive(fd, ((what & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
                  ((what & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_time(void *arg)
{
    (void)arg;
    drive(CURL_SOCKET_TIMEOUT, 0);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct loop_watch *watch = known;

    (void)easy;
    (void)arg;
    if (what == CURL_POLL_REMOVE) {
        loop_watch_free(&watch);
        (void)curl_multi_assign(all.multi, fd, NULL);
        return 0;
    }
    if (watch == NULL) {
        watch = loop_watch_new(all.loop, fd, on_socket_ready, NULL);
        if (watch == NULL || curl_multi_assign(all.multi, fd, watch) != CURLM_OK)
            abort();
    }
    loop_watch_set(watch, ((what & CURL_POLL_IN) != 0 ? LOOP_READ : 0U) |
                              ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITE : 0U));
    return 0;
}

static int on_timeout(CURLM *multi, long from_now_ms, void *arg)
{
    (void)multi;
    (void)arg;
    if (from_now_ms < 0)
        loop_timer_clear(all.timer);
    else
        loop_timer_set_ms(all.timer, from_now_ms);
    return 0;
}

/* ---- the program ---- */

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "u:k:n:f:s:c:a")) != -1) {
        switch (option) {
        case 'u': options.url = optarg; break;
        case 'k': options.key = optarg; break;
        case 'n': options.messages = program_number(optarg, 10000000); break;
        case 'f': options.files = program_number(optarg, 1000); break;
        case 's': options.bytes = program_number(optarg, 100000000); break;
        case 'c': options.talks = program_number(optarg, 1000); break;
        case 'a': options.is_alone = true; break;
        default: exit(2);
        }
    }
    if (optind != argc || options.url == NULL || options.messages == 0 || options.talks == 0)
        program_fail("a vault's address (-u), and at least one message at a time");
}

static void make_content(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    all.content = malloc(options.bytes + 1U);
    if (all.content == NULL)
        abort();
    for (unsigned i = 0; i < options.bytes; i++)
        all.content[i] = (char)(i * 2654435761U >> 13);
    if (EVP_Digest(all.content, options.bytes, digest, NULL, EVP_md5(), NULL) != 1)
        abort();
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(all.checksum + (size_t)i * 2, 3, "%02x", digest[i]);
}

static void set_up(void)
{
    all.loop = loop_new();
    all.timer = all.loop != NULL ? loop_timer_new(all.loop, on_time, NULL) : NULL;
    all.multi = curl_multi_init();
    if (all.timer == NULL || all.multi == NULL)
        abort();
    curl_multi_setopt(all.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(all.multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(all.multi, CURLMOPT_MAXCONNECTS, (long)options.talks * 2);
}

int main(int argc, char **argv)
{
    int64_t from_us, took_us;

    read_options(argc, argv);
    program_take_descriptors();
    make_content();
    set_up();
    from_us = clock_mono_us();
    while (all.begun < options.talks && all.begun < options.messages) {
        struct talk *talk = calloc(1, sizeof(*talk));

        if (talk == NULL || (talk->easy = curl_easy_init()) == NULL)
            abort();
        all.begun++;
        ask(talk);
    }
    loop_run(all.loop);
    took_us = clock_mono_us() - from_us;
    program_answer("{\"messages\": %u, \"files\": %u, \"requests\": %lu, \"connections\": %lu, "
                   "\"seconds\": %.6f, \"cpu_seconds\": %.6f}",
                   all.ended, all.ended * options.files, all.requests, all.connections,
                   (double)took_us / 1e6, program_cpu_seconds());
    _exit(0); /* what is in memory goes with the process */
}
