#include "worker/mime/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AT_CANCELLED 4096 /* lines */
#define HASH_BEGIN        2166136261U

/* FNV-1a; `hash` goes on from what came before. */
static uint32_t hash_more(uint32_t hash, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619U;
    return hash;
}

int mime_frames_push(struct mime_frames *frames, char *boundary, struct mime_frame **ret_frame)
{
    if (frames->count == frames->room) {
        const size_t room = frames->room == 0 ? 8 : frames->room * 2;
        struct mime_frame *grown = realloc(frames->frames, room * sizeof(*grown));

        if (grown == NULL) {
            free(boundary);
            return -ENOMEM;
        }
        frames->frames = grown;
        frames->room = room;
    }
    *ret_frame = &frames->frames[frames->count++];
    **ret_frame = (struct mime_frame){ .boundary = boundary, .part = MIME_NONE };
    if (boundary != NULL) {
        const size_t bytes = strlen(boundary);

        (*ret_frame)->boundary_bytes = bytes;
        (*ret_frame)->boundary_hash = hash_more(HASH_BEGIN, boundary, bytes);
        if (bytes > frames->longest)
            frames->longest = bytes;
    }
    return 0;
}

void mime_frames_pop(struct mime_frames *frames)
{
    free(frames->frames[--frames->count].boundary);
}

void mime_frames_done(struct mime_frames *frames)
{
    while (frames->count > 0)
        mime_frames_pop(frames);
    free(frames->frames);
    *frames = (struct mime_frames){ 0 };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The frame whose boundary this is, MIME_NONE if it is nobody's. A hostile message has many frames
 * and many lines that look like boundaries: hashes are compared first. */
static size_t owner_of(const struct mime_frames *frames, const char *text, size_t bytes,
                       uint32_t hash, bool is_close)
{
    for (size_t i = frames->count; i-- > 0;) {
        const struct mime_frame *frame = &frames->frames[i];

        if (frame->boundary_hash == hash && frame->boundary_bytes == bytes &&
            frame->boundary != NULL && memcmp(text, frame->boundary, bytes) == 0 &&
            (frame->has_begun || !is_close))
            return i;
    }
    return MIME_NONE;
}

/* The whole line counts, but for blanks at its end: of two boundaries one may begin like the other.
 * A line may be one frame's "--boundary--" and another's "--boundary": the inner one has it. */
bool mime_frames_match(const struct mime_frames *frames, const char *line, const char *next,
                       struct mime_mark *ret_mark)
{
    const char *text = line + 2;
    size_t bytes = (size_t)(next - line), open, closed = MIME_NONE;
    uint32_t hash;

    if (bytes < 3 || line[0] != '-' || line[1] != '-')
        return false;
    bytes -= line[bytes - 1] == '\n';
    while (bytes > 2 && is_blank(line[bytes - 1]))
        bytes--;
    bytes -= 2;
    if (bytes > frames->longest + 2)
        return false;
    if (bytes > 2 && memcmp(text + bytes - 2, "--", 2) == 0) {
        hash = hash_more(HASH_BEGIN, text, bytes - 2);
        closed = owner_of(frames, text, bytes - 2, hash, true);
        hash = hash_more(hash, "--", 2);
    } else {
        hash = hash_more(HASH_BEGIN, text, bytes);
    }
    open = owner_of(frames, text, bytes, hash, false);
    if (open == MIME_NONE && closed == MIME_NONE)
        return false;
    ret_mark->is_close = open == MIME_NONE || (closed != MIME_NONE && closed > open);
    ret_mark->frame = ret_mark->is_close ? closed : open;
    ret_mark->line = line;
    ret_mark->next = next;
    return true;
}

const char *mime_next_line(const char *line, const char *end)
{
    const char *feed = memchr(line, '\n', (size_t)(end - line));

    return feed != NULL ? feed + 1 : end;
}

/* Not a line that sets off a signature. */
static bool begins_a_part(const char *line, const char *next)
{
    static const char uu[] = "begin ";
    const size_t bytes = (size_t)(next - line);

    if (bytes > 2 && line[0] == '-' && line[1] == '-')
        return !is_blank(line[2]) && line[2] != '\n';
    return bytes >= sizeof(uu) && memcmp(line, uu, sizeof(uu) - 1) == 0;
}

/* `is_part_like` may be NULL. */
static int find(const struct mime_frames *frames, const char *from, const char *end,
                const atomic_bool *cancelled, struct mime_mark *ret_mark, bool *is_part_like)
{
    unsigned lines = 0;

    for (const char *line = from, *next; line < end; line = next) {
        next = mime_next_line(line, end);
        if (*line == '-' && mime_frames_match(frames, line, next, ret_mark))
            return 0;
        if (is_part_like != NULL)
            *is_part_like |= begins_a_part(line, next);
        if (++lines % LOOK_AT_CANCELLED == 0 && cancelled != NULL &&
            atomic_load_explicit(cancelled, memory_order_relaxed))
            return -ECANCELED;
    }
    return 0;
}

static struct mime_mark end_of_body(const char *end)
{
    return (struct mime_mark){ .frame = MIME_NONE, .line = end, .next = end };
}

int mime_frames_find(const struct mime_frames *frames, const char *from, const char *end,
                     const atomic_bool *cancelled, struct mime_mark *ret_mark)
{
    *ret_mark = end_of_body(end);
    return frames->count == 0 ? 0 : find(frames, from, end, cancelled, ret_mark, NULL);
}

int mime_frames_pass(const struct mime_frames *frames, const char *from, const char *end,
                     const atomic_bool *cancelled, struct mime_mark *ret_mark, bool *is_part_like)
{
    *ret_mark = end_of_body(end);
    return find(frames, from, end, cancelled, ret_mark, is_part_like);
}

const char *mime_mark_ends(const struct mime_mark *mark, const char *content)
{
    const char *end = mark->line;

    if (mark->frame == MIME_NONE)
        return end;
    if (end > content && end[-1] == '\n')
        end--;
    else
        return end;
    return end > content && end[-1] == '\r' ? end - 1 : end;
}
