/* tests/fuzz/driver.c: runs a fuzz target without libFuzzer.
 *
 *   fuzz_<target> [-n MUTATIONS] [-s SEED] FOLDER_OR_FILE...
 *
 * First every file of the corpus as it is, then MUTATIONS inputs made from them by a seeded
 * generator, so that a run repeats exactly. When a sanitizer ends the process, the number of the
 * input is printed: the same command with -n NUMBER ends at the same place. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the sanitizers' runtime, where there is one. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

#define INPUT_MAX   65536U
#define CORPUS_MAX  4096U
#define STEPS_MAX   8U
#define WORDS_COUNT (sizeof(words) / sizeof(words[0]))

struct input {
    uint8_t *data;
    size_t bytes;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;
static uint64_t state;
static uint64_t inputs_run;

/* What the formats under test treat specially. */
static const char *const words[] = {
    "\r\n",
    "\r",
    "\n",
    ".",
    "\r\n.\r\n",
    "\n.\n",
    " ",
    "250 ",
    "250-",
    "421 4.3.2",
    "smtp://",
    "smtps://",
    "[::1]",
    ":65536",
    "%00",
    "/../",
    "@",
    "<",
    ">",
    "MAIL FROM:<",
    "SIZE=",
    "BODY=8BITMIME",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "null",
    "1e999",
    "-1",
    "\xff",
    "\xc3\xa9",
    "\xed\xa0\x80",
    "\x7f",
    "18446744073709551616",
};

static uint64_t next_random(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static size_t random_below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random() % limit);
}

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "fuzz driver: %s: %s: %s\n", path, what, strerror(errno));
    exit(2);
}

static void add_file(const char *path, size_t bytes)
{
    struct input *input = &corpus[corpus_count];
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        fail("open", path);
    input->bytes = bytes < INPUT_MAX ? bytes : INPUT_MAX;
    input->data = malloc(input->bytes + 1);
    if (input->data == NULL || fread(input->data, 1, input->bytes, file) != input->bytes)
        fail("read", path);
    fclose(file);
    corpus_count++;
}

static void add_path(const char *path)
{
    struct dirent **entries;
    struct stat st;
    int count;

    if (stat(path, &st) != 0)
        fail("stat", path);
    if (!S_ISDIR(st.st_mode)) {
        if (corpus_count < CORPUS_MAX)
            add_file(path, (size_t)st.st_size);
        return;
    }
    /* Sorted: the order of the corpus is part of what makes a run repeatable. */
    count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        fail("scandir", path);
    for (int i = 0; i < count; i++) {
        char child[4096];

        if (entries[i]->d_name[0] != '.') {
            snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
            add_path(child);
        }
        free(entries[i]);
    }
    free(entries);
}

static size_t insert_bytes(uint8_t *out, size_t bytes, const void *what, size_t what_bytes)
{
    size_t at = random_below(bytes + 1);

    if (bytes + what_bytes > INPUT_MAX)
        return bytes;
    memmove(out + at + what_bytes, out + at, bytes - at);
    memcpy(out + at, what, what_bytes);
    return bytes + what_bytes;
}

static size_t splice(uint8_t *out, size_t bytes)
{
    const struct input *other = &corpus[random_below(corpus_count)];
    size_t from = random_below(other->bytes + 1);
    size_t keep = random_below(bytes + 1);
    size_t take = other->bytes - from;

    if (keep + take > INPUT_MAX)
        take = INPUT_MAX - keep;
    if (take > 0)
        memcpy(out + keep, other->data + from, take);
    return keep + take;
}

static size_t mutate_once(uint8_t *out, size_t bytes)
{
    uint64_t value = next_random();
    size_t at = random_below(bytes);
    size_t run = 1 + random_below(16);

    switch (random_below(8)) {
    case 0: /* one bit */
        if (bytes > 0)
            out[at] ^= (uint8_t)(1U << (value & 7));
        return bytes;
    case 1: /* one byte */
        if (bytes > 0)
            out[at] = (uint8_t)value;
        return bytes;
    case 2: /* a run gone */
        if (run > bytes - at)
            run = bytes - at;
        memmove(out + at, out + at + run, bytes - at - run);
        return bytes - run;
    case 3: /* a run twice */
        if (run > bytes - at)
            run = bytes - at;
        if (run == 0 || bytes + run > INPUT_MAX)
            return bytes;
        memmove(out + at + run, out + at, bytes - at);
        return bytes + run;
    case 4: return insert_bytes(out, bytes, &value, 1 + (value & 7));
    case 5: {
        const char *word = words[random_below(WORDS_COUNT)];

        return insert_bytes(out, bytes, word, strlen(word));
    }
    case 6: /* a number in the middle of a binary format */
        if (bytes >= at + 4) {
            static const uint32_t edges[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 65536 };

            memcpy(out + at, &edges[value % 6], 4);
        }
        return bytes;
    default: return splice(out, bytes);
    }
}

/* Each input is a block of its own, so that a sanitizer sees a read one past its end. */
static void run_one(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);

    if (copy == NULL)
        exit(2);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    inputs_run++;
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static void on_death(void)
{
    if (inputs_run <= corpus_count)
        fprintf(stderr, "fuzz driver: died in corpus file %" PRIu64 " of %zu\n", inputs_run,
                corpus_count);
    else
        fprintf(stderr, "fuzz driver: died in mutation %" PRIu64 "\n", inputs_run - corpus_count);
}

static void run_mutations(uint64_t count)
{
    static uint8_t out[INPUT_MAX];

    for (uint64_t i = 0; i < count; i++) {
        const struct input *seed = &corpus[random_below(corpus_count)];
        size_t bytes = seed->bytes;
        size_t steps = 1 + random_below(STEPS_MAX);

        if (bytes > 0)
            memcpy(out, seed->data, bytes);
        while (steps-- > 0)
            bytes = mutate_once(out, bytes);
        run_one(out, bytes);
    }
}

int main(int argc, char **argv)
{
    uint64_t count = 20000;

    state = UINT64_C(0x9E3779B97F4A7C15);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            state ^= strtoull(argv[++i], NULL, 10) + 1;
        else
            add_path(argv[i]);
    }
    if (corpus_count == 0) {
        fprintf(stderr, "usage: %s [-n MUTATIONS] [-s SEED] FOLDER_OR_FILE...\n", argv[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(on_death);
    for (size_t i = 0; i < corpus_count; i++)
        run_one(corpus[i].data, corpus[i].bytes);
    run_mutations(count);
    printf("%zu corpus files, %" PRIu64 " mutations\n", corpus_count, count);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].data);
    return 0;
}
