/* What workers say of connections and slots: it comes to the part that decides, what no sane worker
 * says is held against it, and nothing is believed of one that was found faulty (SP46, SP49). */
#include "dispatch_stage.h"

#include "master/slots.h"
#include "master/supervisor_parts.h"

static struct supervisor supervisor;
static const char *fault;

/* ---- the supervisor, as far as it hears of this ---- */

void supervisor_fault(struct worker *worker, const char *what)
{
    (void)worker;
    fault = what;
}

void supervisor_ready(struct worker *worker)
{
    (void)worker;
}

void supervisor_drained(struct worker *worker)
{
    (void)worker;
}

void supervisor_heard(struct worker *worker)
{
    (void)worker;
}

/* ---- life ---- */

static void set_up_inbox(void)
{
    char name[] = "relay";
    struct server_uri server = { .text = "smtp://a:25" };
    const struct profile profile = { .id = 1,
                                     .name = name,
                                     .version = 1,
                                     .type = PROFILE_SMTP,
                                     .servers = &server,
                                     .server_count = 1,
                                     .pool = { .enabled = true, .size = 1 },
                                     .max_connections = 1,
                                     .max_in_flight = 100 };

    set_up();
    supervisor.parts.dispatch = dispatch;
    for (unsigned slot = 0; slot < WORKERS; slot++)
        workers.slots[slot]->supervisor = &supervisor;
    cr_assert_eq(dispatch_set_profile(dispatch, &profile, NULL), 0);
}

TestSuite(inbox, .init = set_up_inbox, .fini = tear_down, .timeout = 30);

static void say(unsigned slot, enum ipc_kind kind, const void *payload)
{
    fault = NULL;
    inbox_handlers[kind](workers.slots[slot], payload, -1);
}

static struct account *account(void)
{
    return budget_account(dispatch_budget(dispatch), 1, server_uri_identity("smtp://a:25"));
}

/* ---- what is said ---- */

Test(inbox, SP49_leases_are_asked_for_and_given_back)
{
    const struct ipc_lease_want want = { .server = budget_server(account()),
                                         .profile = 1,
                                         .count = 1 };
    const struct ipc_lease_back back = { .server = want.server, .profile = 1, .count = 1 };

    say(0, IPC_LEASE_WANT, &want);
    cr_assert_null(fault);
    cr_assert_eq(budget_leases(account(), 0), 1u);
    say(0, IPC_LEASE_BACK, &back);
    cr_assert_null(fault);
    cr_assert_eq(budget_leases(account(), 0), 0u);
}

Test(inbox, SP46_a_slot_whose_connection_is_idle_is_in_use)
{
    const struct ipc_slot_want want = { .profile = 1, .count = 1 };
    const struct ipc_slot_given nothing = { .profile = 1, .asked = 1 },
                                given = { .profile = 1, .asked = 1, .count = 1 };
    struct ipc_connections connections = {
        .server = budget_server(account()), .profile = 1, .idle = 1, .open = 1
    };

    say(0, IPC_SLOT_WANT, &want);
    say(0, IPC_CONNECTIONS, &connections);
    cr_assert_eq(budget_idle(account(), 0), 1u);
    say(1, IPC_SLOT_WANT, &want);
    say(0, IPC_SLOT_GIVEN, &nothing);
    cr_assert_not_null(fault, "nobody has asked for it");
    connections.idle = connections.open = 0;
    say(0, IPC_CONNECTIONS, &connections);
    say(1, IPC_SLOT_WANT, &want);
    say(0, IPC_SLOT_GIVEN, &given);
    cr_assert_null(fault);
    cr_assert_eq(slots_of(dispatch_slots(dispatch), 1, 1), 1u);
}

Test(inbox, SP49_what_a_server_has_ended_is_learnt_from)
{
    const struct ipc_server_ended ended = { .server = budget_server(account()),
                                            .profile = 1,
                                            .idle_ms = 1000 };

    for (unsigned i = 0; i < 3; i++)
        say(0, IPC_SERVER_ENDED, &ended);
    turns();
    cr_assert_null(fault);
    cr_assert_eq(fakes[3].bears.idle_ms, 850u);
}

Test(inbox, nonsense_is_held_against_who_says_it)
{
    const struct ipc_lease_want want = { .profile = 1 };
    const struct ipc_lease_unwant unwant = { .profile = 1 };
    const struct ipc_lease_back back = { .profile = 1, .count = 1 };
    const struct ipc_slot_want slot_want = { .profile = 1 };
    const struct ipc_slot_given slot_given = { .profile = 1, .asked = 1 };
    const struct {
        enum ipc_kind kind;
        const void *payload;
        const char *what;
    } rows[] = { { IPC_LEASE_WANT, &want, "LEASE_WANT" },
                 { IPC_LEASE_UNWANT, &unwant, "LEASE_UNWANT" },
                 { IPC_LEASE_BACK, &back, "LEASE_BACK" },
                 { IPC_SLOT_WANT, &slot_want, "SLOT_WANT" },
                 { IPC_SLOT_GIVEN, &slot_given, "SLOT_GIVEN" } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        say(0, rows[i].kind, rows[i].payload);
        cr_expect_str_eq(fault != NULL ? fault : "nothing", rows[i].what);
    }
}

Test(inbox, SP49_who_was_found_faulty_is_not_believed)
{
    const struct ipc_lease_want want = { .server = budget_server(account()),
                                         .profile = 1,
                                         .count = 1 };
    const struct ipc_slot_want slot_want = { .profile = 1, .count = 1 };
    const struct ipc_connections connections = {
        .server = want.server, .profile = 1, .idle = 1, .open = 1
    };

    workers.slots[0]->state = WORKER_DOWN;
    say(0, IPC_LEASE_WANT, &want);
    say(0, IPC_SLOT_WANT, &slot_want);
    say(0, IPC_CONNECTIONS, &connections);
    cr_assert_null(fault);
    cr_assert_eq(budget_leases(account(), 0), 0u);
    cr_assert_eq(budget_idle(account(), 0), 0u);
    cr_assert_eq(slots_of(dispatch_slots(dispatch), 1, 0), 0u);
}
