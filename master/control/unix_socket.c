/* master/control/unix_socket.c: the file of a listening Unix socket. */
#include "master/control/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/auto.h"

#define BACKLOG 64

static int fill_address(const char *path, struct sockaddr_un *ret_address,
                        struct reason *reterr_why)
{
    size_t length = strlen(path);

    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (length == 0 || length >= sizeof(ret_address->sun_path))
        return reason_set(reterr_why, -ENAMETOOLONG,
                          "%s: a socket's path has 1 to %zu bytes; choose a shorter run_dir", path,
                          sizeof(ret_address->sun_path) - 1);
    memcpy(ret_address->sun_path, path, length + 1);
    return 0;
}

static int remove_stale(const char *path, const struct sockaddr_un *address,
                        struct reason *reterr_why)
{
    AUTO(close) int fd = -1;
    struct stat info;

    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0
                               : reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(info.st_mode))
        return reason_set(reterr_why, -EEXIST, "%s is there and is no socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return reason_set(reterr_why, -errno, "socket: %s", strerror(errno));
    /* EAGAIN: its backlog is full, so somebody keeps it open. */
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return reason_set(reterr_why, -EADDRINUSE, "%s: another process answers there", path);
    if (errno != ECONNREFUSED && errno != ENOENT)
        return reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
    if (unlink(path) < 0 && errno != ENOENT)
        return reason_set(reterr_why, -errno, "%s: a stale socket that cannot be removed: %s", path,
                          strerror(errno));
    return 0;
}

int unix_socket_listen(const char *path, bool has_group, gid_t group, struct reason *reterr_why)
{
    AUTO(close) int fd = -1;
    struct sockaddr_un address;
    mode_t mode = 0600;
    int err;

    err = fill_address(path, &address, reterr_why);
    if (err < 0)
        return err;
    err = remove_stale(path, &address, reterr_why);
    if (err < 0)
        return err;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return reason_set(reterr_why, -errno, "socket: %s", strerror(errno));
    /* On Linux bind() takes the file's mode from the socket's own. */
    if (fchmod(fd, mode) < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
    if (has_group)
        mode = chown(path, (uid_t)-1, group) == 0 ? 0660 : 0666;
    if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
        err = reason_set(reterr_why, -errno, "%s: %s", path, strerror(errno));
        (void)unlink(path);
        return err;
    }
    return take_fd(&fd);
}
