/* What a path of the console shows: files by their whole names, the index for the page's own paths.
 */
#include <criterion/criterion.h>

#include "common/auto.h"
#include "master/console/page.h"

const struct page_file page_files[] = {
    { "/index.html", { (const unsigned char *)"index", 5 }, { NULL, 0 } },
    { "/assets/app-1.js", { (const unsigned char *)"app", 3 }, { (const unsigned char *)"gz", 2 } },
    { "/assets/app-1.css", { (const unsigned char *)"css", 3 }, { NULL, 0 } },
    { "/assets/icon-1.svg", { (const unsigned char *)"svg", 3 }, { NULL, 0 } },
};
const size_t page_file_count = ARRAY_LEN(page_files);

static void shows(const char *path, const char *file)
{
    const struct page_file *found = page_find(path);

    if (file)
        cr_assert(found && strcmp(found->path, file) == 0, "%s shows %s", path,
                  found ? found->path : "nothing");
    else
        cr_assert_null(found, "%s shows %s", path, found ? found->path : "");
}

Test(page, OP04_paths_of_the_page_show_its_index)
{
    shows("/", "/index.html");
    shows("/index.html", "/index.html");
    shows("/profiles", "/index.html");
    shows("/profiles/3", "/index.html");
    shows("/queue/06ABC-x", "/index.html");
}

Test(page, OP04_files_by_their_whole_names)
{
    shows("/assets/app-1.js", "/assets/app-1.js");
    shows("/assets/app-1.css", "/assets/app-1.css");
    shows("/assets/app-2.js", NULL);
    shows("/assets/app-1", NULL);
    shows("/assets/", NULL);
    shows("/app-1.js", NULL);
}

Test(page, OP04_tricks_with_paths_show_nothing)
{
    static const char *const tricks[] = { "/../etc/passwd",
                                          "/assets/../../etc/passwd",
                                          "/assets/..%2f..%2fetc",
                                          "/%2e%2e/etc/passwd",
                                          "//etc/passwd",
                                          "/a//b",
                                          "/profiles/3?x",
                                          "/.git",
                                          "/profiles;x",
                                          "/profiles\\x",
                                          "index.html",
                                          "",
                                          "/assets/app-1.js.gz",
                                          "/profiles/\xc3\xa4" };

    for (size_t i = 0; i < ARRAY_LEN(tricks); i++)
        shows(tricks[i], NULL);
}

Test(page, OP04_types_and_what_is_kept)
{
    cr_assert_str_eq(page_type(page_find("/")), "text/html; charset=utf-8");
    cr_assert_str_eq(page_type(page_find("/assets/app-1.js")), "text/javascript; charset=utf-8");
    cr_assert_str_eq(page_type(page_find("/assets/app-1.css")), "text/css; charset=utf-8");
    cr_assert_str_eq(page_type(page_find("/assets/icon-1.svg")), "image/svg+xml");
    cr_assert_not(page_is_for_ever(page_find("/profiles")));
    cr_assert(page_is_for_ever(page_find("/assets/app-1.js")));
}
