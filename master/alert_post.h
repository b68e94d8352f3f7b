/* master/alert_post.h: sends what is news by mail, as the setting `alerts` says.
 *
 * What becomes news within some seconds goes into one mail. While the profile of alerts has no
 * server that takes mail nothing is sent, so that no mail piles up about the sending of mail: it is
 * news still when one takes mail again. What could not be stored is tried again. */
#ifndef MASTER_ALERT_POST_H
#define MASTER_ALERT_POST_H

#include <stdint.h>

#include "master/composer.h"

struct alert_post;
struct alerts;
struct loop;
struct queue;
struct registry;

#define ALERT_POST_RETRY_MS 30000

struct alert_post_parts {
    struct loop *loop;
    struct alerts *alerts;
    const struct registry *registry;
    const struct queue *queue; /* knows how the profile's servers are */
    struct composer *composer;
};

/* The parts are borrowed, `hostname` is copied. NULL: no memory. */
struct alert_post *alert_post_new(const struct alert_post_parts *parts, const char *hostname);
void alert_post_free(struct alert_post **post); /* after composer_free() */

void alert_post_set_gather(struct alert_post *post, int64_t gather_ms);

/* Called again and again: sends when it is time. */
void alert_post_look(struct alert_post *post);

/* A mail that says that alerts arrive. 0, and `done` as composer_send() has it; -ENOENT: the
 * setting is unset; else what composer_send() says. */
int alert_post_test(struct alert_post *post, composer_done_cb *done, void *arg);

#endif
