#include "common/spool_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const endings[] = {
    [SPOOL_FILE_SEGMENT] = ".seg", [SPOOL_FILE_STATE] = ".state"
};

const char *spool_name(uint32_t number, enum spool_file file, char *out)
{
    (void)snprintf(out, SPOOL_NAME_SIZE, "%u%s", number, endings[file]);
    return out;
}

bool spool_name_parse(const char *name, uint32_t *ret_number)
{
    char again[SPOOL_NAME_SIZE], *end;
    unsigned long number;

    errno = 0;
    number = strtoul(name, &end, 10);
    if (errno != 0 || number == 0 || number > UINT32_MAX)
        return false;
    /* Only what spool_name() writes: no sign, no leading zero. */
    *ret_number = (uint32_t)number;
    return strcmp(spool_name(*ret_number, SPOOL_FILE_SEGMENT, again), name) == 0;
}

int spool_open(const char *spool_dir, unsigned slot, uint32_t number, enum spool_file file,
               int flags)
{
    char path[SPOOL_PATH_SIZE], name[SPOOL_NAME_SIZE];
    int n =
        snprintf(path, sizeof(path), "%s/%u/%s", spool_dir, slot, spool_name(number, file, name));
    int fd;

    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fd : -errno;
}

int spool_open_slot(const char *spool_dir, unsigned slot)
{
    char path[SPOOL_PATH_SIZE];
    int n = snprintf(path, sizeof(path), "%s/%u", spool_dir, slot);
    int fd;

    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}
