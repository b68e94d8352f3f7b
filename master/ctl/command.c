/* master/ctl/command.c: what posternctl can do, and which arguments that takes. */
#include "master/ctl/commands.h"
#include "master/ctl/ctl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/conf.h"
#include "master/ctl/text.h"

#define MANY 1000 /* arguments, where a command takes any number */

struct command {
    const char *noun;
    const char *verb; /* NULL: the noun alone */
    const char *arguments;
    int least, most;  /* of them */
    unsigned options; /* enum ctl_option */
    ctl_run *run;
    const char *help;
};

static const struct command commands[] = {
    /* clang-format off */
    { "status",   NULL,      "",               0, 0,    0,           status_show,     "what runs, what waits, what somebody should look at" },
    { "stats",    NULL,      "",               0, 0,    CTL_LIMIT,   stats_show,      "what went in and out, minute by minute; --limit: how many of them" },
    { "profile",  "list",    "",               0, 0,    0,           profile_list,    "all server profiles" },
    { "profile",  "show",    "NAME",           1, 1,    0,           profile_show,    "one of them; with --json as `put` takes it" },
    { "profile",  "put",     "FILE",           1, 1,    CTL_NO_TEST, profile_put,     "create, or update by id or name; tests the connection first" },
    { "profile",  "delete",  "NAME",           1, 1,    0,           profile_delete,  "unless a rule or queued mail needs it" },
    { "profile",  "test",    "NAME|FILE",      1, 1,    0,           profile_test,    "test the connection to every server; stores nothing" },
    { "rule",     "list",    "",               0, 0,    0,           rule_list,       "all rules in their order: the first that matches wins" },
    { "rule",     "show",    "NAME",           1, 1,    0,           rule_show,       "one of them; with --json as `put` takes it" },
    { "rule",     "put",     "FILE",           1, 1,    0,           rule_put,        "create (last in order), or update by id or name" },
    { "rule",     "delete",  "NAME",           1, 1,    0,           rule_delete,     "mail that it accepted is still delivered" },
    { "rule",     "move",    "NAME POSITION",  2, 2,    0,           rule_move,       "to this place in the order, 1 is the first" },
    { "rule",     "which",   "",               0, 0,    CTL_WHICH,   rule_which,      "which rule would take this mail, and why" },
    { "test-message", NULL,  "",               0, 0,    CTL_WHICH,   test_message,    "send one the way that mail to --to would take, to see it go through" },
    { "settings", "show",    "",               0, 0,    0,           settings_show,   "what belongs to no profile and no rule" },
    { "settings", "put",     "FILE",           1, 1,    0,           settings_put,    "replace them" },
    { "queue",    "list",    "",               0, 0,    CTL_FILTER | CTL_LIMIT, queue_list, "what waits, oldest first" },
    { "queue",    "show",    "ID",             1, 1,    0,           queue_show,      "the way of one message so far" },
    { "queue",    "retry",   "ID...",          1, MANY, CTL_GROUP,   queue_retry,     "deliver now" },
    { "queue",    "hold",    "ID...",          1, MANY, CTL_GROUP,   queue_hold,      "do not deliver until released" },
    { "queue",    "release", "ID...",          1, MANY, CTL_GROUP,   queue_release,   "deliver what was held" },
    { "queue",    "reroute", "ID PROFILE",     2, 2,    CTL_GROUP,   queue_reroute,   "deliver through another smtp profile" },
    { "queue",    "delete",  "ID...",          1, MANY, CTL_GROUP,   queue_delete,    "never deliver it; tells nobody" },
    { "queue",    "ambiguous", "",             0, 0,    CTL_LIMIT,   ambiguous_list,  "what may have arrived twice, newest first" },
    { "quarantine", "list",  "",               0, 0,    CTL_LIMIT,   quarantine_list, "what a scan blocked, oldest first" },
    { "quarantine", "show",  "ID",             1, 1,    0,           quarantine_show, "what was found in it, and where to see the details" },
    { "quarantine", "release", "ID...",        1, MANY, CTL_GROUP,   quarantine_release, "deliver it all the same, as it came" },
    { "quarantine", "rescan", "ID...",         1, MANY, CTL_GROUP,   quarantine_rescan, "scan it once more" },
    { "quarantine", "forward", "ID MAILBOX",   2, 2,    0,           quarantine_forward, "to who is to look at it, as an attachment; it stays in the quarantine" },
    { "quarantine", "delete", "ID...",         1, MANY, CTL_GROUP,   quarantine_delete, "for good; tells nobody" },
    { "pool",     NULL,      "[PROFILE]",      0, 1,    CTL_WATCH,   pool_show,       "connections to each server, and what became of them; --watch: every second" },
    { "server",   "list",    "[PROFILE]",      0, 1,    0,           server_list,     "health of the servers: which take mail, which are down and why" },
    { "server",   "drain",   "PROFILE SERVER", 2, 2,    0,           server_drain,    "no new mail to it until it is enabled" },
    { "server",   "enable",  "PROFILE SERVER", 2, 2,    0,           server_enable,   "ends a drain; one that is down is used at once" },
    { "worker",   "list",    "",               0, 0,    0,           worker_list,     "the processes and what they run" },
    { "alert",    "list",    "",               0, 0,    0,           alert_list,      "what somebody must look at, or had to: newest first" },
    { "alert",    "test",    "",               0, 0,    0,           alert_test,      "send a test to whom the setting alerts names" },
    { "account",  "list",    "",               0, 0,    0,           account_list,    "who may use the console" },
    { "account",  "add",     "NAME",           1, 1,    CTL_ROLE,    account_add,     "asks for the password, or reads it from the standard input" },
    { "account",  "passwd",  "NAME",           1, 1,    0,           account_passwd,  "another password; its sessions end" },
    { "account",  "role",    "NAME ROLE",      2, 2,    0,           account_role,    "viewer or admin; its sessions end" },
    { "account",  "delete",  "NAME",           1, 1,    0,           account_delete,  "its sessions end" },
    { "audit",    "list",    "",               0, 0,    CTL_LIMIT,   audit_list,      "who changed what, newest first" },
    { "key",      "rotate",  "",               0, 0,    0,           key_rotate,      "seal all secrets under a new key" },
    { "export",   NULL,      "",               0, 0,    0,           settings_export, "everything but the secrets, as JSON" },
    { "import",   NULL,      "FILE",           1, 1,    CTL_NO_TEST, settings_import, "what `export` wrote; all of it or nothing" },
    /* clang-format on */
};

