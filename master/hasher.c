#include "master/hasher.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>

#include "common/random_token.h"
#include "common/secret.h"
#include "master/io_thread.h"

#define PREFIX     "$y$"
#define SALT_BYTES 16

_Static_assert(HASHER_TEXT_SIZE >= CRYPT_OUTPUT_SIZE, "a hash has room");
_Static_assert(HASHER_MAX_PASSWORD == CRYPT_MAX_PASSPHRASE_SIZE - 1, "what crypt(3) takes");

struct hasher {
    struct io_thread *thread;
    unsigned waiting;
    atomic_bool is_stopping;
    /* For a name that there is not: a setting alone, which no hash is equal to. */
    char nobody[CRYPT_GENSALT_OUTPUT_SIZE];
};

struct job {
    struct hasher *hasher;
    bool is_check, matches;
    char password[HASHER_MAX_PASSWORD + 1];
    char setting[HASHER_TEXT_SIZE]; /* of a check: the hash */
    char hash[HASHER_TEXT_SIZE];
    hasher_cb *done;
    void *arg;
};

static int make_setting(char *out, size_t size)
{
    char salt[SALT_BYTES];
    int err = random_bytes(salt, sizeof(salt));

    if (err < 0)
        return err;
    return crypt_gensalt_rn(PREFIX, HASHER_COST, salt, sizeof(salt), out, (int)size) != NULL
               ? 0
               : -errno;
}

/* ---- in the thread ---- */

static int hash_password(struct job *job)
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    const char *hash;
    int err = 0;

    if (data == NULL)
        return -ENOMEM;
    errno = 0;
    hash = crypt_r(job->password, job->setting, data);
    if (hash == NULL || *hash == '*')
        err = errno != 0 ? -errno : -EINVAL;
    else
        (void)snprintf(job->hash, sizeof(job->hash), "%s", hash);
    secret_wipe(data, sizeof(*data));
    free(data);
    return err;
}

static int work(void *arg)
{
    struct job *job = arg;
    int err = atomic_load(&job->hasher->is_stopping) ? -ECANCELED : hash_password(job);

    if (err == 0 && job->is_check)
        job->matches = text_equal_constant_time(job->hash, job->setting);
    secret_wipe(job->password, sizeof(job->password));
    return err;
}

/* ---- in the loop ---- */

static void on_worked(int result, void *arg)
{
    struct job *job = arg;
    struct hasher_answer answer = { .err = result,
                                    .matches = result == 0 && job->matches,
                                    .hash = job->is_check ? job->setting : job->hash };

    job->hasher->waiting--;
    job->done(&answer, job->arg);
    secret_wipe(job, sizeof(*job));
    free(job);
}

static int give(struct hasher *hasher, const char *password, struct job **ret_job)
{
    struct job *job;

    if (hasher == NULL || atomic_load(&hasher->is_stopping))
        return -ECANCELED;
    if (hasher->waiting >= HASHER_MAX_WAITING)
        return -EBUSY;
    if (strlen(password) > HASHER_MAX_PASSWORD)
        return -E2BIG;
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return -ENOMEM;
    job->hasher = hasher;
    (void)snprintf(job->password, sizeof(job->password), "%s", password);
    *ret_job = job;
    return 0;
}

static int run(struct job *job, int err, hasher_cb *done, void *arg)
{
    struct hasher *hasher = job->hasher;

    job->done = done;
    job->arg = arg;
    if (err == 0)
        err = io_thread_run(hasher->thread, work, on_worked, job);
    if (err == 0) {
        hasher->waiting++;
        return 0;
    }
    secret_wipe(job, sizeof(*job));
    free(job);
    return err;
}

int hasher_make(struct hasher *hasher, const char *password, hasher_cb *done, void *arg)
{
    struct job *job = NULL;
    int err = give(hasher, password, &job);

    return err == 0 ? run(job, make_setting(job->setting, sizeof(job->setting)), done, arg) : err;
}

int hasher_check(struct hasher *hasher, const char *password, const char *hash, hasher_cb *done,
                 void *arg)
{
    struct job *job = NULL;
    int err = give(hasher, password, &job);

    if (err < 0)
        return err;
    job->is_check = true;
    (void)snprintf(job->setting, sizeof(job->setting), "%s", hash != NULL ? hash : hasher->nobody);
    return run(job, 0, done, arg);
}

/* ---- life ---- */

struct hasher *hasher_new(struct loop *loop)
{
    struct hasher *hasher = calloc(1, sizeof(*hasher));

    if (hasher == NULL)
        return NULL;
    hasher->thread = io_thread_new(loop);
    if (hasher->thread == NULL || make_setting(hasher->nobody, sizeof(hasher->nobody)) < 0)
        hasher_free(&hasher);
    return hasher;
}

void hasher_free(struct hasher **hasher)
{
    struct hasher *h = *hasher;

    if (h == NULL)
        return;
    atomic_store(&h->is_stopping, true);
    io_thread_free(&h->thread);
    free(h);
    *hasher = NULL;
}
