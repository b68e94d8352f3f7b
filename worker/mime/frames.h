/* worker/mime/frames.h: the multiparts and messages that are open around a place in the body, and
 * the boundary lines that end what is in them. */
#ifndef WORKER_MIME_FRAMES_H
#define WORKER_MIME_FRAMES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIME_NONE ((size_t)-1)

struct mime_frame {
    char *boundary; /* of a multipart; NULL: a message */
    size_t boundary_bytes;
    uint32_t boundary_hash;
    bool is_digest, is_related;
    bool has_begun;      /* a multipart's first boundary has been seen; until then none closes it */
    const char *content; /* a message's begin */
    size_t part;         /* a message's place in the list, or MIME_NONE */
    bool part_has_subject; /* that part's name may come from its subject */
};

struct mime_frames {
    struct mime_frame *frames; /* the innermost last */
    size_t count, room;
    size_t longest; /* no boundary of these has had more bytes */
};

/* A boundary line. */
struct mime_mark {
    size_t frame;            /* whose; MIME_NONE: the end of the body, and both below point there */
    bool is_close;           /* "--boundary--" */
    const char *line, *next; /* it, and the line behind it */
};

/* Takes `boundary` (malloc()ed, or NULL for a message) in any case. -ENOMEM. */
int mime_frames_push(struct mime_frames *frames, char *boundary, struct mime_frame **ret_frame);
void mime_frames_pop(struct mime_frames *frames);
void mime_frames_done(struct mime_frames *frames);

/* Whether the line that begins at `line` is a boundary. */
bool mime_frames_match(const struct mime_frames *frames, const char *line, const char *next,
                       struct mime_mark *ret_mark);

/* The first boundary line at or behind `from`, where a line begins. 0 or -ECANCELED. */
int mime_frames_find(const struct mime_frames *frames, const char *from, const char *end,
                     const atomic_bool *cancelled, struct mime_mark *ret_mark);

/* The same where no content is, before a multipart's first boundary and behind its last. Sets
 * `is_part_like` when a line is passed over that some take for a boundary, or for the begin of an
 * encoded file. */
int mime_frames_pass(const struct mime_frames *frames, const char *from, const char *end,
                     const atomic_bool *cancelled, struct mime_mark *ret_mark, bool *is_part_like);

/* Where content that begins at `content` ends: the line end before the mark is the mark's. */
const char *mime_mark_ends(const struct mime_mark *mark, const char *content);

/* Behind the line that begins at `line`. */
const char *mime_next_line(const char *line, const char *end);

#endif
