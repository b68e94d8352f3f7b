/* delay_relay: a network that takes its time, between two programs on one machine.
 *
 *   delay_relay -t PORT [-p PORT] [-d MS] [-o REPORT]
 *
 * What comes to 127.0.0.1:PORT (-p, 0: a free one) goes on to 127.0.0.1:PORT (-t), and what comes
 * back comes back, each octet MS (20) after it was read, also FIN and RST. A connection begins at
 * the target three times MS after it was accepted here: as long as SYN, its answer and the ACK take
 * to cross. (The client itself sees it open at once, and RST where the target refuses.)
 *
 * The first line on standard output is the port. SIGUSR1: the report is written and "report" said;
 * SIGTERM: the report, and the end. It says connections (accepted, open, most_open, refused by the
 * target), octets each way and round_trips: how often the target spoke after the client had, summed
 * over all connections; opening one is not among them. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/auto.h"
#include "common/loop.h"
#include "listener.h"
#include "program.h"
#include "relay.h"

#define DELAY_MAX_MS 60000

static struct {
    uint16_t port, target;
    unsigned delay_ms;
    const char *report_file;
} options = { .delay_ms = 20 };

static void write_report(void)
{
    const struct relay_figures *figures = relay_figures();
    AUTO(json) json_t *all = NULL;
    char beside[512];

    if (options.report_file == NULL)
        return;
    all =
        json_pack("{s:{s:I, s:i, s:i, s:I}, s:{s:I, s:I}, s:I}", "connections", "accepted",
                  (json_int_t)figures->accepted, "open", (int)figures->open, "most_open",
                  (int)figures->most_open, "refused", (json_int_t)figures->refused, "octets",
                  "from_client", (json_int_t)figures->octets[0], "from_target",
                  (json_int_t)figures->octets[1], "round_trips", (json_int_t)figures->round_trips);
    if (all == NULL || snprintf(beside, sizeof(beside), "%s.new", options.report_file) >= 512 ||
        json_dump_file(all, beside, JSON_INDENT(1)) < 0 || rename(beside, options.report_file) < 0)
        program_fail("cannot write %s", options.report_file);
}

static void on_connection(int fd, void *arg)
{
    (void)arg;
    relay_take(fd);
}

static void on_report(int number, void *arg)
{
    (void)number;
    (void)arg;
    write_report();
    program_answer("report");
}

static void on_term(int number, void *arg)
{
    (void)number;
    (void)arg;
    write_report();
    exit(0); /* nobody else needs to hear of it */
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:t:d:o:")) != -1) {
        switch (option) {
        case 'p': options.port = program_port(optarg); break;
        case 't': options.target = program_port(optarg); break;
        case 'd': options.delay_ms = program_number(optarg, DELAY_MAX_MS); break;
        case 'o': options.report_file = optarg; break;
        default: exit(2);
        }
    }
    if (options.target == 0 || optind != argc)
        program_fail("-t PORT says where to");
}

int main(int argc, char **argv)
{
    struct listener *listener;
    struct loop *loop;

    read_options(argc, argv);
    program_take_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    loop = loop_new();
    if (loop == NULL || loop_on_signal(loop, SIGUSR1, on_report, NULL) < 0 ||
        loop_on_signal(loop, SIGTERM, on_term, NULL) < 0)
        abort();
    relay_begin(loop, options.target, options.delay_ms);
    listener = listener_new(loop, options.port, on_connection, NULL);
    if (listener == NULL)
        program_fail("port %u: %s", options.port, strerror(errno));
    listener_be(listener, LISTENER_OPEN);
    program_answer("%u", listener_port(listener));
    loop_run(loop);
    return 0;
}
