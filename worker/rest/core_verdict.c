/* What a Core's answers mean.
 *
 * A result is ready when process_info.progress_percentage is 100 and process_info.result is not
 * "Processing"; scan_results reach 100 earlier, while a file is still being disarmed. Where
 * process_info is missing altogether the scan is young. Only "Allowed" is allowed: whatever else it
 * says, blocks. */
#include <stdio.h>
#include <string.h>

#include "worker/rest/core_scan.h"

static bool is_not_found(const json_t *answer, const char *id)
{
    const char *said = json_string_value(json_object_get(answer, id));

    return said != NULL && strcmp(said, "Not Found") == 0;
}

static void copy_clean(char out[CORE_WHY_SIZE], const char *text)
{
    size_t bytes = 0;

    for (; *text != '\0' && bytes < CORE_WHY_SIZE - 1; text++)
        out[bytes++] = (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text;
    out[bytes] = '\0';
}

/* The first of what there is: why it was blocked, what was found, the word itself. */
static void note_why(const json_t *answer, const json_t *process, struct core_file *file)
{
    const json_t *scan = json_object_get(answer, "scan_results");
    const char *reason = json_string_value(json_object_get(process, "blocked_reason"));
    const char *found = json_string_value(json_object_get(scan, "scan_all_result_a"));
    const char *word = json_string_value(json_object_get(process, "result"));

    if (reason == NULL || reason[0] == '\0')
        reason = found;
    if (reason == NULL || reason[0] == '\0')
        reason = word;
    copy_clean(file->why, reason != NULL && reason[0] != '\0' ? reason : "no reason was given");
}

enum core_progress core_read_result(const struct rest_answer *answer, struct core_file *file)
{
    const json_t *process = json_object_get(answer->body, "process_info");
    const json_t *progress = json_object_get(process, "progress_percentage");
    const char *result = json_string_value(json_object_get(process, "result"));

    if (answer->status == 404 || is_not_found(answer->body, file->id))
        return CORE_FORGOTTEN;
    if (answer->word != REST_OK || !json_is_number(progress) || json_number_value(progress) < 100)
        return CORE_WORKING;
    if (result != NULL && strcmp(result, "Processing") == 0)
        return CORE_WORKING;
    if (result != NULL && strcmp(result, "Allowed") == 0) {
        file->verdict = CORE_ALLOWED;
    } else {
        file->verdict = CORE_BLOCKED;
        note_why(answer->body, process, file);
    }
    return CORE_READY;
}

bool core_read_refusal(const struct rest_answer *answer, struct core_file *file)
{
    const char *said = json_string_value(json_object_get(answer->body, "err"));

    if (answer->status != 413 && (answer->status != 500 || said == NULL ||
                                  strstr(said, "exceeded the maximum size") == NULL))
        return false;
    file->verdict = CORE_BLOCKED;
    copy_clean(file->why, "it is larger than the scanner takes");
    return true;
}
