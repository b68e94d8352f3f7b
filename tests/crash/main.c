/* crash_points: what a power cut may leave of the spool, tried state by state.
 *
 *   crash_points [-s SEED] [-n RUNS] [-j JOBS] [-k KIND]
 *
 * Each run: mail goes through the real spooler while every change that it makes to files is
 * recorded; then, for each sync in the record, the disk is built as it may be if the power goes
 * there, and a restart is made on it and held against what was answered. Runs are independent of
 * each other, and JOBS of them are made at once (they wait more than they compute). With
 * POSTERN_LONG in the environment there are 20 times as many. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "record.h"
#include "states.h"
#include "workload.h"

#define RUNS        6U
#define JOBS        8U
#define JOBS_MAX    64U
#define LONG_FACTOR 20U
#define LIVES       2U

struct result {
    struct workload_figures work;
    struct states_tally tally;
    int64_t slowest_sync_ms; /* of a state */
    unsigned never_synced;   /* states */
};

/* ---- one run, in a process of its own ---- */

static void make_folder(char *folder, size_t size, const char *what)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)snprintf(folder, size, "%s/postern-crash-%s.XXXXXX", memory, what);
    if (mkdtemp(folder) == NULL)
        abort();
}

static void remove_folder(const char *folder)
{
    char command[160];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        (void)fprintf(stderr, "crash_points: cannot remove %s\n", folder);
}

static void work(const char *folder, struct ledger *ledger, struct dice *dice,
                 struct result *result)
{
    struct gateway *gateway = gateway_new(folder);

    record_skip_syncs(false);
    record_begin(folder);
    result->work.wrong += workload_run(gateway, ledger, dice, &result->work);
    record_end();
    gateway_free(&gateway);
    ledger_find_promises(ledger);
}

static enum states_kind only = STATES_COUNT; /* all */

static void try_states(const struct ledger *ledger, uint64_t seed, struct result *result)
{
    struct gateway *gateway;
    char folder[64];

    make_folder(folder, sizeof(folder), "states");
    gateway = gateway_new(folder);
    record_skip_syncs(true);
    states_try(gateway, ledger, seed, only, &result->tally);
    gateway_free(&gateway);
    remove_folder(folder);
}

/* Mail on an empty spool; then, from one of the states that a power cut may leave of that, again.
 */
static void run(uint64_t seed, int out)
{
    struct ledger *ledger = ledger_new();
    struct dice dice = { seed };
    struct result result = { 0 };
    char folder[64], next[64];

    make_folder(folder, sizeof(folder), "mail");
    for (unsigned life = 0; life < LIVES; life++) {
        work(folder, ledger, &dice, &result);
        remove_folder(folder);
        /* No id is above the earlier ones just because time went by. */
        record_set_clock_back(3600 * (life + 1));
        try_states(ledger, seed, &result);
        make_folder(next, sizeof(next), "mail");
        ledger_cut(ledger, states_choose(next, dice_throw(&dice)));
        strcpy(folder, next);
    }
    remove_folder(folder);
    result.slowest_sync_ms = ledger->slowest_sync_us / 1000;
    result.never_synced = ledger->never_synced;
    ledger_free(&ledger);
    if (write(out, &result, sizeof(result)) != (ssize_t)sizeof(result))
        abort();
}

/* ---- all of them ---- */

struct job {
    pid_t pid;
    int in;
    uint64_t seed;
};

static void begin_job(struct job *job, uint64_t seed)
{
    int ends[2];

    if (pipe(ends) < 0)
        abort();
    (void)fflush(NULL);
    *job = (struct job){ .pid = fork(), .in = ends[0], .seed = seed };
    if (job->pid < 0)
        abort();
    if (job->pid == 0) {
        close(ends[0]);
        run(seed, ends[1]);
        exit(0);
    }
    close(ends[1]);
}

static void add(struct result *total, const struct result *one)
{
    total->work.given += one->work.given;
    total->work.answered += one->work.answered;
    total->work.large += one->work.large;
    total->work.aborted += one->work.aborted;
    total->work.notes += one->work.notes;
    total->work.states += one->work.states;
    total->work.handed_back += one->work.handed_back;
    total->work.compacted += one->work.compacted;
    total->work.moved += one->work.moved;
    total->work.restarts += one->work.restarts;
    total->work.wrong += one->work.wrong;
    if (one->work.longest_ms > total->work.longest_ms)
        total->work.longest_ms = one->work.longest_ms;
    if (one->slowest_sync_ms > total->slowest_sync_ms)
        total->slowest_sync_ms = one->slowest_sync_ms;
    total->never_synced += one->never_synced;
    for (unsigned i = 0; i < STATES_COUNT; i++) {
        total->tally.tried[i] += one->tally.tried[i];
        total->tally.wrong[i] += one->tally.wrong[i];
    }
    total->tally.syncs += one->tally.syncs;
    total->tally.entries += one->tally.entries;
}

