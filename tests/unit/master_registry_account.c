/* Accounts in the registry: stored, changed, deleted, audited; never exported. */
#include "registry_helper.h"

#include "master/registry_private.h"

TestSuite(registry_account, .init = start_registry, .fini = stop_registry, .timeout = 60);

static struct told add_how(const char *name, enum account_role role, enum registry_account_how how)
{
    struct told told = { 0 };

    registry_account_add(registry, name, role, "$y$hash", how, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static uint32_t have_account(const char *name, enum account_role role)
{
    struct told told = add_how(name, role, REGISTRY_ACCOUNT_FREELY);

    EXPECT(told, REGISTRY_OK);
    return told.id;
}

static struct told put_account(uint32_t id, const char *name, enum account_role role,
                               uint64_t if_match, enum registry_account_how how)
{
    struct told told = { 0 };

    registry_account_put(registry, id, name, role, if_match, how, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static struct told delete_account(uint32_t id, uint64_t if_match, enum registry_account_how how)
{
    struct told told = { 0 };

    registry_account_delete(registry, id, if_match, how, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static struct told set_password(uint32_t id, const char *hash, const char *expected)
{
    struct told told = { 0 };

    registry_account_password(registry, id, hash, expected, &actor, on_told, &told);
    wait_for(&told);
    return told;
}

static void expect_audit(unsigned index, const char *what, const char *object, const char *detail)
{
    json_t *entries = registry_audit(registry, 0, index + 1);
    const json_t *entry = json_array_get(entries, index);
    const char *told = json_string_value(json_object_get(entry, "detail"));

    cr_assert_str_eq(json_string_value(json_object_get(entry, "what")), what);
    cr_assert_str_eq(json_string_value(json_object_get(entry, "object")), object);
    cr_assert_str_eq(told != NULL ? told : "", detail);
    json_decref(entries);
}

Test(registry_account, OP04_what_is_stored_is_there_after_a_restart)
{
    uint32_t bob = have_account("bob", ACCOUNT_VIEWER),
             alice = have_account("Alice", ACCOUNT_ADMIN);
    const struct account *account;
    int64_t created_ms;
    uint64_t version;

    created_ms = registry_account(registry, alice)->created_ms;
    version = registry_account(registry, alice)->version;
    reopen_registry();
    cr_assert_eq(registry_account_count(registry), 2);
    account = registry_account_at(registry, 0);
    cr_assert_str_eq(account->name, "Alice", "in order of names");
    cr_assert_eq(account->id, alice);
    cr_assert_eq(account->role, ACCOUNT_ADMIN);
    cr_assert_eq(account->version, version);
    cr_assert_eq(account->created_ms, created_ms);
    cr_assert_eq(account->last_login_ms, 0);
    cr_assert_str_eq(account->hash, "$y$hash");
    cr_assert_eq(registry_account_named(registry, " ALICE "), account);
    cr_assert_eq(registry_account_at(registry, 1)->id, bob);
    cr_assert_null(registry_account_named(registry, "carol"));
    cr_assert_null(registry_account(registry, 77));
    cr_assert_eq(registry_account_admins(registry), 1);
}

Test(registry_account, OP04_ids_and_versions_are_never_given_again)
{
    uint32_t first = have_account("a", ACCOUNT_ADMIN), second;
    uint64_t version = registry_account(registry, first)->version;

    EXPECT(delete_account(first, 0, REGISTRY_ACCOUNT_FREELY), REGISTRY_OK);
    reopen_registry();
    cr_assert_eq(registry_account_count(registry), 0);
    second = have_account("a", ACCOUNT_ADMIN);
    cr_assert_gt(second, first);
    cr_assert_gt(registry_account(registry, second)->version, version);
}

Test(registry_account, OP04_a_name_is_taken_whatever_its_case)
{
    uint32_t alice = have_account("Alice", ACCOUNT_ADMIN), bob = have_account("bob", ACCOUNT_ADMIN);

    EXPECT(add_how("ALICE", ACCOUNT_VIEWER, REGISTRY_ACCOUNT_FREELY), REGISTRY_INVALID);
    EXPECT(put_account(bob, "alicE", ACCOUNT_ADMIN, 0, REGISTRY_ACCOUNT_FREELY), REGISTRY_INVALID);
    EXPECT(put_account(alice, "ALICE", ACCOUNT_ADMIN, 0, REGISTRY_ACCOUNT_FREELY), REGISTRY_OK);
    cr_assert_str_eq(registry_account(registry, alice)->name, "ALICE");
    expect_audit(0, "account changed", "Alice", "changed: name");
}

Test(registry_account, SP54_the_second_of_two_edits_is_refused)
{
    uint32_t id = have_account("alice", ACCOUNT_ADMIN);
    uint64_t version = registry_account(registry, id)->version;
    struct told told = put_account(id, "anna", ACCOUNT_VIEWER, version, REGISTRY_ACCOUNT_FREELY);

    EXPECT(told, REGISTRY_OK);
    cr_assert_gt(told.version, version);
    cr_assert_eq(registry_account(registry, id)->version, told.version);
    EXPECT(put_account(id, "berta", ACCOUNT_VIEWER, version, REGISTRY_ACCOUNT_FREELY),
           REGISTRY_STALE);
    EXPECT(delete_account(id, version, REGISTRY_ACCOUNT_FREELY), REGISTRY_STALE);
    EXPECT(put_account(77, "berta", ACCOUNT_VIEWER, 0, REGISTRY_ACCOUNT_FREELY),
           REGISTRY_NOT_FOUND);
    EXPECT(delete_account(77, 0, REGISTRY_ACCOUNT_FREELY), REGISTRY_NOT_FOUND);
    cr_assert_str_eq(registry_account(registry, id)->hash, "$y$hash", "the password stays");
    reopen_registry();
    cr_assert_str_eq(registry_account(registry, id)->name, "anna");
    cr_assert_eq(registry_account(registry, id)->role, ACCOUNT_VIEWER);
}

Test(registry_account, OP04_the_last_admin_stays_where_that_is_wished)
{
    uint32_t alice = have_account("alice", ACCOUNT_ADMIN),
             bob = have_account("bob", ACCOUNT_VIEWER);
    const enum registry_account_how keep = REGISTRY_ACCOUNT_KEEP_ADMIN;

    EXPECT(put_account(alice, "alice", ACCOUNT_VIEWER, 0, keep), REGISTRY_LAST_ADMIN);
    EXPECT(delete_account(alice, 0, keep), REGISTRY_LAST_ADMIN);
    EXPECT(put_account(alice, "anna", ACCOUNT_ADMIN, 0, keep), REGISTRY_OK);
    EXPECT(put_account(bob, "bob", ACCOUNT_ADMIN, 0, keep), REGISTRY_OK);
    EXPECT(put_account(alice, "anna", ACCOUNT_VIEWER, 0, keep), REGISTRY_OK);
    EXPECT(delete_account(alice, 0, keep), REGISTRY_OK);
    EXPECT(delete_account(bob, 0, keep), REGISTRY_LAST_ADMIN);
    EXPECT(delete_account(bob, 0, REGISTRY_ACCOUNT_FREELY), REGISTRY_OK);
    cr_assert_eq(registry_account_count(registry), 0);
}

Test(registry_account, OP04_the_first_is_the_first_only_once)
{
    EXPECT(add_how("alice", ACCOUNT_ADMIN, REGISTRY_ACCOUNT_FIRST), REGISTRY_OK);
    EXPECT(add_how("mallory", ACCOUNT_ADMIN, REGISTRY_ACCOUNT_FIRST), REGISTRY_STALE);
    cr_assert_eq(registry_account_count(registry), 1);
}

/* Both ask before either is stored: the second is judged by what the first has made. */
Test(registry_account, OP04_of_two_first_ones_at_the_same_time_one_is_made)
{
    struct told a = { 0 }, b = { 0 };

    registry_account_add(registry, "alice", ACCOUNT_ADMIN, "h", REGISTRY_ACCOUNT_FIRST, &actor,
                         on_told, &a);
    registry_account_add(registry, "bob", ACCOUNT_ADMIN, "h", REGISTRY_ACCOUNT_FIRST, &actor,
                         on_told, &b);
    wait_for(&a);
    TURN_UNTIL(b.is_there);
    EXPECT(a, REGISTRY_OK);
    EXPECT(b, REGISTRY_STALE);
}

Test(registry_account, OP04_a_password_is_replaced_if_it_is_the_expected_one)
{
    uint32_t id = have_account("alice", ACCOUNT_ADMIN);

    EXPECT(set_password(id, "$y$new", "$y$other"), REGISTRY_STALE);
    EXPECT(set_password(id, "$y$new", "$y$hash"), REGISTRY_OK);
    expect_audit(0, "password changed", "alice", "");
    EXPECT(set_password(id, "$y$newer", NULL), REGISTRY_OK);
    EXPECT(set_password(77, "$y$newer", NULL), REGISTRY_NOT_FOUND);
    reopen_registry();
    cr_assert_str_eq(registry_account(registry, id)->hash, "$y$newer");
    cr_assert_str_eq(registry_account(registry, id)->name, "alice");
    cr_assert_eq(registry_account(registry, id)->role, ACCOUNT_ADMIN);
}

Test(registry_account, OP04_a_log_in_is_noted_and_makes_no_edit_stale)
{
    uint32_t id = have_account("alice", ACCOUNT_ADMIN);
    uint64_t version = registry_account(registry, id)->version;
    uint64_t generation = registry->generation;

    registry_account_login(registry, id, "from 10.0.0.1", &actor);
    TURN_UNTIL(registry_account(registry, id)->last_login_ms != 0);
    cr_assert_eq(registry_account(registry, id)->version, version);
    cr_assert_eq(registry->generation, generation, "no import is stale");
    expect_audit(0, "logged in", "alice", "from 10.0.0.1");
    EXPECT(set_password(id, "$y$new", NULL), REGISTRY_OK);
    reopen_registry();
    cr_assert_neq(registry_account(registry, id)->last_login_ms, 0);
}

Test(registry_account, OP04_whose_account_is_gone_meanwhile_leaves_an_entry_only)
{
    uint32_t id = have_account("alice", ACCOUNT_ADMIN);
    struct told told = { 0 };

    registry_account_delete(registry, id, 0, REGISTRY_ACCOUNT_FREELY, &actor, on_told, &told);
    registry_account_login(registry, id, "from 10.0.0.1", &actor);
    wait_for(&told);
    TURN_UNTIL(registry->running == NULL && registry->waiting_count == 0);
    reopen_registry();
    cr_assert_eq(registry_account_count(registry), 0);
    expect_audit(0, "logged in", "alice", "from 10.0.0.1");
}

Test(registry_account, OP07_no_account_and_no_hash_leaves_by_an_export)
{
    json_t *everything;

    (void)have_account("alice", ACCOUNT_ADMIN);
    everything = registry_export(registry);
    cr_assert_not(json_has_text(everything, "$y$"));
    cr_assert_not(json_has_text(everything, "alice"));
    json_decref(everything);
}

/* A change of what is stored, past the registry. */
static void write_raw(enum store_table table, uint64_t number, const char *value)
{
    struct store_change change = { .table = table, .value = (char *)value };
    struct reason why = { "" };

    store_number_key(number, change.key);
    cr_assert_eq(store_commit(registry->store, &change, 1, &why), 0, "%s", why.text);
}

static void expect_refused(const char *word)
{
    struct reason why = { "" };

    close_registry();
    cr_assert_lt(try_open(&why), 0);
    cr_assert_not_null(strstr(why.text, "accounts"), "%s", why.text);
    cr_assert_not_null(strstr(why.text, word), "%s", why.text);
}

#define RECORD(id, name)                                                             \
    "{\"v\":1,\"id\":" id ",\"version\":2,\"name\":\"" name "\",\"role\":\"admin\"," \
    "\"hash\":\"x\",\"created\":1,\"changed\":1,\"last_login\":0}"

Test(registry_account, OP09_a_record_that_is_not_understood_refuses_the_start)
{
    write_raw(STORE_ACCOUNTS, 3, "{\"v\":1,\"id\":3}");
    expect_refused("not complete");
}

Test(registry_account, OP09_a_record_in_another_s_place_refuses_the_start)
{
    write_raw(STORE_ACCOUNTS, 3, RECORD("4", "alice"));
    expect_refused("place");
}

Test(registry_account, OP09_two_of_one_name_refuse_the_start)
{
    write_raw(STORE_ACCOUNTS, 3, RECORD("3", "alice"));
    write_raw(STORE_ACCOUNTS, 4, RECORD("4", "Alice"));
    expect_refused("place");
}

Test(registry_account, OP04_there_are_at_most_so_many)
{
    static struct store_change changes[REGISTRY_MAX_ACCOUNTS];
    struct reason why = { "" };

    for (unsigned i = 0; i < REGISTRY_MAX_ACCOUNTS; i++) {
        changes[i].table = STORE_ACCOUNTS;
        store_number_key(i + 1, changes[i].key);
        cr_assert_gt(asprintf(&changes[i].value,
                              "{\"v\":1,\"id\":%u,\"version\":2,\"name\":\"n%u\",\"role\":"
                              "\"viewer\",\"hash\":\"x\",\"created\":1,\"changed\":1,"
                              "\"last_login\":0}",
                              i + 1, i + 1),
                     0);
    }
    cr_assert_eq(store_commit(registry->store, changes, REGISTRY_MAX_ACCOUNTS, &why), 0);
    for (unsigned i = 0; i < REGISTRY_MAX_ACCOUNTS; i++)
        free(changes[i].value);
    reopen_registry();
    EXPECT(add_how("more", ACCOUNT_ADMIN, REGISTRY_ACCOUNT_FREELY), REGISTRY_INVALID);
    EXPECT(put_account(5, "other", ACCOUNT_VIEWER, 0, REGISTRY_ACCOUNT_FREELY), REGISTRY_OK);
}
