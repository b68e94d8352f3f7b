/* smtp_peer: a receiving SMTP server that does what a script says, and reports what it saw.
 *
 *   smtp_peer [-p PORT] [-s FILE | -e SCRIPT] [-o REPORT] [-r] [-l]
 *
 *   -p  on 127.0.0.1 (0: a free one; 0)     -s, -e  the script (script.h); none: a good server
 *   -o  where reports go, as JSON (report.h)   -r   with a row per connection
 *   -l  a line per second on standard error
 *
 * Its first line on standard output is its port. SIGUSR1: the report is written and "report" said.
 * SIGHUP: FILE is read again; "script", or "bad script: line N: ..." and the old one stays.
 * Connections that are open go on under the new one. SIGTERM: the report, and the end. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auto.h"
#include "common/loop.h"
#include "listener.h"
#include "program.h"
#include "report.h"
#include "talk.h"

#define SCRIPT_MAX_BYTES (64U << 10)
#define LIVE_MS          1000

static struct {
    const char *script_file, *script_text, *report_file;
    uint16_t port;
    bool with_rows, is_live;
} options;

/* Those that were in force may be waited in by a talk. */
struct old_script {
    struct script *script;
    struct old_script *next;
};

struct program {
    struct host host;
    struct listener *listener;
    struct loop_timer *live;
    struct old_script *old;
};

/* ---- the script ---- */

static char *read_script(struct reason *why)
{
    char *text = calloc(1, SCRIPT_MAX_BYTES);
    FILE *file;

    if (text == NULL)
        abort();
    if (options.script_file == NULL)
        return strncpy(text, options.script_text, SCRIPT_MAX_BYTES - 1);
    file = fopen(options.script_file, "re");
    if (file == NULL) {
        free(text);
        reason_format(why, "%s: %s", options.script_file, strerror(errno));
        return NULL;
    }
    (void)!fread(text, 1, SCRIPT_MAX_BYTES - 1, file);
    (void)fclose(file);
    return text;
}

static int load_script(struct program *program, struct reason *why)
{
    AUTO(free) char *text = read_script(why);
    struct old_script *old;
    struct script *script;

    if (text == NULL || script_parse(text, &script, why) < 0)
        return -EINVAL;
    if (program->host.script != NULL) {
        old = calloc(1, sizeof(*old));
        if (old == NULL)
            abort();
        *old = (struct old_script){ program->host.script, program->old };
        program->old = old;
    }
    program->host.script = script;
    return 0;
}

/* ---- the port ---- */

static void listen_as_the_script_says(struct program *program)
{
    const struct script *script = program->host.script;
    enum listener_mood mood = LISTENER_OPEN;

    if (script->is_hole)
        mood = LISTENER_HOLE;
    else if (program->host.tally.accepted >= script->refuse_after)
        mood = LISTENER_REFUSES;
    listener_be(program->listener, mood);
}

static void on_connection(int fd, void *arg)
{
    struct program *program = arg;

    talk_begin(&program->host, fd);
    listen_as_the_script_says(program);
}

/* ---- signals ---- */

static void write_report(struct program *program)
{
    int err;

    if (options.report_file == NULL)
        return;
    err = report_write(&program->host, options.report_file, options.with_rows);
    if (err < 0)
        program_fail("%s: %s", options.report_file, strerror(-err));
}

static void on_report(int number, void *arg)
{
    (void)number;
    write_report(arg);
    program_answer("report");
}

static void on_reload(int number, void *arg)
{
    struct program *program = arg;
    struct reason why;

    (void)number;
    if (load_script(program, &why) < 0) {
        program_answer("bad script: %s", why.text);
        return;
    }
    listen_as_the_script_says(program);
    program_answer("script");
}

static void on_term(int number, void *arg)
{
    struct program *program = arg;

    (void)number;
    write_report(program);
    loop_stop(program->host.loop);
}

static void on_live(void *arg)
{
    struct program *program = arg;

    report_say(&program->host);
    loop_timer_set_ms(program->live, LIVE_MS);
}

/* ---- the program ---- */

static void read_options(int argc, char **argv)
{
    int option;

    options.script_text = "";
    while ((option = getopt(argc, argv, "p:s:e:o:rl")) != -1) {
        switch (option) {
        case 'p': options.port = program_port(optarg); break;
        case 's': options.script_file = optarg; break;
        case 'e': options.script_text = optarg; break;
        case 'o': options.report_file = optarg; break;
        case 'r': options.with_rows = true; break;
        case 'l': options.is_live = true; break;
        default: exit(2);
        }
    }
    if (optind != argc)
        program_fail("what is %s?", argv[optind]);
}

static void begin(struct program *program)
{
    struct loop *loop = program->host.loop = loop_new();
    struct reason why;

    if (loop == NULL)
        abort();
    TAILQ_INIT(&program->host.talks);
    tally_init(&program->host.tally, loop);
    if (load_script(program, &why) < 0)
        program_fail("bad script: %s", why.text);
    program->listener = listener_new(loop, options.port, on_connection, program);
    if (program->listener == NULL)
        program_fail("port %u: %s", options.port, strerror(errno));
    listen_as_the_script_says(program);
    if (loop_on_signal(loop, SIGTERM, on_term, program) < 0 ||
        loop_on_signal(loop, SIGINT, on_term, program) < 0 ||
        loop_on_signal(loop, SIGUSR1, on_report, program) < 0 ||
        loop_on_signal(loop, SIGHUP, on_reload, program) < 0)
        abort();
    program->live = loop_timer_new(loop, on_live, program);
    if (program->live == NULL)
        abort();
    if (options.is_live)
        loop_timer_set_ms(program->live, LIVE_MS);
}

static void end(struct program *program)
{
    listener_free(&program->listener);
    talk_cut_all(&program->host);
    loop_timer_free(&program->live);
    loop_free(program->host.loop);
    tally_clear(&program->host.tally);
    script_free(&program->host.script);
    while (program->old != NULL) {
        struct old_script *next = program->old->next;

        script_free(&program->old->script);
        free(program->old);
        program->old = next;
    }
}

int main(int argc, char **argv)
{
    struct program program = { 0 };

    read_options(argc, argv);
    program_take_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    begin(&program);
    program_answer("%u", listener_port(program.listener));
    loop_run(program.host.loop);
    end(&program);
    return 0;
}
