#include "check.h"

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

struct trial {
    struct gateway *gateway;
    const struct ledger *ledger;
    const struct moment *moment;
    check_tell *tell;
    void *arg;
    unsigned wrong;
    uint64_t number;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct trial *trial, const char *format,
                                                        ...)
{
    char line[600];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    trial->wrong++;
    trial->tell(line, trial->arg);
}

/* ---- states ---- */

static bool is_same_cell(const struct cell *a, const struct cell *b)
{
    return a->stage == b->stage && a->flags == b->flags && a->attempts == b->attempts &&
           a->crashes == b->crashes && a->next_attempt_s == b->next_attempt_s &&
           a->profile == b->profile && a->note.segment == b->note.segment &&
           a->note.offset == b->note.offset && a->note.slot == b->note.slot &&
           memcmp(a->recipients, b->recipients, sizeof(a->recipients)) == 0;
}

static bool is_owed(const struct ledger_state *state, const struct moment *moment)
{
    return moment->is_kill ? state->until <= moment->at : state->promised_at <= moment->at;
}

/* The oldest state that the group may be in; the newest is the last that was begun to be written.
 */
static size_t oldest_allowed(const struct ledger_group *group, const struct moment *moment,
                             bool may_be_one_back)
{
    size_t oldest = 0;

    for (size_t i = 0; i < group->state_count; i++) {
        if (is_owed(&group->states[i], moment))
            oldest = i;
    }
    return may_be_one_back && oldest > 0 ? oldest - 1 : oldest;
}

static bool is_begun(const struct ledger_state *state, const struct moment *moment)
{
    return state->from < moment->at || state->until <= moment->at;
}

long check_find_state(const struct ledger_group *group, const struct moment *moment,
                      const struct cell *cell, bool may_be_one_back)
{
    for (size_t i = oldest_allowed(group, moment, may_be_one_back); i < group->state_count; i++) {
        if (is_begun(&group->states[i], moment) && is_same_cell(&group->states[i].cell, cell))
            return (long)i;
    }
    return -1;
}

static bool may_be_finished(const struct ledger_group *group, const struct moment *moment,
                            bool may_be_one_back)
{
    for (size_t i = oldest_allowed(group, moment, may_be_one_back); i < group->state_count; i++) {
        const enum cell_stage stage = group->states[i].cell.stage;

        if (is_begun(&group->states[i], moment) && (stage == CELL_DONE || stage == CELL_DELETED))
            return true;
    }
    return false;
}

static bool is_flipped(const struct trial *trial, enum flip_what what,
                       const struct ledger_message *message)
{
    const struct flip *flip = trial->moment->flip;

    return flip != NULL && flip->what == what && flip->message == message;
}

static bool may_be_one_back(const struct trial *trial, const struct ledger_message *message,
                            uint32_t group)
{
    return is_flipped(trial, FLIP_CELL, message) && trial->moment->flip->group == group;
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
        wrong(trial, "message %u has another body", given->number);
    if (!is_same_envelope(found->envelope, &given->envelope))
        wrong(trial, "message %u has another envelope", given->number);
    if (found->body_flags != given->facts.flags || found->longest_line != given->facts.longest_line)
        wrong(trial, "message %u has other facts", given->number);
    if (given->incarnation != 0 && segment_incarnation(found->segment) != given->incarnation)
        wrong(trial, "message %u comes back in a later life of its segment", given->number);
}

static void check_note(struct trial *trial, const struct ledger_message *given,
                       const struct ipc_mail_queued *queued, const struct ledger_note *note)
{
    const struct flip *flip = trial->moment->flip;
    struct message_note found;
    struct reason why = { "" };
    int err;

    if (note == NULL || note->released_at <= trial->moment->at)
        return;
    err = message_note_open(trial->gateway->cache, note->place, queued->place.id,
                            queued->place.group, &found, &why);
    if (err == 0 &&
        (found.bytes != note->bytes || memcmp(found.text, note->text, note->bytes) != 0))
        wrong(trial, "the note of message %u is another", given->number);
    if (err < 0 && (flip == NULL || flip->what != FLIP_NOTE || flip->note != note))
        wrong(trial, "the note of message %u: %s", given->number, why.text);
    if (err == 0)
        message_note_close(&found);
}

static uint32_t count_open(const struct cell *cell, uint32_t recipients)
{
    uint32_t open = recipients;

    for (uint32_t i = 0; i < recipients; i++)
        open -= cell_recipient_get(cell, i) != CELL_RCPT_OPEN;
    return open;
}

/* The report says what the cell says. */
static void check_words(struct trial *trial, const struct ledger_message *given,
                        const struct ipc_mail_queued *queued, const struct cell *cell)
{
    const struct envelope_group *group = &given->envelope.groups[queued->place.group];
    const bool is_last = queued->place.group + 1U == given->envelope.group_count;
    unsigned flags = IPC_QUEUED_RECOVERED;

    flags |= (cell->flags & CELL_HELD) != 0 ? IPC_QUEUED_HELD : 0U;
    flags |= cell->stage == CELL_FAILED ? IPC_QUEUED_FAILED : 0U;
    flags |= is_last ? IPC_QUEUED_LAST : 0U;
    if (queued->flags != flags || queued->attempts != cell->attempts ||
        queued->crashes != cell->crashes || queued->next_attempt_s != cell->next_attempt_s ||
        queued->note_segment != cell->note.segment || queued->note_slot != cell->note.slot ||
        queued->recipients != count_open(cell, group->count) || queued->rule != group->rule ||
        queued->profile != (cell->profile != 0 ? cell->profile : group->profile) ||
        queued->body_bytes != given->bytes)
        wrong(trial, "the report of message %u, group %u, is not what its cell says", given->number,
              queued->place.group);
}

