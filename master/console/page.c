#include "master/console/page.h"

#include <string.h>

#include "common/auto.h"

#define INDEX  "/index.html"
#define ASSETS "/assets/"

static const struct {
    const char *ending, *type;
} types[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".svg", "image/svg+xml" },
};

static const struct page_file *find_exactly(const char *path)
{
    for (size_t i = 0; i < page_file_count; i++)
        if (strcmp(page_files[i].path, path) == 0)
            return &page_files[i];
    return NULL;
}

/* Letters, digits and hyphens between slashes. */
static bool is_path_of_page(const char *path)
{
    return *path == '/' && !strstr(path, "//") &&
           path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/")] ==
               '\0';
}

const struct page_file *page_find(const char *path)
{
    const struct page_file *file = find_exactly(path);

    return file                                         ? file
           : strncmp(path, ASSETS, strlen(ASSETS)) == 0 ? NULL
           : is_path_of_page(path)                      ? find_exactly(INDEX)
                                                        : NULL;
}

const char *page_type(const struct page_file *file)
{
    const char *ending = strrchr(file->path, '.');

    for (size_t i = 0; ending && i < ARRAY_LEN(types); i++)
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

bool page_is_for_ever(const struct page_file *file)
{
    return strncmp(file->path, ASSETS, strlen(ASSETS)) == 0;
}
