/* The walk through a message: header, content, boundary, and so on to the end. It keeps a list of
 * what is open instead of calling itself, so that depth costs memory that is counted. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/auto.h"
#include "worker/mime/content.h"
#include "worker/mime/decode.h"
#include "worker/mime/entity.h"
#include "worker/mime/frames.h"
#include "worker/mime/header.h"
#include "worker/mime/list.h"
#include "worker/mime/part.h"

/* Attached messages within each other are each listed with all that is in them, so that together
 * they may be a hundred times the message. Up to MUCH_BYTES nobody minds. */
#define MUCH_BYTES (UINT64_C(64) << 20)
#define MUCH_TIMES 10

struct scan {
    const char *body, *end;
    const struct mime_limits *limits;
    const atomic_bool *cancelled;
    struct mime_list list;
    struct mime_frames frames;
    unsigned seen;      /* leaves, multiparts and messages */
    uint64_t all_bytes; /* of what is listed */
    struct reason *why;
};

static bool is_message_type(const char *type)
{
    return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0 ||
           strcmp(type, "message/rfc2822") == 0 || strcmp(type, "message/news") == 0;
}

static const struct mime_frame *innermost(const struct scan *scan)
{
    return scan->frames.count > 0 ? &scan->frames.frames[scan->frames.count - 1] : NULL;
}

/* Within a multipart/related of the same message. */
static bool is_related(const struct scan *scan)
{
    for (size_t i = scan->frames.count; i-- > 0 && scan->frames.frames[i].boundary != NULL;)
        if (scan->frames.frames[i].is_related)
            return true;
    return false;
}

static enum mime_kind kind_of(const struct scan *scan, const struct mime_entity *entity)
{
    if (entity->disposition == MIME_ATTACHED)
        return MIME_ATTACHMENT;
    if (strncmp(entity->type, "text/", 5) == 0 && entity->name == NULL)
        return MIME_TEXT;
    if (strncmp(entity->type, "image/", 6) == 0 &&
        (entity->disposition == MIME_INLINE || (entity->has_id && is_related(scan))))
        return MIME_INLINE_IMAGE;
    return MIME_ATTACHMENT;
}

/* ---- what opens and closes ---- */

static int push(struct scan *scan, char *boundary, struct mime_frame **ret_frame)
{
    if (scan->frames.count < scan->limits->max_depth)
        return mime_frames_push(&scan->frames, boundary, ret_frame);
    free(boundary);
    return reason_set(scan->why, -E2BIG, "nested deeper than %u", scan->limits->max_depth);
}

static int measure(struct scan *scan, struct mime_part *part)
{
    scan->all_bytes += part->bytes;
    if (scan->all_bytes > MUCH_BYTES &&
        scan->all_bytes / MUCH_TIMES > (uint64_t)(scan->end - scan->body))
        return reason_set(scan->why, -E2BIG, "attached messages of more than %d times its size",
                          MUCH_TIMES);
    return mime_content_measure(part, scan->body, scan->list.digest, scan->cancelled, scan->why);
}

static int end_message(struct scan *scan, const struct mime_frame *frame,
                       const struct mime_mark *mark)
{
    struct mime_part *part;

    if (frame->part == MIME_NONE)
        return 0;
    part = &scan->list.parts->parts[frame->part];
    part->bytes = (size_t)(mime_mark_ends(mark, frame->content) - frame->content);
    return measure(scan, part);
}

/* Leaves the frames above `count`, which end at the mark. */
static int leave(struct scan *scan, size_t count, const struct mime_mark *mark)
{
    int err = 0;

    while (scan->frames.count > count && err == 0) {
        err = end_message(scan, innermost(scan), mark);
        mime_frames_pop(&scan->frames);
    }
    return err;
}

/* From a mark to where the next part begins, or to the end: closing boundaries, and what stands
 * behind them, are passed over. */
static int go_on(struct scan *scan, struct mime_mark *mark, const char **ret_at)
{
    int err = 0;

    while (err == 0 && mark->frame != MIME_NONE) {
        err = leave(scan, mark->frame + !mark->is_close, mark);
        if (err == 0 && !mark->is_close)
            break;
        if (err == 0)
            err = mime_frames_pass(&scan->frames, mark->next, scan->end, scan->cancelled, mark,
                                   &scan->list.parts->is_ambiguous);
    }
    *ret_at = mark->next;
    return err;
}

/* ---- what a header leads to ---- */

/* Base64 declared where there is none: the message's header stands there in clear. */
static bool is_encoded_message(const struct scan *scan, const struct mime_entity *entity,
                               const struct mime_header *header)
{
    if (entity->encoding == MIME_QUOTED_PRINTABLE)
        return true;
    return entity->encoding != MIME_IDENTITY &&
           mime_header_is_field(header->content, scan->end) == 0;
}

static int enter_message(struct scan *scan, const struct mime_entity *entity, const char *content)
{
    struct mime_frame *frame;
    int err = push(scan, NULL, &frame);

    if (err < 0)
        return err;
    frame->content = content;
    if (entity->name == NULL && entity->disposition != MIME_ATTACHED)
        return 0;
    err = mime_list_add(&scan->list, MIME_MESSAGE, entity, (size_t)(content - scan->body),
                        &frame->part);
    frame->part_has_subject = err == 0 && entity->name == NULL;
    return err;
}

