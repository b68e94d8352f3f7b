#include "common/names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <idn2.h>
#include <utf8proc.h>

#include "common/auto.h"

#define LABEL_MAX 63U
#define HOST_MAX  253U /* RFC 1035: 255 on the wire */

#define COMPOSE_MAX 2048U /* characters, once they are decomposed */

static char *map_text(const char *text, utf8proc_option_t options)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)text, 0, &mapped,
                     (utf8proc_option_t)(UTF8PROC_NULLTERM | UTF8PROC_STABLE | options));

    return length < 0 ? NULL : (char *)mapped;
}

/* The next character and its length in bytes; 0 at the end, negative when it is not UTF-8. */
static utf8proc_ssize_t take_char(const char *text, utf8proc_int32_t *ret_char)
{
    size_t left = strnlen(text, 4);

    if (left == 0)
        return 0;
    return utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, ret_char);
}

static bool is_control(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* Trims in place; returns how many characters are left. */
static size_t trim_blanks(char *text)
{
    size_t start = 0, end = 0, count = 0, kept = 0, at = 0;
    utf8proc_int32_t c;
    utf8proc_ssize_t n;

    while ((n = take_char(text + at, &c)) > 0) {
        bool is_blank = utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;

        if (is_blank && count == 0) {
            start = at + (size_t)n;
        } else {
            count++;
            if (!is_blank) {
                end = at + (size_t)n;
                kept = count;
            }
        }
        at += (size_t)n;
    }
    if (kept > 0)
        memmove(text, text + start, end - start);
    text[kept > 0 ? end - start : 0] = '\0';
    return kept;
}

bool names_is_clean_text(const char *text)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n;

    while ((n = take_char(text, &c)) > 0) {
        if (is_control(c))
            return false;
        text += n;
    }
    return n == 0;
}

/* Unicode's embeddings, overrides and isolates: what follows is shown in another order than it is
 * written in, also beyond the name that they stand in. */
static bool turns_direction(utf8proc_int32_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* `text` is valid UTF-8. */
static bool has_turned_text(const char *text)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n;

    for (; (n = take_char(text, &c)) > 0; text += n)
        if (turns_direction(c))
            return true;
    return false;
}

char *names_clean(const char *text, struct reason *reterr_why)
{
    char *clean;
    size_t count;

    if (!names_is_clean_text(text)) {
        reason_set(reterr_why, -EINVAL, "has a control character or is not UTF-8");
        return NULL;
    }
    if (has_turned_text(text)) {
        reason_set(reterr_why, -EINVAL, "has a character that turns the direction of writing");
        return NULL;
    }
    clean = map_text(text, UTF8PROC_COMPOSE);
    if (clean == NULL) {
        reason_set(reterr_why, -ENOMEM, "out of memory");
        return NULL;
    }
    count = trim_blanks(clean);
    if (count >= 1 && count <= NAMES_MAX_CHARS)
        return clean;
    if (count == 0)
        reason_set(reterr_why, -EINVAL, "is empty");
    else
        reason_set(reterr_why, -EINVAL, "has %zu characters", count);
    free(clean);
    return NULL;
}

char *names_key(const char *text)
{
    char *key = map_text(text, UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);

    if (key != NULL)
        trim_blanks(key);
    return key;
}

int names_compose(const char *text, bool is_folded, char *out, size_t size)
{
    utf8proc_int32_t chars[COMPOSE_MAX + 1]; /* decomposed, then UTF-8 with its NUL, in place */
    const utf8proc_option_t options = (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE |
                                                          (is_folded ? UTF8PROC_CASEFOLD : 0));
    utf8proc_ssize_t length =
        utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strlen(text), chars,
                           COMPOSE_MAX, options);
    int count = 0;

    if (length >= 0 && length <= (utf8proc_ssize_t)COMPOSE_MAX)
        length = utf8proc_reencode(chars, length, options);
    else if (length > 0)
        length = (utf8proc_ssize_t)size;
    if (length >= 0 && (size_t)length < size)
        memcpy(out, chars, (size_t)length + 1);
    explicit_bzero(chars, sizeof(chars));
    if (length < 0)
        return -EINVAL;
    if ((size_t)length >= size)
        return -E2BIG;
    for (const char *p = out; *p != '\0'; p++)
        count += ((unsigned char)*p & 0xc0) != 0x80;
    return count;
}

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* All digits, or hexadecimal with 0x: inet_aton() and some resolvers take such a name for an
 * address, so it is none (RFC 1123 2.1, WHATWG "ends in a number"). */
