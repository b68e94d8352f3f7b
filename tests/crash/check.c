#include "check_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/message.h"
#include "worker/segment_cache.h"

void check_wrong(struct trial *trial, const char *format, ...)
{
    char line[600];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    trial->wrong++;
    trial->tell(line, trial->arg);
}

bool check_is_flipped(const struct trial *trial, enum flip_what what,
                      const struct ledger_message *message)
{
    const struct flip *flip = trial->moment->flip;

    return flip != NULL && flip->what == what && flip->message == message;
}

/* ---- one report ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_envelope(const struct envelope *a, const struct envelope *b)
{
    if (!is_same_text(a->sender, b->sender) || !is_same_text(a->client, b->client) ||
        !is_same_text(a->helo, b->helo) || !is_same_text(a->envid, b->envid) ||
        a->group_count != b->group_count || a->recipient_count != b->recipient_count)
        return false;
    for (uint32_t i = 0; i < a->recipient_count; i++) {
        if (!is_same_text(a->recipients[i].address, b->recipients[i].address))
            return false;
    }
    return memcmp(a->groups, b->groups, a->group_count * sizeof(*a->groups)) == 0;
}

static void check_content(struct trial *trial, const struct ledger_message *given,
                          const struct message *found)
{
    if (found->body_bytes != given->bytes || memcmp(found->body, given->body, given->bytes) != 0)
        check_wrong(trial, "message %u has another body", given->number);
    if (!is_same_envelope(found->envelope, &given->envelope))
        check_wrong(trial, "message %u has another envelope", given->number);
    if (found->body_flags != given->facts.flags || found->longest_line != given->facts.longest_line)
        check_wrong(trial, "message %u has other facts", given->number);
    if (given->incarnation != 0 && !given->may_be_copied &&
        segment_incarnation(found->segment) != given->incarnation)
        check_wrong(trial, "message %u comes back in a later life of its segment", given->number);
}

/* The group's record as it counts, or an older copy of it. */
static void check_found(struct trial *trial, struct ledger_message *given,
                        const struct ipc_mail_queued *queued, bool is_counting)
{
    const bool is_flipped = check_is_flipped(trial, FLIP_BODY, given);
    struct message *found = NULL;
    struct reason why = { "" };
    int err = message_open(trial->gateway->cache, &queued->place, &found, &why);

    if (err < 0) {
        if (err != -EBADMSG || !is_flipped)
            check_wrong(trial, "message %u cannot be opened: %s", given->number, why.text);
        return;
    }
    if (is_flipped && found->place.segment == trial->moment->flip->segment)
        check_wrong(trial, "message %u is opened with a body that was flipped", given->number);
    else
        check_content(trial, given, found);
    if (is_counting)
        check_state(trial, given, queued, &found->cell);
    message_free(&found);
}

static struct ledger_group *group_of(const struct trial *trial,
                                     const struct ipc_mail_queued *queued,
                                     struct ledger_message **ret_given)
{
    *ret_given = ledger_find(trial->ledger, queued->place.id);
    return *ret_given != NULL && queued->place.group < (*ret_given)->envelope.group_count
               ? &(*ret_given)->groups[queued->place.group]
               : NULL;
}

/* Of several copies the highest counts; two of the same number must not be. */
static void find_copies(struct trial *trial)
{
    for (size_t i = 0; i < trial->gateway->queued_count; i++) {
        const struct ipc_mail_queued *queued = &trial->gateway->queued[i];
        struct ledger_message *given;
        struct ledger_group *group = group_of(trial, queued, &given);

        if (group == NULL) {
            check_wrong(trial, "a message that was never given is reported");
            continue;
        }
        if (given->fate == LEDGER_ABORTED)
            check_wrong(trial, "message %u was given up and is reported", given->number);
        if (group->seen == trial->number && group->seen_copy == queued->copy)
            check_wrong(trial, "message %u, group %u, is reported twice", given->number,
                        queued->place.group);
        if (group->seen == trial->number && group->seen_copy > queued->copy)
            continue;
        group->seen = trial->number;
        group->seen_copy = queued->copy;
    }
}

static void check_reports(struct trial *trial)
{
    find_copies(trial);
    for (size_t i = 0; i < trial->gateway->queued_count; i++) {
        const struct ipc_mail_queued *queued = &trial->gateway->queued[i];
        struct ledger_message *given;
        const struct ledger_group *group = group_of(trial, queued, &given);

        if (group != NULL)
            check_found(trial, given, queued, group->seen_copy == queued->copy);
    }
}

/* ---- what is not reported ---- */

static bool holds(const char *path, const char *text, size_t bytes)
{
    struct stat status;
    bool is_found = false;
    char *data;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0)
        abort();
    data = malloc((size_t)status.st_size + 1);
    if (data != NULL && pread(fd, data, (size_t)status.st_size, 0) == status.st_size)
        is_found = memmem(data, (size_t)status.st_size, text, bytes) != NULL;
    free(data);
    close(fd);
    return is_found;
}

