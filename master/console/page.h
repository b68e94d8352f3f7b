/* master/console/page.h: the built page, in memory: index.html and what it loads.
 *
 * The table comes from master/console/embed.c at build time. A path is compared with it as a whole:
 * nothing is decoded, nothing is a file. */
#ifndef MASTER_CONSOLE_PAGE_H
#define MASTER_CONSOLE_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page_content {
    const unsigned char *octets;
    size_t bytes;
};

struct page_file {
    const char *path;                /* "/assets/app-1A2B3C4D.js", "/index.html" */
    struct page_content plain, gzip; /* gzip.bytes 0: there is none */
};

extern const struct page_file page_files[];
extern const size_t page_file_count;

/* What a path shows: one of the files, or, where its last segment has no dot, the index: the page
 * has paths of its own. NULL: nothing. */
const struct page_file *page_find(const char *path);

const char *page_type(const struct page_file *file); /* for Content-Type */
bool page_is_for_ever(const struct page_file *file); /* its name says its content */

#endif