static void check_cell(struct trial *trial, const struct ledger_message *given,
                       const struct ipc_mail_queued *queued, const struct cell *cell)
{
    const struct ledger_group *group = &given->groups[queued->place.group];
    const bool back = may_be_one_back(trial, given, queued->place.group);
    const long state = check_find_state(group, trial->moment, cell, back);

    if (state < 0) {
        wrong(trial,
              "message %u, group %u: stage %u after %u attempts is older than promised (state %zu) "
              "or was never written (of %zu)",
              given->number, queued->place.group, cell->stage, cell->attempts,
              oldest_allowed(group, trial->moment, back), group->state_count);
        return;
    }
    check_words(trial, given, queued, cell);
    check_note(trial, given, queued, group->states[state].note);
}

static void check_report(struct trial *trial, const struct ipc_mail_queued *queued)
{
    struct ledger_message *given = ledger_find(trial->ledger, queued->place.id);
    struct message *found = NULL;
    struct reason why = { "" };
    int err;

    if (given == NULL || queued->place.group >= given->envelope.group_count) {
        wrong(trial, "a message that was never given is reported");
        return;
    }
    if (given->fate == LEDGER_ABORTED || given->fate == LEDGER_LOST)
        wrong(trial, "message %u was %s and is reported", given->number,
              given->fate == LEDGER_LOST ? "lost" : "given up");
    if (given->groups[queued->place.group].seen == trial->number)
        wrong(trial, "message %u, group %u, is reported twice", given->number, queued->place.group);
    given->groups[queued->place.group].seen = trial->number;
    err = message_open(trial->gateway->cache, &queued->place, &found, &why);
    if (err < 0) {
        if (err != -EBADMSG || !is_flipped(trial, FLIP_BODY, given))
            wrong(trial, "message %u cannot be opened: %s", given->number, why.text);
        return;
    }
    if (is_flipped(trial, FLIP_BODY, given))
        wrong(trial, "message %u is opened with a body that was flipped", given->number);
    else
        check_content(trial, given, found);
    check_cell(trial, given, queued, &found->cell);
    message_free(&found);
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

        if (group->seen == trial->number ||
            may_be_finished(group, trial->moment, may_be_one_back(trial, given, i)))
            continue;
        if (!is_flipped(trial, FLIP_HEAD, given))
            wrong(trial, "message %u, group %u, was answered and is lost", given->number, i);
        else if (trial->gateway->rescanned.damaged != 1 || !is_kept(trial->gateway, given))
            wrong(trial, "message %u is damaged, and that is not told or it is not kept",
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
        wrong(trial, "recovery says: %s", strerror(-result->err));
    if (result->damaged > most)
        wrong(trial, "recovery finds %u damages where there are at most %u", result->damaged, most);
    if (result->groups != gateway->queued_count)
        wrong(trial, "%u groups are told of, %zu are reported", result->groups,
              gateway->queued_count);
}

static void on_done(int err, uint64_t id, void *arg)
{
    (void)id;
    *(int *)arg = err;
}

/* The restarted spool is in order: it gives out new ids and takes mail. */
static void check_new_mail(struct trial *trial)
{
    struct gateway *gateway = trial->gateway;
    const uint64_t id = spooler_next_id(gateway->spooler);
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

    if (id <= highest_answered(trial) && trial->moment->flip == NULL) /* it may have been the one */
        wrong(trial, "an id is given out that is not above all that were answered");
    if (!trial->moment->is_continued)
        return;
    if (spooler_reserve(gateway->spooler, 100) != 0) {
        wrong(trial, "there is no room for new mail");
        return;
    }
    spooler_submit(gateway->spooler, id, &envelope, calloc(100, 1), 100, &facts, 100, on_done,
                   &result);
    if (!GATEWAY_WAIT(gateway, result != 1) || result != 0)
        wrong(trial, "new mail is not taken: %s", result == 1 ? "no answer" : strerror(-result));
}

unsigned check_restart(struct gateway *gateway, const struct ledger *ledger,
                       const struct moment *moment, check_tell *tell, void *arg)
{
    static uint64_t trials;
    struct trial trial = { .gateway = gateway,
                           .ledger = ledger,
                           .moment = moment,
                           .tell = tell,
                           .arg = arg,
                           .number = ++trials };
    struct reason why = { "" };

    gateway_forget(gateway);
    if (gateway_start(gateway, &why) < 0) {
        wrong(&trial, "the spool does not start: %s", why.text);
        return trial.wrong;
    }
    if (!gateway_recover(gateway)) {
        wrong(&trial, "recovery does not end");
        return trial.wrong;
    }
    check_result(&trial);
    for (size_t i = 0; i < gateway->queued_count; i++)
        check_report(&trial, &gateway->queued[i]);
    check_all_missing(&trial);
    check_new_mail(&trial);
    return trial.wrong;
}
