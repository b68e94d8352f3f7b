#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/secret.h"

static struct secret_keys make_keys(unsigned count)
{
    struct secret_keys keys = { .count = count };

    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(secret_key_make(&keys.keys[i]), 0);
    return keys;
}

static char *seal(const struct secret_keys *keys, const char *place, const char *clear)
{
    char *sealed = NULL;

    cr_assert_eq(secret_seal(keys, place, clear, &sealed), 0);
    return sealed;
}

static void expect_opens(const struct secret_keys *keys, const char *place, const char *sealed,
                         const char *clear)
{
    struct reason why = { "" };
    char *opened = NULL;

    cr_assert_eq(secret_open(keys, place, sealed, &opened, &why), 0, "%s", why.text);
    cr_assert_str_eq(opened, clear);
    secret_free(&opened);
    cr_assert_null(opened);
}

static void expect_refused(const struct secret_keys *keys, const char *place, const char *sealed,
                           int err)
{
    struct reason why = { "" };
    char *opened = NULL;
    int got = secret_open(keys, place, sealed, &opened, &why);

    cr_assert_eq(got, err, "%s: %d instead of %d", sealed, got, err);
    cr_assert_null(opened);
    cr_assert_neq(why.text[0], '\0');
}

Test(secret, SP61_what_is_sealed_opens_at_its_place_only)
{
    struct secret_keys keys = make_keys(1);
    char *sealed = seal(&keys, "12/password", "hunter2");

    expect_opens(&keys, "12/password", sealed, "hunter2");
    expect_refused(&keys, "13/password", sealed, -EBADMSG);
    expect_refused(&keys, "12/api_key", sealed, -EBADMSG);
    expect_refused(&keys, "", sealed, -EBADMSG);
    free(sealed);
}

Test(secret, SP61_the_clear_text_is_not_in_the_sealed_one)
{
    struct secret_keys keys = make_keys(1);
    char *sealed = seal(&keys, "1/password", "correct horse battery staple");

    cr_assert_null(strstr(sealed, "horse"));
    cr_assert_eq(strncmp(sealed, "v1:", 3), 0);
    free(sealed);
}

Test(secret, SP61_every_sealing_has_a_fresh_nonce)
{
    struct secret_keys keys = make_keys(1);
    char *sealed[64];

    for (unsigned i = 0; i < 64; i++) {
        sealed[i] = seal(&keys, "1/password", "same");
        /* The 12 bytes of the nonce are the first 16 characters behind "v1:<8 digits>:". */
        for (unsigned k = 0; k < i; k++)
            cr_assert_neq(strncmp(sealed[i] + 12, sealed[k] + 12, 16), 0);
    }
    for (unsigned i = 0; i < 64; i++)
        free(sealed[i]);
}

Test(secret, SP61_the_value_names_its_key)
{
    struct secret_keys two = make_keys(2), old = { .count = 1 }, stranger = make_keys(1);
    char *sealed;

    old.keys[0] = two.keys[1];
    sealed = seal(&old, "1/password", "s");
    cr_assert_eq(secret_key_id(sealed), old.keys[0].id);
    expect_opens(&two, "1/password", sealed, "s"); /* whichever place the key has in the file */
    expect_refused(&stranger, "1/password", sealed, -ENOKEY);
    /* The right name over other bytes: somebody edited the file. */
    stranger.keys[0].id = old.keys[0].id;
    expect_refused(&stranger, "1/password", sealed, -EBADMSG);
    free(sealed);
}

Test(secret, SP61_the_first_key_seals)
{
    struct secret_keys two = make_keys(2);
    char *sealed = seal(&two, "1/password", "s");

    cr_assert_eq(secret_key_id(sealed), two.keys[0].id);
    free(sealed);
}

Test(secret, every_length_survives)
{
    struct secret_keys keys = make_keys(1);
    char clear[SECRET_MAX_BYTES + 2] = "";
    char *sealed;

    for (unsigned i = 0; i <= SECRET_MAX_BYTES; i++) {
        memset(clear, 'x', i);
        clear[i] = '\0';
        sealed = seal(&keys, "1/password", clear);
        expect_opens(&keys, "1/password", sealed, clear);
        free(sealed);
    }
    memset(clear, 'x', SECRET_MAX_BYTES + 1);
    clear[SECRET_MAX_BYTES + 1] = '\0';
    cr_assert_eq(secret_seal(&keys, "1/password", clear, &sealed), -E2BIG);
}

Test(secret, SP61_a_changed_character_anywhere_is_noticed)
{
    struct secret_keys keys = make_keys(1);
    char *sealed = seal(&keys, "1/password", "thirteen char");
    size_t length = strlen(sealed);

    for (size_t i = 0; i < length; i++) {
        char *opened = NULL, was = sealed[i];

        sealed[i] = was == 'A' ? 'B' : 'A';
        /* The last digit of base64 may hold bits that are not part of any byte. */
        if (secret_open(&keys, "1/password", sealed, &opened, NULL) == 0) {
            cr_assert_geq(i, length - 3, "position %zu", i);
            cr_assert_str_eq(opened, "thirteen char");
        }
        secret_free(&opened);
        sealed[i] = was;
    }
    free(sealed);
}

