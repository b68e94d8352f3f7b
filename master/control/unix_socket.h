/* master/control/unix_socket.h: the file of a listening Unix socket.
 *
 * A file left behind by a dead process is replaced; one behind which somebody answers, or that is
 * no socket, is refused and left alone. The file is never open to more people than it will be in
 * the end: it is born 0600 and opened to `group` afterwards. Where the group may not be given to
 * it, everybody may connect and the check of the peer (peer.h) alone decides. */
#ifndef MASTER_CONTROL_UNIX_SOCKET_H
#define MASTER_CONTROL_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/reason.h"

/* Returns a listening, non-blocking descriptor, or -EADDRINUSE, -EEXIST, -ENAMETOOLONG, ... with
 * the reason. While it listens nobody else can take the path: its owner may unlink it before it
 * closes. */
int unix_socket_listen(const char *path, bool has_group, gid_t group, struct reason *reterr_why);

#endif