/* 1: its first boundary came and is in `ret_mark`; 0: it has none, and is a leaf to the mark. */
static int enter_multipart(struct scan *scan, struct mime_entity *entity, const char *content,
                           struct mime_mark *ret_mark)
{
    const size_t own = scan->frames.count;
    struct mime_frame *frame = NULL;
    int err = 0;

    if (entity->boundary != NULL) {
        err = push(scan, TAKE_PTR(entity->boundary), &frame);
        if (err < 0)
            return err;
        frame->is_digest = strcmp(entity->type, "multipart/digest") == 0;
        frame->is_related = strcmp(entity->type, "multipart/related") == 0;
    }
    err = mime_frames_pass(&scan->frames, content, scan->end, scan->cancelled, ret_mark,
                           &scan->list.parts->is_ambiguous);
    if (err < 0)
        return err;
    if (frame != NULL && ret_mark->frame == own) {
        frame->has_begun = true;
        return 1;
    }
    if (frame != NULL)
        mime_frames_pop(&scan->frames);
    return 0;
}

static int add_leaf(struct scan *scan, const struct mime_entity *entity, const char *content,
                    const struct mime_mark *mark)
{
    const char *end = mime_mark_ends(mark, content), *begin = content;
    struct mime_part *part;
    size_t index;
    int err = mime_list_add(&scan->list, kind_of(scan, entity), entity,
                            (size_t)(content - scan->body), &index);

    if (err < 0)
        return err;
    part = &scan->list.parts->parts[index];
    if (part->encoding == MIME_UUENCODE) {
        begin = mime_find_uu_begin(content, end);
        if (begin == NULL) { /* it only says so */
            part->encoding = MIME_IDENTITY;
            begin = content;
        }
    }
    part->offset = (size_t)(begin - scan->body);
    part->bytes = (size_t)(end - begin);
    return measure(scan, part);
}

/* A message that is attached without a name is called after its subject. */
static int take_subject(struct scan *scan, const struct mime_header *header)
{
    struct mime_frame *frame =
        scan->frames.count > 0 ? &scan->frames.frames[scan->frames.count - 1] : NULL;

    if (frame == NULL || frame->boundary != NULL || !frame->part_has_subject)
        return 0;
    return mime_list_rename(&scan->list, frame->part, header);
}

static int check(struct scan *scan, const char *at, const struct mime_header *header)
{
    const uint64_t max = scan->limits->max_header_bytes;

    if ((uint64_t)(header->content - at) > max)
        return max % (1 << 20) == 0
                   ? reason_set(scan->why, -E2BIG, "a header of more than %llu MiB",
                                (unsigned long long)max >> 20)
                   : reason_set(scan->why, -E2BIG, "a header of more than %llu bytes",
                                (unsigned long long)max);
    /* The message itself is not one of its parts. */
    if (scan->seen++ > scan->limits->max_parts)
        return reason_set(scan->why, -E2BIG, "more than %u parts", scan->limits->max_parts);
    return 0;
}

/* One header and what it announces, up to where the next one begins, or to the end. */
static int take_entity(struct scan *scan, const char *at, struct mime_entity *entity,
                       const char **ret_next)
{
    const struct mime_frame *around = innermost(scan);
    struct mime_header header;
    struct mime_mark mark;
    int err;

    mime_header_read(at, scan->end, scan->limits->max_header_bytes, &scan->frames, &header);
    scan->list.parts->is_ambiguous |= header.is_odd;
    err = check(scan, at, &header);
    if (err == 0)
        err = mime_entity_read(&header, entity, scan->why);
    if (err == 0)
        err = take_subject(scan, &header);
    if (err < 0)
        return err;
    if (!entity->has_type && around != NULL && around->is_digest)
        memcpy(entity->type, "message/rfc822", sizeof("message/rfc822"));
    if (is_message_type(entity->type) && !is_encoded_message(scan, entity, &header)) {
        *ret_next = header.content;
        return enter_message(scan, entity, header.content);
    }
    if (strncmp(entity->type, "multipart/", 10) == 0) {
        err = enter_multipart(scan, entity, header.content, &mark);
        if (err < 0)
            return err;
        if (err > 0) {
            *ret_next = mark.next;
            return 0;
        }
        scan->list.parts->is_ambiguous = true;
    } else {
        err = mime_frames_find(&scan->frames, header.content, scan->end, scan->cancelled, &mark);
    }
    if (err == 0)
        err = add_leaf(scan, entity, header.content, &mark);
    return err < 0 ? err : go_on(scan, &mark, ret_next);
}

int mime_scan(const char *body, size_t bytes, const struct mime_limits *limits,
              uint64_t chunk_bytes, const atomic_bool *cancelled, struct mime_parts **ret_parts,
              struct reason *reterr_why)
{
    struct scan scan = { .body = body,
                         .end = bytes > 0 ? body + bytes : body,
                         .limits = limits,
                         .cancelled = cancelled,
                         .why = reterr_why };
    const struct mime_mark end = { .frame = MIME_NONE, .line = scan.end, .next = scan.end };
    const char *at = body;
    int err = mime_list_init(&scan.list, chunk_bytes);

    while (err == 0 && at < scan.end) {
        struct mime_entity entity = { 0 };

        err = take_entity(&scan, at, &entity, &at);
        mime_entity_done(&entity);
    }
    if (err == 0)
        err = leave(&scan, 0, &end);
    mime_frames_done(&scan.frames);
    if (err == 0)
        *ret_parts = TAKE_PTR(scan.list.parts);
    else if (err == -ENOMEM)
        (void)reason_set(reterr_why, err, "out of memory");
    mime_list_done(&scan.list);
    return err;
}
