/* master/key_file.h: the keys that seal the store's secrets, outside the store (SP61).
 *
 * Text, one key a line: "<id as 8 hex digits> <64 hex digits>", the first one seals. Two lines
 * stand there while a rotation is under way. Ours or root's, and nobody else may read it: anything
 * looser is refused. A systemd credential fits, but cannot be rotated in place. Written whole: to a
 * neighbour, synced, renamed, the directory synced. */
#ifndef MASTER_KEY_FILE_H
#define MASTER_KEY_FILE_H

#include "common/reason.h"
#include "common/secret.h"

/* -ENOENT: there is none; -EPERM: too many may read it; -EBADMSG: something else is in it. The
 * reason names the file. */
int key_file_read(const char *path, struct secret_keys *ret_keys, struct reason *reterr_why);

/* Replaces the file, or makes it, mode 0600. When it fails the old one is in place. */
int key_file_write(const char *path, const struct secret_keys *keys, struct reason *reterr_why);

#endif
