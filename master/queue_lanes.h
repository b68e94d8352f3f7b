/* master/queue_lanes.h: the queue's lanes by profile, and its counts by rule. Part of the queue. */
#ifndef MASTER_QUEUE_LANES_H
#define MASTER_QUEUE_LANES_H

#include <stddef.h>
#include <stdint.h>

struct lane;

struct queue_lanes { /* all zero is empty; both arrays are sorted */
    struct lane **items;
    size_t count;
    struct rule_count {
        uint32_t rule;
        uint64_t groups;
    } * rules;
    size_t rule_count;
};

void queue_lanes_done(struct queue_lanes *lanes);
struct lane *queue_lanes_find(const struct queue_lanes *lanes, uint32_t profile);
struct lane *queue_lanes_get(struct queue_lanes *lanes, uint32_t profile); /* NULL: no memory */

/* Before the first count of a rule; 0 or -ENOMEM. */
int queue_lanes_reserve_rule(struct queue_lanes *lanes, uint32_t rule);
void queue_lanes_count_rule(struct queue_lanes *lanes, uint32_t rule, int by);
uint64_t queue_lanes_rule_count(const struct queue_lanes *lanes, uint32_t rule);

#endif