/* In damaged/, for people. */
static bool is_kept(const struct gateway *gateway, const struct ledger_message *given)
{
    char path[512];
    struct dirent *entry;
    bool is_found = false;
    DIR *folder;

    (void)snprintf(path, sizeof(path), "%s/damaged", gateway->spool_dir);
    folder = opendir(path);
    while (folder != NULL && !is_found && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/damaged/%s", gateway->spool_dir, entry->d_name);
        is_found = holds(path, given->body, given->bytes);
    }
    if (folder != NULL)
        closedir(folder);
    return is_found;
}

static void check_missing(struct trial *trial, const struct ledger_message *given)
{
    for (uint32_t i = 0; i < given->envelope.group_count; i++) {
        const struct ledger_group *group = &given->groups[i];

        if (group->seen == trial->number || check_may_be_finished(trial, given, i))
            continue;
        if (!check_is_flipped(trial, FLIP_HEAD, given))
            check_wrong(trial, "message %u, group %u, was answered and is lost", given->number, i);
        else if (trial->gateway->rescanned.damaged != 1 || !is_kept(trial->gateway, given))
            check_wrong(trial, "message %u is damaged, and that is not told or it is not kept",
                        given->number);
    }
}

static void check_all_missing(struct trial *trial)
{
    for (size_t i = 0; i < trial->ledger->count; i++) {
        const struct ledger_message *given = trial->ledger->messages[i];

        if (given->fate == LEDGER_ANSWERED && given->answered_at <= trial->moment->at)
            check_missing(trial, given);
    }
}

/* ---- the whole ---- */

static uint64_t highest_answered(const struct trial *trial)
{
    for (size_t i = trial->ledger->count; i-- > 0;) {
        const struct ledger_message *given = trial->ledger->messages[i];

        if (given->fate == LEDGER_ANSWERED && given->answered_at <= trial->moment->at)
            return given->id;
    }
    return 0;
}

static void check_result(struct trial *trial)
{
    const struct gateway *gateway = trial->gateway;
    const struct ipc_rescanned *result = &gateway->rescanned;
    const unsigned most = trial->moment->flip != NULL ? 1 : 0;

    if (result->err != 0)
        check_wrong(trial, "recovery says: %s", strerror(-result->err));
    if (result->damaged > most)
        check_wrong(trial, "recovery finds %u damages where there are at most %u", result->damaged,
                    most);
    if (result->groups != gateway->queued_count)
        check_wrong(trial, "%u groups are told of, %zu are reported", result->groups,
                    gateway->queued_count);
}

static void on_done(int err, uint64_t id, void *arg)
{
    (void)id;
    *(int *)arg = err;
}

/* Above every one that was answered, unless the flipped byte was what told of it. */
static uint64_t check_next_id(struct trial *trial)
{
    const struct gateway *gateway = trial->gateway;
    const uint64_t id = spooler_next_id(gateway->spooler), highest = highest_answered(trial);

    if (trial->moment->flip != NULL)
        return id;
    if (gateway->rescanned.max_id < highest)
        check_wrong(trial, "the highest id is not told");
    if (id <= highest && !trial->moment->is_foreign)
        check_wrong(trial, "an id is given out that is not above all that were answered");
    return id;
}

/* The restarted spool takes mail. */
static void check_new_mail(struct trial *trial)
{
    struct gateway *gateway = trial->gateway;
    const uint64_t id = check_next_id(trial);
    struct envelope_recipient recipient = { .address = "new@example.net" };
    struct envelope_group group = { .rule = 1, .profile = 1, .count = 1 };
    const struct envelope envelope = { .sender = "",
                                       .client = "192.0.2.1",
                                       .helo = "new",
                                       .groups = &group,
                                       .recipients = &recipient,
                                       .group_count = 1,
                                       .recipient_count = 1 };
    const struct spooler_body_facts facts = { 0 };
    int result = 1;

    if (!trial->moment->is_continued)
        return;
    if (spooler_reserve(gateway->spooler, 100) != 0) {
        check_wrong(trial, "there is no room for new mail");
        return;
    }
    spooler_submit(gateway->spooler, id, &envelope, calloc(100, 1), 100, &facts, 100, on_done,
                   &result);
    if (!GATEWAY_WAIT(gateway, result != 1) || result != 0)
        check_wrong(trial, "new mail is not taken: %s",
                    result == 1 ? "no answer" : strerror(-result));
}

static uint64_t trials;

uint64_t check_trials(void)
{
    return trials;
}

unsigned check_restart(struct gateway *gateway, const struct ledger *ledger,
                       const struct moment *moment, check_tell *tell, void *arg)
{
    struct trial trial = { .gateway = gateway,
                           .ledger = ledger,
                           .moment = moment,
                           .tell = tell,
                           .arg = arg,
                           .number = ++trials };
    struct reason why = { "" };

    gateway_forget(gateway);
    if (gateway_start(gateway, moment->is_foreign ? GATEWAY_SLOT + 1 : GATEWAY_SLOT, &why) < 0) {
        check_wrong(&trial, "the spool does not start: %s", why.text);
        return trial.wrong;
    }
    if (!gateway_recover(gateway)) {
        check_wrong(&trial, "recovery does not end");
        return trial.wrong;
    }
    check_result(&trial);
    check_reports(&trial);
    check_all_missing(&trial);
    check_new_mail(&trial);
    return trial.wrong;
}