/* False: the run did not come to its end. */
static bool end_job(struct job *jobs, unsigned count, struct result *total)
{
    struct result result;
    int status = 0;
    const pid_t pid = wait(&status);
    bool is_whole;

    for (unsigned i = 0; i < count; i++) {
        if (jobs[i].pid != pid)
            continue;
        is_whole =
            read(jobs[i].in, &result, sizeof(result)) == (ssize_t)sizeof(result) && status == 0;
        close(jobs[i].in);
        jobs[i].pid = 0;
        if (is_whole)
            add(total, &result);
        else
            (void)fprintf(stderr, "crash_points: run %llu ended with %#x\n",
                          (unsigned long long)jobs[i].seed, (unsigned)status);
        return is_whole;
    }
    abort();
}

static unsigned run_all(uint64_t seed, unsigned runs, unsigned most, struct result *total)
{
    struct job jobs[JOBS_MAX] = { 0 };
    unsigned begun = 0, ended = 0, broken = 0;

    while (ended < runs) {
        for (unsigned i = 0; i < most && begun < runs; i++) {
            if (jobs[i].pid == 0)
                begin_job(&jobs[i], seed + begun++);
        }
        broken += !end_job(jobs, most, total);
        ended++;
    }
    return broken;
}

/* ---- the report ---- */

struct count {
    unsigned passed, failed;
};

static void check(struct count *count, bool is_good, const char *what)
{
    count->passed += is_good;
    count->failed += !is_good;
    if (!is_good)
        (void)printf("FAILED %s\n", what);
}

static void report(const struct result *result, unsigned runs, struct count *count)
{
    const struct workload_figures *work = &result->work;
    uint64_t tried = 0, wrong = 0;

    (void)printf("%u messages given, %u answered (%u large), %u given up, %u notes, %u states "
                 "recorded, %u segments handed back, %u groups moved out of %u\n",
                 work->given, work->answered, work->large, work->aborted, work->notes, work->states,
                 work->handed_back, work->moved, work->compacted);
    (void)printf("%llu calls recorded, %llu of them syncs\n",
                 (unsigned long long)result->tally.entries,
                 (unsigned long long)result->tally.syncs);
    for (unsigned i = 0; i < STATES_COUNT; i++) {
        if (only != STATES_COUNT && only != i)
            continue;
        (void)printf("%8llu  %s\n", (unsigned long long)result->tally.tried[i], states_names[i]);
        check(count, result->tally.tried[i] > 0 && result->tally.wrong[i] == 0, states_names[i]);
        tried += result->tally.tried[i];
        wrong += result->tally.wrong[i];
    }
    /* MQ03, and some patience with a machine that is busy. */
    (void)printf("states were synced within %lld ms\n", (long long)result->slowest_sync_ms);
    check(count,
          result->never_synced == 0 &&
              result->slowest_sync_ms <= 1000 + 3 * result->work.longest_ms,
          "every state is synced within a second");
    /* So that no part of it withers away unseen. */
    check(count, work->wrong == 0, "orderly restarts and moves in the workload");
    check(count, work->answered > 50 * runs, "much mail");
    check(count, work->large > runs, "large messages");
    check(count, work->aborted > 0, "large messages that are given up");
    check(count, work->notes > 30 * runs && work->states > 100 * runs, "attempts");
    check(count, work->handed_back > 4 * runs, "segments handed back");
    check(count, work->compacted > runs && work->moved > 2 * runs, "compaction");
    (void)printf("%llu states tried, %llu violations\n", (unsigned long long)tried,
                 (unsigned long long)wrong);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    unsigned runs = RUNS, jobs = JOBS, broken;
    struct result total = { 0 };
    struct count count = { 0 };
    int option;

    if (getenv("POSTERN_LONG") != NULL)
        runs *= LONG_FACTOR;
    while ((option = getopt(argc, argv, "s:n:j:k:")) != -1) {
        switch (option) {
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'n': runs = (unsigned)strtoul(optarg, NULL, 0); break;
        case 'k': only = (enum states_kind)strtoul(optarg, NULL, 0); break;
        case 'j': jobs = (unsigned)strtoul(optarg, NULL, 0); break;
        default:
            (void)fprintf(stderr, "usage: crash_points [-s SEED] [-n RUNS] [-j JOBS] [-k KIND]\n");
            return 2;
        }
    }
    if (runs == 0 || jobs == 0 || jobs > JOBS_MAX)
        return 2;
    log_open("crash_points", STDERR_FILENO);
    log_set_level(LOG_LEVEL_COUNT);
    broken = run_all(seed, runs, jobs, &total);
    check(&count, broken == 0, "every run comes to its end");
    report(&total, runs, &count);
    (void)printf("%u passed, %u failed, 0 skipped\n", count.passed, count.failed);
    return count.failed > 0;
}
