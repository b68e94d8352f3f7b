/* tests/unit/rest_stage.h: what is asked of a Core or a Vault, byte for byte, and what it says, on
 * top of http_stage.h.
 *
 * `seen` has a line for each request: "PATCH /transfer_file group_id=g1 [content]", with all of its
 * fields but those that every request has; that the key is among them is looked at here. */
#ifndef TESTS_UNIT_REST_STAGE_H
#define TESTS_UNIT_REST_STAGE_H

#include "http_stage.h"
#include "profile_helper.h"
#include "worker/mime/part.h"
#include "worker/rest/client.h"

#define REST_KEY   "k3y-0f-0urs-that-nobody-may-see"
#define REST_FILES 8

static struct profile *profile;
static struct rest_client *client;
static char seen[32768];
static struct mime_part parts[REST_FILES];
static unsigned part_count;
static char content[4096]; /* of the message that the parts lie in */
static size_t content_bytes;

static inline const char *answer(int status, const char *quoted)
{
    return web_answer(web, status, quoted);
}

static inline bool is_usual(const char *line)
{
    static const char *const names[] = { "Host:",
                                         "User-Agent:",
                                         "Accept:",
                                         "Content-Length:",
                                         "Authorization: Bearer " REST_KEY "\r",
                                         "apikey: " REST_KEY "\r" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

static inline void see(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void see(const char *format, ...)
{
    const size_t used = strlen(seen);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(seen + used, sizeof(seen) - used, format, args);
    va_end(args);
}

static inline void rest_see(struct web *from, const char *request)
{
    const char *key = web_header(from, profile->type == PROFILE_CORE ? "apikey" : "Authorization");

    cr_assert_str_eq(key != NULL ? key : "none",
                     profile->type == PROFILE_CORE ? REST_KEY : "Bearer " REST_KEY);
    see("%s", request);
    for (const char *line = strstr(from->head, "\r\n") + 2; *line != '\0';
         line = strstr(line, "\r\n") + 2) {
        if (!is_usual(line))
            see(" %.*s=%.*s", (int)strcspn(line, ":"), line,
                (int)(strcspn(line, "\r") - strcspn(line, ":") - 2), strchr(line, ':') + 2);
    }
    if (from->body_bytes > 0)
        see(" [%s]", from->body);
    see("\n");
}

/* One more file of that content. Its checksums are 000..., 111..., for each so many bytes. */
static inline void add_file(const char *name, const char *text, unsigned chunk_bytes)
{
    const size_t bytes = strlen(text);
    struct mime_part *part = &parts[part_count++];

    cr_assert_leq(part_count, (unsigned)REST_FILES);
    cr_assert_leq(content_bytes + bytes, sizeof(content));
    memcpy(content + content_bytes, text, bytes);
    *part = (struct mime_part){ .kind = MIME_ATTACHMENT,
                                .name = (char *)name,
                                .type = (char *)"text/plain",
                                .offset = content_bytes,
                                .bytes = bytes,
                                .decoded_bytes = bytes };
    content_bytes += bytes;
    if (chunk_bytes == 0)
        return;
    part->md5_count = (bytes + chunk_bytes - 1) / chunk_bytes;
    part->md5 = calloc(part->md5_count + 1, MIME_MD5_SIZE);
    for (size_t i = 0; i < part->md5_count; i++)
        memset(part->md5[i], (int)(i * 0x11), MIME_MD5_SIZE);
}

static inline void expect_seen(const char *expected)
{
    cr_expect_str_eq(seen, expected, "seen:\n%sexpected:\n%s", seen, expected);
    seen[0] = '\0';
}

/* `more` are other properties of the profile. */
static inline void rest_begin(const char *type, const char *more)
{
    char input[512];

    http_stage_begin("");
    web = web_new(loop, NULL);
    web->on_request = rest_see;
    (void)snprintf(input, sizeof(input),
                   "'servers': ['http://127.0.0.1:%u'], 'api_key': '" REST_KEY "' %s", web->port,
                   more);
    profile = accept_profile(input_of(type, input), NULL, NULL);
    client = rest_client_borrow(http, profile, 0);
    cr_assert_not_null(client);
}

static inline void rest_end(void)
{
    rest_client_free(&client);
    http_stage_end();
    profile_free(&profile);
    for (unsigned i = 0; i < part_count; i++)
        free(parts[i].md5);
}

#endif
