/* master/console/embed.c: writes the built page as C, for page.h's table.
 *
 * postern-embed FOLDER FILE: FOLDER/index.html and every file of FOLDER/assets, each with
 * what lies beside it as NAME.gz. Not installed. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 32

struct name {
    char path[256]; /* "/assets/x.js" */
    size_t bytes, gzip_bytes;
};

static struct name names[MAX_FILES];
static size_t count;

static void fail(const char *path, const char *why)
{
    fprintf(stderr, "postern-embed: %s: %s\n", path, why);
    exit(EXIT_FAILURE);
}

/* Writes the octets of a file, if it is there; how many. */
static size_t write_octets(const char *path, const char *name, size_t number, bool is_needed)
{
    FILE *in = fopen(path, "rb");
    size_t bytes = 0;
    int octet;

    if (!in && is_needed)
        fail(path, "cannot be read; ./dev build makes the page");
    if (!in)
        return 0;
    printf("static const unsigned char %s_%zu[] = {", name, number);
    while ((octet = getc(in)) != EOF)
        printf("%s%d,", bytes++ % 24 == 0 ? "\n    " : "", octet);
    printf("%s\n};\n", bytes == 0 ? "0" : "");
    if (ferror(in))
        fail(path, "cannot be read");
    fclose(in);
    return bytes;
}

static void add(const char *folder, const char *path)
{
    struct name *name = &names[count];
    char whole[4096];

    if (count == MAX_FILES || strlen(path) >= sizeof(name->path))
        fail(path, "more, or longer names, than a page has");
    strcpy(name->path, path);
    snprintf(whole, sizeof(whole), "%s%s", folder, path);
    name->bytes = write_octets(whole, "plain", count, true);
    snprintf(whole, sizeof(whole), "%s%s.gz", folder, path);
    name->gzip_bytes = write_octets(whole, "gzip", count, false);
    count++;
}

static bool is_gzip(const char *name)
{
    size_t length = strlen(name);

    return length > 3 && strcmp(name + length - 3, ".gz") == 0;
}

static int is_asset(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && !is_gzip(entry->d_name);
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    char folder[4096], path[300];
    int found;

    if (argc != 3)
        fail("usage", "postern-embed FOLDER FILE");
    if (!freopen(argv[2], "w", stdout))
        fail(argv[2], "cannot be written");
    printf("#include \"master/console/page.h\"\n\n");
    add(argv[1], "/index.html");
    snprintf(folder, sizeof(folder), "%s/assets", argv[1]);
    found = scandir(folder, &entries, is_asset, alphasort);
    for (int i = 0; i < found; i++) {
        snprintf(path, sizeof(path), "/assets/%s", entries[i]->d_name);
        add(argv[1], path);
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
    printf("\nconst struct page_file page_files[] = {\n");
    for (size_t i = 0; i < count; i++) {
        printf("    { \"%s\", { plain_%zu, %zu }, ", names[i].path, i, names[i].bytes);
        if (names[i].gzip_bytes > 0)
            printf("{ gzip_%zu, %zu } },\n", i, names[i].gzip_bytes);
        else
            printf("{ 0 } },\n");
    }
    printf("};\nconst size_t page_file_count = %zu;\n", count);
    return ferror(stdout) || fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
}