enum {
    OPTION_JSON = 256,
    OPTION_NO_TEST,
    OPTION_CLIENT,
    OPTION_FROM,
    OPTION_TO,
    OPTION_STATE,
    OPTION_PROFILE,
    OPTION_RULE,
    OPTION_LIMIT,
    OPTION_AFTER,
    OPTION_GROUP,
    OPTION_WATCH,
    OPTION_ROLE,
    OPTION_VERSION
};

static const struct option options[] = {
    { "socket", required_argument, NULL, 's' },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, OPTION_VERSION },
    { "json", no_argument, NULL, OPTION_JSON },
    { "no-test", no_argument, NULL, OPTION_NO_TEST },
    { "client", required_argument, NULL, OPTION_CLIENT },
    { "from", required_argument, NULL, OPTION_FROM },
    { "to", required_argument, NULL, OPTION_TO },
    { "state", required_argument, NULL, OPTION_STATE },
    { "profile", required_argument, NULL, OPTION_PROFILE },
    { "rule", required_argument, NULL, OPTION_RULE },
    { "limit", required_argument, NULL, OPTION_LIMIT },
    { "after", required_argument, NULL, OPTION_AFTER },
    { "group", required_argument, NULL, OPTION_GROUP },
    { "watch", no_argument, NULL, OPTION_WATCH },
    { "role", required_argument, NULL, OPTION_ROLE },
    { NULL, 0, NULL, 0 },
};

struct parsed {
    const char *socket;
    bool wants_help, wants_version;
    unsigned given; /* enum ctl_option */
};

static void print_usage(FILE *out, const char *noun)
{
    fprintf(out, "usage: posternctl [-s SOCKET] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *command = &commands[i];
        AUTO(free) char *line = NULL;

        if (noun && strcmp(noun, command->noun) != 0)
            continue;
        line = text_format("%s%s%s %s", command->noun, command->verb ? " " : "",
                           command->verb ? command->verb : "", command->arguments);
        fprintf(out, "  %-26s  %s\n", line, command->help);
    }
    fprintf(out,
            "\n  -s, --socket SOCKET         the daemon's control socket (also: POSTERN_SOCKET)\n"
            "  --json                      answers as the API gives them\n"
            "  --no-test                   profile put, import: store without a connection test\n"
            "  --client --from --to        rule which, test-message: an address each\n"
            "                              (--from \"\" is the null sender)\n"
            "  --state --profile --rule    queue list: only these\n"
            "  --limit N --after ID        queue list, audit list: how many, and from where\n"
            "  --group N                   queue orders: only this group of the message\n"
            "  --watch                     pool: again every second\n"
            "  --role ROLE                 account add: viewer (the default) or admin\n"
            "\nFILE is JSON; - is the standard input. Exit codes: 0 done, 1 refused, 2 usage, "
            "3 cannot\nreach the daemon.\n");
}

