/* master/control/peer.c: who may speak on the control socket. */
#include "master/control/peer.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/auto.h"

/* NGROUPS_MAX of Linux; what the kernel wants beyond it is refused. */
#define MAX_GROUPS 65536

void peer_policy_init(struct peer_policy *policy, const char *group)
{
    struct group *found = NULL;

    *policy = (struct peer_policy){ .own_uid = geteuid() };
    if (group && *group)
        found = getgrnam(group);
    if (found) {
        policy->group = found->gr_gid;
        policy->has_group = true;
    }
}

static int check_groups(int fd, gid_t wanted)
{
    AUTO(free) gid_t *groups = NULL;
    socklen_t bytes = 0;

    /* The first call only asks for the size. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0)
        return -EACCES; /* no supplementary groups */
    if (errno != ERANGE)
        return -errno;
    if (bytes > MAX_GROUPS * sizeof(gid_t))
        return -EACCES;
    groups = malloc(bytes);
    if (!groups)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0)
        return -errno;
    for (size_t i = 0; i < bytes / sizeof(gid_t); i++)
        if (groups[i] == wanted)
            return 0;
    return -EACCES;
}

int peer_check(int fd, const struct peer_policy *policy, uid_t *ret_uid)
{
    struct ucred peer = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
        return -errno;
    *ret_uid = peer.uid;
    if (peer.uid == 0 || peer.uid == policy->own_uid)
        return 0;
    if (!policy->has_group)
        return -EACCES;
    if (peer.gid == policy->group)
        return 0;
    return check_groups(fd, policy->group);
}
