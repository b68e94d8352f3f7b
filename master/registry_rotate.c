/* master/registry_rotate.c: a new key for the store's secrets (SP61).
 *
 * Three steps, and a crash between any two leaves everything readable: both keys in the file; all
 * secrets sealed anew in one transaction; the old key dropped. What a crash left behind (two keys
 * in the file) is finished by the next rotation. */
#include <errno.h>
#include <stdlib.h>

#include "master/key_file.h"
#include "master/registry_private.h"

static int rotate(struct request *request)
{
    struct registry *registry = request->registry;
    struct secret_keys only_new = { .count = 1, .keys = { request->keys.keys[0] } };
    struct reason *why = &request->answer.why;
    int err = key_file_write(registry->key_path, &request->keys, why);

    if (err == 0) {
        err = store_commit(registry->store, request->changes, request->change_count, why);
        if (err < 0)
            (void)key_file_write(registry->key_path, &registry->keys, NULL);
    }
    if (err == 0)
        err = key_file_write(registry->key_path, &only_new, why);
    secret_wipe(&only_new, sizeof(only_new));
    return err;
}

static enum registry_result prepare(struct registry *registry, struct request *request)
{
    request->keys.count = 2;
    request->keys.keys[1] = registry->keys.keys[0];
    if (secret_key_make(&request->keys.keys[0]) < 0) {
        (void)reason_set(&request->answer.why, -EIO, "no randomness for a key");
        return REGISTRY_STORE;
    }
    for (size_t i = 0; i < registry->profile_count; i++)
        request_write_number(
            request, STORE_PROFILES, registry->profiles[i]->id,
            registry_seal_profile(registry, &request->keys, registry->profiles[i]));
    request_audit(request, "key rotated", "store", NULL);
    return REGISTRY_OK;
}

static void apply(struct registry *registry, struct request *request)
{
    registry->keys.count = 1;
    registry->keys.keys[0] = request->keys.keys[0];
    secret_wipe(&registry->keys.keys[1], sizeof(registry->keys.keys[1]));
}

void registry_key_rotate(struct registry *registry, const struct registry_actor *actor,
                         registry_done_cb *done, void *arg)
{
    struct request *request = request_new(registry, prepare, apply, actor, done, arg);

    if (request == NULL)
        abort(); /* a few hundred bytes: nothing would work any more */
    request->work = rotate;
    request_submit(request);
}
