/* master/registry_rotate.c: a new key for the store's secrets (SP61).
 *
 *   1. the key file gets the new key in front of the old one
 *   2. all secrets are sealed under the new one, in one transaction
 *   3. the old key leaves the file
 *
 * A crash between any two leaves everything readable, as the file holds both. While it holds both,
 * a rotation begins with step 2: a third key would have to push one out that may be in use. What a
 * crash left is finished when the registry is opened. */
#include <errno.h>
#include <stdlib.h>

#include "master/key_file.h"
#include "master/registry_private.h"

static int reseal_all(struct request *request)
{
    const struct registry *registry = request->registry;
    struct draft *draft = request->draft = draft_new(registry);

    if (draft == NULL)
        return reason_set(&request->answer.why, -ENOMEM, "out of memory");
    draft->is_quiet = true; /* workers have the secrets in clear */
    for (size_t i = 0; i < registry->now.profiles.count; i++)
        draft_put_profile(
            draft, registry_profile_reseal(&request->keys, state_profile_at(&registry->now, i)));
    return request_write_all(request);
}

static int rotate(struct request *request)
{
    const struct registry *registry = request->registry;
    struct reason *why = &request->answer.why;
    struct secret_keys only_new = { .count = 1, .keys = { request->keys.keys[0] } };
    int err = reseal_all(request);

    if (err == 0 && registry->keys.count == 1)
        err = key_file_write(registry->key_path, &request->keys, why);
    if (err < 0) {
        request->keys = registry->keys;
    } else {
        err = request_commit(request);
        if (err == 0)
            err = key_file_write(registry->key_path, &only_new, why);
        if (err == 0)
            request->keys = only_new;
    }
    secret_wipe(&only_new, sizeof(only_new));
    return err;
}

/* Whatever the result: what the registry knows is what the file holds. */
static void after_rotation(struct registry *registry, struct request *request)
{
    registry->keys = request->keys;
}

static int choose_keys(const struct registry *registry, struct secret_keys *ret_keys)
{
    *ret_keys = registry->keys;
    if (registry->keys.count > 1)
        return 0;
    ret_keys->count = 2;
    ret_keys->keys[1] = registry->keys.keys[0];
    return secret_key_make(&ret_keys->keys[0]);
}

static enum registry_result prepare(struct registry *registry, struct request *request)
{
    if (choose_keys(registry, &request->keys) < 0)
        return request_fail(request, REGISTRY_STORE, -EIO, "there is no randomness for a key");
    request_audit(request, "key rotated", NULL, NULL);
    request->work = rotate;
    request->after = after_rotation;
    return REGISTRY_OK;
}

void registry_key_rotate(struct registry *registry, const struct registry_actor *actor,
                         registry_done_cb *done, void *arg)
{
    request_submit(request_new(registry, prepare, actor, done, arg));
}

/* The same, at once, before anybody else is there. */
int registry_finish_rotation(struct registry *registry, struct reason *why)
{
    static const struct registry_actor actor = { "start" };
    struct request *request = request_new(registry, prepare, &actor, NULL, NULL);
    int err = prepare(registry, request) == REGISTRY_OK ? rotate(request) : -EIO;

    if (err == 0)
        after_rotation(registry, request);
    if (request->is_committed)
        request_make_current(request);
    if (err < 0 && *request->answer.why.text != '\0')
        *why = request->answer.why;
    request_free(request);
    return err;
}
