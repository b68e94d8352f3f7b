/* master/jobs.h: which group is with which worker. A job is one MAIL_DELIVER without its outcome.
 */
#ifndef MASTER_JOBS_H
#define MASTER_JOBS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct group;
struct jobs;
struct server_list;
struct worker;

struct job {
    TAILQ_ENTRY(job) link; /* of its worker, oldest first */
    uint64_t id;           /* never used twice: {serial, number in the slab} */
    struct group *group;
    struct worker *worker;
    struct server_list *servers; /* held: what `start` and the outcome's indexes speak of */
    int64_t sent_ms;
    int64_t cancelled_ms; /* 0: not cancelled */
    uint16_t start;
    uint64_t failed;  /* servers of which that was told */
    bool is_at_start; /* as far as is known: it counts as there */
    bool is_trial;    /* of a start server that is down (SP23) */
    bool is_alone;    /* a suspect: nothing else goes to its worker (MQ09) */
};

struct jobs *jobs_new(void);
void jobs_free(struct jobs **jobs);

/* Out at `worker` from now on; holds `servers`. NULL: no memory. */
struct job *jobs_begin(struct jobs *jobs, struct group *group, struct worker *worker,
                       struct server_list *servers);
struct job *jobs_find(const struct jobs *jobs, uint64_t id);
/* Its group and worker forget it. */
void jobs_end(struct jobs *jobs, struct job *job);

#endif
