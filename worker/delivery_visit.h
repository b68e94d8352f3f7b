/* worker/delivery_visit.h: what delivery_visit.c, delivery_scan.c and delivery_upload.c share: one
 * stage of a job before the relay.
 *
 * The message's parts are the same at every server, and so is what is known of them: the plan. The
 * rest belongs to the server at hand. */
#ifndef WORKER_DELIVERY_VISIT_H
#define WORKER_DELIVERY_VISIT_H

#include "worker/mime/part.h"
#include "worker/rest/core_scan.h"
#include "worker/rest/vault_upload.h"

struct job;
struct message;
struct mime_job;

struct visit {
    struct mime_job *parting; /* under way, NULL: it is over */
    struct mime_parts *parts;
    struct mime_parts *whole; /* visit_whole() beside them, NULL: not needed */

    struct core_plan scan_plan;
    int8_t *taken_by; /* for each of its files: the server that has its id, -1: none */
    struct vault_plan upload_plan;
    char *share_with, *expires, *workflow; /* copies: the rule may change meanwhile */

    /* At the server at hand. */
    struct rest_client *client;
    struct core_scan *scan;
    struct vault_upload *upload;
};

/* What a stage is made of; a row for each (delivery_visit.c). */
struct visit_kind {
    bool has_checksums; /* of the chunks that it sends */
    /* From the parts, and from what was told before. False: no memory. */
    bool (*plan)(struct job *job);
    /* Of a message that could not be taken apart. */
    void (*on_hostile)(struct job *job, const char *why);
    /* Is there anything to ask a server about? If not, it ends the attempt. */
    bool (*has_work)(struct job *job);
    int (*start)(struct job *job, struct reason *reterr_why);
    /* The visit ends, whatever came of it: what is known is kept in job->told. */
    void (*keep)(struct job *job);
    /* It may not go on without, whatever its rule says. NULL: nothing is against it. */
    bool (*must_wait)(const struct job *job);
};

extern const struct visit_kind visit_scan, visit_upload;

/* The whole message as one part, message.eml. NULL: no memory. */
struct mime_parts *visit_whole(const struct message *message);

/* An entry of what a note tells of the files, {"name", "size"}, to be added to. */
json_t *visit_file_told(const struct mime_part *part);
/* Is what a note tells of the files about these? They are the same each time that the message is
 * taken apart, unless the limits have changed. */
bool visit_is_about(const json_t *files, const struct mime_part *part, size_t at);
/* The server said no, or nothing: the next one, or the end. */
void visit_failed(struct job *job, enum rest_word word, long status, const char *why);
/* Replaces *copy by a copy of `text`, which may be NULL. 0, or -ENOMEM with the reason: without it
 * the server would do something else than the rule says. */
int visit_copy(char **copy, const char *text, struct reason *reterr_why);
void visit_set_text(json_t *object, const char *key, const char *text);

#endif
