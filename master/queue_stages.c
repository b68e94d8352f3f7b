/* Which profile's lane a group stands in: that of its stage (common/stage.h). */
#include <errno.h>

#include "common/rule.h"
#include "master/queue_private.h"

void queue_set_rules(struct queue *queue, queue_find_rule *find, void *arg)
{
    queue->find_rule = find;
    queue->find_rule_arg = arg;
}

const struct rule *queue_rule(const struct queue *queue, const struct group *group)
{
    if (queue->find_rule == NULL || group->rule == 0)
        return NULL;
    return queue->find_rule(group->rule, queue->find_rule_arg);
}

static enum stage stage_by(const struct rule *rule, const struct group *group)
{
    return rule != NULL ? stage_next(group->stages, rule->core != 0, rule->vault != 0)
                        : STAGE_RELAY;
}

enum stage queue_stage(const struct queue *queue, const struct group *group)
{
    return stage_by(queue_rule(queue, group), group);
}

void queue_set_stages(struct group *group, unsigned flags)
{
    group->stages = (uint8_t)(flags & CELL_STAGES);
}

static void set_lane(struct queue *queue, struct group *group, struct lane *lane)
{
    queue_leave(queue, group);
    queue_count(queue, group, group->state, -1);
    group->lane = lane;
    queue_count(queue, group, group->state, 1);
    queue_enter(queue, group, false);
    group->has_kept_turn = false; /* it was the other profile's */
    group->kept_tried = 0;
}

bool queue_stage_is_right(const struct queue *queue, const struct group *group)
{
    const struct rule *rule = queue_rule(queue, group);
    const enum stage stage = stage_by(rule, group);

    return group->lane->profile ==
           (stage != STAGE_RELAY ? rule_stage_profile(rule, stage) : group->relay->profile);
}

int queue_restage(struct queue *queue, struct group *group)
{
    const struct rule *rule = queue_rule(queue, group);
    const enum stage stage = stage_by(rule, group);
    struct lane *lane = group->relay;

    if (stage != STAGE_RELAY)
        lane = queue_lane(queue, rule_stage_profile(rule, stage));
    if (lane == NULL)
        return -ENOMEM;
    if (lane == group->lane)
        return 0;
    set_lane(queue, group, lane);
    return 1;
}

int queue_set_relay(struct queue *queue, struct group *group, uint32_t profile)
{
    struct lane *lane = queue_lane(queue, profile);

    if (lane == NULL)
        return -ENOMEM;
    queue_count(queue, group, group->state, -1);
    if (group->lane == group->relay)
        group->lane = lane;
    group->relay = lane;
    queue_count(queue, group, group->state, 1);
    return 0;
}
