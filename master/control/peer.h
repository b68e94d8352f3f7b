/* master/control/peer.h: who may speak on the control socket (OP03).
 *
 * Root, the daemon's own uid, and members of one group. The kernel says who is at the other end of
 * a Unix socket (SO_PEERCRED, SO_PEERGROUPS); nothing the peer sends is asked. The group is looked
 * up once, by the caller's start or reload: a look-up may wait for a directory server. */
#ifndef MASTER_CONTROL_PEER_H
#define MASTER_CONTROL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer_policy {
    uid_t own_uid;
    gid_t group;
    bool has_group; /* false: there is no such group, only root and the daemon itself */
};

/* `group` NULL or "": none. */
void peer_policy_init(struct peer_policy *policy, const char *group);

/* 0 and the peer's uid, -EACCES (ret_uid is set then, too), or a negative errno of the kernel. */
int peer_check(int fd, const struct peer_policy *policy, uid_t *ret_uid);

#endif
