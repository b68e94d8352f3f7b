/* tests/mime/gmime_parts.c: what GMime's own parser finds, as another opinion on where parts lie.
 *
 *   gmime_parts FILE...
 *
 * Prints a line of JSON for each file: a list of {type, offset, bytes} of its leaves, in order, or
 * null where it finds no message. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <gmime/gmime.h>
#include <jansson.h>

static void add_leaf(GMimeObject *object, json_t *leaves)
{
    GMimeDataWrapper *content;
    GMimeStream *stream;
    char *type;

    if (!GMIME_IS_PART(object))
        return;
    content = g_mime_part_get_content((GMimePart *)object);
    if (content == NULL) /* it ended within its header */
        return;
    stream = g_mime_data_wrapper_get_stream(content);
    type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
    json_array_append_new(leaves, json_pack("{s:s, s:I, s:I}", "type", type, "offset",
                                            (json_int_t)stream->bound_start, "bytes",
                                            (json_int_t)(stream->bound_end - stream->bound_start)));
    g_free(type);
}

/* GMime's own walk does not go into attached messages. */
static void walk(GMimeObject *object, json_t *leaves)
{
    if (GMIME_IS_MULTIPART(object)) {
        for (int i = 0; i < g_mime_multipart_get_count((GMimeMultipart *)object); i++)
            walk(g_mime_multipart_get_part((GMimeMultipart *)object, i), leaves);
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *inner = g_mime_message_part_get_message((GMimeMessagePart *)object);

        if (inner != NULL && g_mime_message_get_mime_part(inner) != NULL)
            walk(g_mime_message_get_mime_part(inner), leaves);
    } else {
        add_leaf(object, leaves);
    }
}

static json_t *leaves_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    GMimeStream *stream = g_mime_stream_fs_new(fd);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    json_t *leaves = message != NULL ? json_array() : json_null();

    if (message != NULL) {
        walk(g_mime_message_get_mime_part(message), leaves);
        g_object_unref(message);
    }
    g_object_unref(parser);
    g_object_unref(stream);
    return leaves;
}

int main(int argc, char **argv)
{
    g_mime_init();
    for (int i = 1; i < argc; i++) {
        json_t *leaves = leaves_of(argv[i]);

        json_dumpf(leaves, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
        json_decref(leaves);
    }
    g_mime_shutdown();
    return 0;
}
