#include "worker/mime/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AT_CANCELLED = 4096 }; /* lines */

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
    if (boundary != NULL)
        (*ret_frame)->boundary_bytes = strlen(boundary);
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

/* The whole line counts, but for blanks at its end: of two boundaries one may begin like the other.
 */
bool mime_frames_match(const struct mime_frames *frames, const char *line, const char *next,
                       struct mime_mark *ret_mark)
{
    size_t bytes = (size_t)(next - line);

    if (bytes < 3 || line[0] != '-' || line[1] != '-')
        return false;
    bytes -= line[bytes - 1] == '\n';
    while (bytes > 2 && is_blank(line[bytes - 1]))
        bytes--;
    line += 2;
    bytes -= 2;
    for (size_t i = frames->count; i-- > 0;) {
        const struct mime_frame *frame = &frames->frames[i];
        const size_t own = frame->boundary_bytes;

        if (frame->boundary == NULL || (bytes != own && bytes != own + 2) ||
            memcmp(line, frame->boundary, own) != 0)
            continue;
        if (bytes == own + 2 && (!frame->has_begun || memcmp(line + own, "--", 2) != 0))
            continue;
        *ret_mark = (struct mime_mark){
            .frame = i, .is_close = bytes != own, .line = line - 2, .next = next
        };
        return true;
    }
    return false;
}

const char *mime_next_line(const char *line, const char *end)
{
    const char *feed = memchr(line, '\n', (size_t)(end - line));

    return feed != NULL ? feed + 1 : end;
}

int mime_frames_find(const struct mime_frames *frames, const char *from, const char *end,
                     const atomic_bool *cancelled, struct mime_mark *ret_mark)
{
    unsigned lines = 0;

    *ret_mark = (struct mime_mark){ .frame = MIME_NONE, .line = end, .next = end };
    if (frames->count == 0)
        return 0;
    for (const char *line = from, *next; line < end; line = next) {
        next = mime_next_line(line, end);
        if (*line == '-' && mime_frames_match(frames, line, next, ret_mark))
            return 0;
        if (++lines % LOOK_AT_CANCELLED == 0 && cancelled != NULL &&
            atomic_load_explicit(cancelled, memory_order_relaxed))
            return -ECANCELED;
    }
    return 0;
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