Test(secret, what_is_no_sealed_value_is_refused)
{
    static const char *const wrong[] = {
        "",
        "v1",
        "v1:",
        "v1:00000001",
        "v1:00000001:",
        "v2:00000001:AAAA",
        "v1:00000000:AAAA",
        "v1:0x000001:AAAA",
        "v1: 0000001:AAAA",
        "v1:00000001:AAAA",
        "v1:00000001:A",
        "v1:00000001:****",
        "v1:00000001:====",
        "password",
    };
    struct secret_keys keys = make_keys(1);

    keys.keys[0].id = 1;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_refused(&keys, "1/password", wrong[i], -EBADMSG);
}

Test(secret, a_value_longer_than_any_we_made_is_refused)
{
    struct secret_keys keys = make_keys(1);
    char text[4096];

    memset(text, 'A', sizeof(text));
    memcpy(text, "v1:00000001:", 12);
    keys.keys[0].id = 1;
    for (unsigned length = 12 + 720; length < sizeof(text); length += 4) {
        text[length] = '\0';
        expect_refused(&keys, "1/password", text, -EBADMSG);
        text[length] = 'A';
    }
}

Test(secret, without_a_key_nothing_is_sealed)
{
    struct secret_keys none = { 0 };
    char *sealed = NULL;

    cr_assert_eq(secret_seal(&none, "1/password", "s", &sealed), -ENOKEY);
    cr_assert_null(sealed);
}

Test(secret, no_reason_tells_the_secret)
{
    struct secret_keys keys = make_keys(1), other = make_keys(1);
    struct reason why;
    char *sealed = seal(&keys, "1/password", "hunter2"), *opened = NULL;

    cr_assert_lt(secret_open(&other, "1/password", sealed, &opened, &why), 0);
    cr_assert_null(strstr(why.text, "hunter2"));
    cr_assert_null(strstr(why.text, sealed + 12));
    free(sealed);
}

/* These stand in for the C library's (the second where _FORTIFY_SOURCE puts it in place of the
 * first), to see what is wiped. */
static unsigned wiped_with_secret;

static void wipe(void *bytes, size_t count)
{
    volatile unsigned char *p = bytes;

    if (memmem(bytes, count, "hunter2", 7) != NULL)
        wiped_with_secret++;
    while (count-- > 0)
        *p++ = 0;
}

void explicit_bzero(void *bytes, size_t count)
{
    wipe(bytes, count);
}

void __explicit_bzero_chk(void *bytes, size_t count, size_t room);
void __explicit_bzero_chk(void *bytes, size_t count, size_t room)
{
    (void)room;
    wipe(bytes, count);
}

Test(secret, SP60_a_secret_is_wiped_before_it_is_freed)
{
    struct secret_keys keys = make_keys(1);
    char *sealed = seal(&keys, "1/password", "hunter2"), *opened = NULL;

    cr_assert_eq(secret_open(&keys, "1/password", sealed, &opened, NULL), 0);
    cr_assert_eq(wiped_with_secret, 0);
    secret_free(&opened);
    cr_assert_eq(wiped_with_secret, 1);
    /* What does not prove to be genuine was decrypted all the same. */
    cr_assert_eq(secret_open(&keys, "2/password", sealed, &opened, NULL), -EBADMSG);
    cr_assert_eq(wiped_with_secret, 2);
    free(sealed);
}

Test(secret, SP60_a_block_that_is_resized_or_given_back_is_wiped)
{
    char *block = secret_block_resize(NULL, 16);

    strcpy(block, "hunter2");
    wiped_with_secret = 0;
    block = secret_block_resize(block, 100000);
    cr_assert_eq(wiped_with_secret, 1);
    cr_assert_str_eq(block, "hunter2");
    block = secret_block_resize(block, 8);
    cr_assert_eq(wiped_with_secret, 2);
    cr_assert_str_eq(block, "hunter2");
    secret_block_free(block);
    cr_assert_eq(wiped_with_secret, 3);
    secret_block_free(NULL);
}

Test(secret, SP60_json_wipes_what_it_frees)
{
    json_t *json, *kept;
    char *text;

    secret_guard_json();
    json = json_loads("{\"password\": \"hunter2\", \"list\": [1, 2, 3]}", 0, NULL);
    cr_assert_not_null(json);
    kept = json_incref(json_object_get(json, "list"));
    text = json_dumps(json, 0);
    wiped_with_secret = 0;
    json_decref(json);
    cr_assert_eq(wiped_with_secret, 1);
    free(text);
    cr_assert_eq(json_array_size(kept), 3);
    json_decref(kept);
}
