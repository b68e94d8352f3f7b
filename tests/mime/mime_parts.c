/* tests/mime/mime_parts.c: what the MIME module finds, for tests to compare.
 *
 *   mime_parts [-d FOLDER] [-r BYTES] [-c BYTES] FILE...
 *
 * Prints a line of JSON for each file: {"parts": [{kind, type, name, encoding, offset, bytes, size,
 * sha256, md5}]} or {"error": errno, "why": text}. Content comes through a reader that is asked for
 * BYTES at a time (-r), MD5s are of slices of BYTES (-c); with -d the content of part N of the only
 * file is written to FOLDER/N. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "common/auto.h"
#include "worker/mime/reader.h"

static const char *const kinds[] = { [MIME_TEXT] = "text",
                                     [MIME_INLINE_IMAGE] = "image",
                                     [MIME_ATTACHMENT] = "attachment",
                                     [MIME_MESSAGE] = "message" };
static const char *const encodings[] = { [MIME_IDENTITY] = "identity",
                                         [MIME_BASE64] = "base64",
                                         [MIME_QUOTED_PRINTABLE] = "quoted-printable",
                                         [MIME_UUENCODE] = "uuencode" };
static const struct mime_limits limits = { .max_parts = 10000,
                                           .max_depth = 100,
                                           .max_header_bytes = 1 << 20 };
static const char *folder;
static size_t read_bytes = 65536;
static uint64_t chunk_bytes;

static void fail(const char *what)
{
    fprintf(stderr, "mime_parts: %s: %s\n", what, strerror(errno));
    exit(2);
}

static json_t *hex(const unsigned char *bytes, size_t count)
{
    char text[2 * EVP_MAX_MD_SIZE + 1];

    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return json_stringn(text, 2 * count);
}

static FILE *output_for(size_t number)
{
    char path[4096];
    FILE *file;

    if (folder == NULL)
        return NULL;
    snprintf(path, sizeof(path), "%s/%zu", folder, number);
    file = fopen(path, "wb");
    if (file == NULL)
        fail(path);
    return file;
}

/* Reads the part to its end; SHA-256 of it, and how much it was. */
static json_t *read_part(const struct mime_part *part, const char *body, size_t number,
                         uint64_t *ret_bytes)
{
    AUTO(free) char *buffer = malloc(read_bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char sum[EVP_MAX_MD_SIZE];
    FILE *file = output_for(number);
    struct mime_reader reader;
    size_t bytes;

    if (buffer == NULL || context == NULL || EVP_DigestInit(context, EVP_sha256()) != 1)
        fail("sha256");
    mime_reader_init(&reader, part, body);
    *ret_bytes = 0;
    while ((bytes = mime_reader_read(&reader, buffer, read_bytes)) > 0) {
        EVP_DigestUpdate(context, buffer, bytes);
        if (file != NULL && fwrite(buffer, 1, bytes, file) != bytes)
            fail("write");
        *ret_bytes += bytes;
    }
    if (file != NULL)
        fclose(file);
    EVP_DigestFinal(context, sum, NULL);
    EVP_MD_CTX_free(context);
    return hex(sum, 32);
}

static json_t *show_part(const struct mime_part *part, const char *body, size_t number)
{
    uint64_t size;
    json_t *sha256 = read_part(part, body, number, &size);
    json_t *md5 = json_array();

    if (size != part->decoded_bytes) {
        fprintf(stderr, "mime_parts: part %zu: %llu bytes read, %llu announced\n", number,
                (unsigned long long)size, (unsigned long long)part->decoded_bytes);
        exit(1);
    }
    for (size_t i = 0; i < part->md5_count; i++)
        json_array_append_new(md5, hex(part->md5[i], MIME_MD5_SIZE));
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "kind", kinds[part->kind],
                     "type", part->type, "name", part->name, "encoding", encodings[part->encoding],
                     "offset", (json_int_t)part->offset, "bytes", (json_int_t)part->bytes, "size",
                     (json_int_t)size, "sha256", sha256, "md5", md5);
}

static json_t *show_message(const char *body, size_t bytes)
{
    struct mime_parts *parts = NULL;
    struct reason why = { "" };
    int err = mime_scan(body, bytes, &limits, chunk_bytes, NULL, &parts, &why);
    json_t *list = json_array();

    if (err < 0) {
        json_decref(list);
        return json_pack("{s:i, s:s}", "error", err, "why", why.text);
    }
    for (size_t i = 0; i < parts->count; i++)
        json_array_append_new(list, show_part(&parts->parts[i], body, i));
    mime_parts_free(&parts);
    return json_pack("{s:o}", "parts", list);
}

static void show_file(const char *path)
{
    AUTO(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(json) json_t *shown = NULL;
    void *body = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        fail(path);
    if (st.st_size > 0)
        body = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (body == MAP_FAILED)
        fail(path);
    shown = show_message(body, (size_t)st.st_size);
    if (shown == NULL || json_dumpf(shown, stdout, JSON_COMPACT | JSON_SORT_KEYS) < 0)
        fail("json"); /* a name that is not UTF-8 would end here */
    putchar('\n');
    if (body != NULL)
        munmap(body, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "d:r:c:")) > 0) {
        switch (option) {
        case 'd': folder = optarg; break;
        case 'r': read_bytes = strtoul(optarg, NULL, 10); break;
        case 'c': chunk_bytes = strtoull(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    for (int i = optind; i < argc; i++)
        show_file(argv[i]);
    return 0;
}