static bool is_numeric_label(const char *label, size_t length)
{
    if (length > 2 && memcmp(label, "0x", 2) == 0)
        return strspn(label + 2, "0123456789abcdef") >= length - 2;
    return strspn(label, "0123456789") >= length;
}

static int check_labels(const char *host, struct reason *reterr_why)
{
    const char *label = host;
    size_t length;

    for (;; label += length + 1) {
        length = strcspn(label, ".");
        if (length == 0)
            return reason_set(reterr_why, -EINVAL, "the host name has an empty label");
        if (length > LABEL_MAX)
            return reason_set(reterr_why, -EINVAL,
                              "a label of the host name has more than 63 characters");
        for (size_t i = 0; i < length; i++) {
            if (!is_host_char(label[i]))
                return reason_set(reterr_why, -EINVAL,
                                  "a host name has letters, digits, hyphens and dots only");
        }
        if (label[0] == '-' || label[length - 1] == '-')
            return reason_set(reterr_why, -EINVAL,
                              "a label of the host name begins or ends with a hyphen");
        if (label[length] == '\0')
            break;
    }
    if (is_numeric_label(label, length))
        return reason_set(reterr_why, -EINVAL,
                          "it ends in a number but is no IPv4 address such as 10.0.0.10");
    return 0;
}

/* TR46 mapping (case, width, dots of other scripts) goes before IDNA 2008, as in browsers. */
static int to_a_labels(const char *text, char *ret_host, struct reason *reterr_why)
{
    uint8_t *mapped = NULL;
    int rc = idn2_lookup_u8((const uint8_t *)text, &mapped, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

    if (rc != IDN2_OK)
        return reason_set(reterr_why, rc == IDN2_MALLOC ? -ENOMEM : -EINVAL,
                          "not a host name of IDNA 2008: %s", idn2_strerror(rc));
    if (strlen((char *)mapped) > HOST_MAX + 1) {
        idn2_free(mapped);
        return reason_set(reterr_why, -EINVAL, "the host name has more than 253 characters");
    }
    memcpy(ret_host, mapped, strlen((char *)mapped) + 1);
    idn2_free(mapped);
    return 0;
}

int names_host(const char *text, char ret_host[NAMES_HOST_SIZE], struct reason *reterr_why)
{
    size_t length = strlen(text);
    bool is_ascii = true;

    if (length == 0)
        return reason_set(reterr_why, -EINVAL, "the host is missing");
    if (length >= NAMES_SHOWN_SIZE)
        return reason_set(reterr_why, -EINVAL, "the host name has more than 253 characters");
    for (size_t i = 0; i < length && is_ascii; i++)
        is_ascii = (unsigned char)text[i] < 0x80;
    /* An ASCII name goes past libidn2 (hence out of its stricter rules on hyphens) unless it claims
     * to be an A-label. */
    if (is_ascii && strcasestr(text, "xn--") == NULL) {
        if (length > HOST_MAX + 1)
            return reason_set(reterr_why, -EINVAL, "the host name has more than 253 characters");
        for (size_t i = 0; i <= length; i++)
            ret_host[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    } else {
        int err = to_a_labels(text, ret_host, reterr_why);

        if (err < 0)
            return err;
        length = strlen(ret_host);
    }
    if (length > 1 && ret_host[length - 1] == '.')
        ret_host[--length] = '\0';
    if (length > HOST_MAX)
        return reason_set(reterr_why, -EINVAL, "the host name has more than 253 characters");
    return check_labels(ret_host, reterr_why);
}

void names_host_shown(const char *host, char ret_shown[NAMES_SHOWN_SIZE])
{
    char *decoded = NULL;

    if (idn2_to_unicode_8z8z(host, &decoded, 0) == IDN2_OK && strlen(decoded) < NAMES_SHOWN_SIZE)
        memcpy(ret_shown, decoded, strlen(decoded) + 1);
    else
        memcpy(ret_shown, host, strnlen(host, NAMES_HOST_SIZE - 1) + 1);
    idn2_free(decoded);
}