static unsigned take_option(struct ctl *ctl, struct parsed *parsed, int option, const char *value)
{
    switch (option) {
    case 's': parsed->socket = value; return 0;
    case 'h': parsed->wants_help = true; return 0;
    case OPTION_VERSION: parsed->wants_version = true; return 0;
    case OPTION_JSON: ctl->json = true; return 0;
    case OPTION_NO_TEST: ctl->no_test = true; return CTL_NO_TEST;
    case OPTION_CLIENT: ctl->client = value; return CTL_WHICH;
    case OPTION_FROM: ctl->from = value; return CTL_WHICH;
    case OPTION_TO: ctl->to = value; return CTL_WHICH;
    case OPTION_STATE: ctl->state = value; return CTL_FILTER;
    case OPTION_PROFILE: ctl->profile = value; return CTL_FILTER;
    case OPTION_RULE: ctl->rule = value; return CTL_FILTER;
    case OPTION_LIMIT: ctl->limit = value; return CTL_LIMIT;
    case OPTION_AFTER: ctl->after = value; return CTL_LIMIT;
    case OPTION_WATCH: ctl->watch = true; return CTL_WATCH;
    case OPTION_ROLE: ctl->role = value; return CTL_ROLE;
    default: ctl->group = value; return CTL_GROUP;
    }
}

static int parse_options(struct ctl *ctl, int argc, char **argv, struct parsed *parsed)
{
    int option;

    opterr = 0;
    optind = 0; /* begins anew: tests call this many times */
    while ((option = getopt_long(argc, argv, ":s:h", options, NULL)) != -1) {
        if (option == '?' || option == ':')
            return ctl_refuse(ctl, CTL_USAGE, "%s: %s", argv[optind - 1],
                              option == ':' ? "a value is missing" : "no such option");
        parsed->given |= take_option(ctl, parsed, option, optarg);
    }
    return CTL_DONE;
}

/* The row that fits noun and verb; NULL with the reason printed. */
static const struct command *find_command(struct ctl *ctl, int count, char **words)
{
    const struct command *same_noun = NULL;

    for (size_t i = 0; count > 0 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].noun, words[0]) != 0)
            continue;
        same_noun = &commands[i];
        if (!same_noun->verb || (count > 1 && strcmp(same_noun->verb, words[1]) == 0))
            return same_noun;
    }
    if (count == 0)
        print_usage(ctl->err, NULL);
    else if (!same_noun)
        ctl_refuse(ctl, CTL_USAGE, "%s: no such command; posternctl --help lists them", words[0]);
    else
        print_usage(ctl->err, words[0]);
    return NULL;
}

static int check_arguments(struct ctl *ctl, const struct command *command, int count,
                           unsigned given)
{
    const char *verb = command->verb ? command->verb : "";
    const char *blank = command->verb ? " " : "";

    if (count < command->least || count > command->most)
        return ctl_refuse(ctl, CTL_USAGE, "usage: posternctl %s%s%s %s", command->noun, blank, verb,
                          command->arguments);
    if (given & ~command->options)
        return ctl_refuse(ctl, CTL_USAGE, "%s%s%s: takes no such option; posternctl --help %s",
                          command->noun, blank, verb, command->noun);
    return CTL_DONE;
}

static int run_command(struct ctl *ctl, const struct command *command, char **arguments,
                       const char *socket)
{
    struct conf *conf = NULL;
    char *path = NULL;
    int code;

    if (!socket)
        socket = getenv("POSTERN_SOCKET");
    if (socket && *socket)
        path = text_format("%s", socket);
    else if (conf_load(NULL, &conf, NULL) == 0)
        path = text_format("%s/control.sock", conf->top_run_dir);
    ctl->transport = path ? transport_new(path) : NULL;
    code = ctl->transport ? command->run(ctl, arguments)
                          : ctl_refuse(ctl, CTL_REFUSED, "out of memory");
    transport_free(&ctl->transport);
    conf_free(&conf);
    free(path);
    return code;
}

int ctl_main(int argc, char **argv, FILE *out, FILE *err)
{
    struct ctl ctl = { .out = out, .err = err };
    struct parsed parsed = { 0 };
    const struct command *command;
    int code = parse_options(&ctl, argc, argv, &parsed);
    int skipped, count = argc - optind;

    if (code != CTL_DONE)
        return code;
    if (parsed.wants_version) {
        fprintf(out, "posternctl %s\n", POSTERN_VERSION);
        return CTL_DONE;
    }
    if (parsed.wants_help) {
        print_usage(out, count > 0 ? argv[optind] : NULL);
        return CTL_DONE;
    }
    command = find_command(&ctl, count, argv + optind);
    if (!command)
        return CTL_USAGE;
    skipped = command->verb ? 2 : 1;
    code = check_arguments(&ctl, command, count - skipped, parsed.given);
    if (code != CTL_DONE)
        return code;
    code = run_command(&ctl, command, argv + optind + skipped, parsed.socket);
    if (fflush(out) != 0 || ferror(out))
        return ctl_refuse(&ctl, CTL_REFUSED, "the output could not be written");
    return code;
}
