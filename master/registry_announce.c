/* master/registry_announce.c: watchers hear of what became current.
 *
 * An import may be of a thousand profiles, each of which goes to every worker: they are told in
 * slices, so that no turn of the loop is long. The change is the running one until the last of it
 * was told, and is answered then: nothing else becomes current meanwhile. */
#include <stdint.h>

#include "common/clock.h"
#include "common/loop.h"
#include "master/registry_private.h"

#define SLICE_US 1000 /* what it puts into the channels takes as long again to leave */

static void tell_watchers(struct registry *registry, uint32_t profile, bool is_gone)
{
    for (unsigned i = 0; i < registry->watcher_count; i++)
        registry->watchers[i].cb(profile, is_gone, registry->watchers[i].arg);
}

/* One step: profiles before the rules that name them, and gone only after these. False: there is
 * none left. */
static bool announce_next(struct registry *registry, struct request *request)
{
    const struct draft *draft = request->draft;
    const struct pointers *made = &draft->made_profiles, *old = &draft->old_profiles;
    size_t step = request->announced++;

    if (step < made->count) {
        const struct registry_profile *entry = made->items[step];

        tell_watchers(registry, entry->profile->id, false);
    } else if (step == made->count) {
        if (draft->rules_changed || draft->settings_changed)
            tell_watchers(registry, 0, false);
    } else if (step - made->count - 1 < old->count) {
        const struct registry_profile *entry = old->items[step - made->count - 1];

        if (state_profile(&registry->now, entry->profile->id) == NULL)
            tell_watchers(registry, entry->profile->id, true);
    } else {
        return false;
    }
    return true;
}

static void announce_until(struct registry *registry, int64_t limit_us)
{
    struct request *request = registry->announcing;

    while (announce_next(registry, request)) {
        if (clock_mono_us() >= limit_us) {
            loop_timer_set_ms(registry->announce, 0);
            return;
        }
    }
    registry->announcing = NULL;
    request_conclude(request);
}

void registry_announce(struct request *request)
{
    struct registry *registry = request->registry;

    if (!request->is_committed || request->draft == NULL || request->draft->is_quiet) {
        request_conclude(request);
        return;
    }
    registry->announcing = request;
    if (registry->is_stopping)
        registry_announce_rest(registry);
    else
        registry_on_announce(registry);
}

void registry_on_announce(void *arg)
{
    struct registry *registry = arg;

    if (registry->announcing != NULL)
        announce_until(registry, clock_mono_us() + SLICE_US);
}

void registry_announce_rest(struct registry *registry)
{
    if (registry->announcing != NULL)
        announce_until(registry, INT64_MAX);
}
