/* tls_sink: a receiving SMTP server that takes everything over TLS, fast, and counts handshakes.
 *
 *   tls_sink -c CERTIFICATE -k KEY [-p PORT] [-o REPORT] [-i] [-n]
 *
 *   -p  on 127.0.0.1 (0: a free one; 0)   -i  TLS from the first octet; else STARTTLS is offered,
 *   -o  where reports go, as JSON             and what comes in clear is taken as well
 *   -n  no session is ever resumed: no ticket is given, none is honoured, nothing is kept
 *
 * Its first line on standard output is its port. SIGUSR1: the report is written and "report" said.
 * SIGTERM: the report, and the end.
 *
 * A thread for each connection, so that handshakes use every core there is and what is measured
 * beside this waits for nothing else. Lines of more than 64 KiB end their connection. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/ssl.h>

#include "common/loop.h"
#include "listener.h"
#include "program.h"

#define IN_BYTES  (64U << 10)
#define OUT_BYTES (16U << 10)

static struct {
    const char *certificate, *key, *report_file;
    uint16_t port;
    bool is_smtps, is_never_resumed;
} options;

static struct {
    atomic_ulong connections, full, resumed, failed, messages, in_clear;
    atomic_long first_us, last_us; /* of a message; 0: none came */
} counts;

static SSL_CTX *tls;

/* ---- one connection ---- */

struct connection {
    int fd;
    SSL *ssl; /* NULL: in clear */
    size_t begin, end, said;
    char in[IN_BYTES], out[OUT_BYTES];
};

static bool let_go(struct connection *c)
{
    size_t left = 0;

    while (left < c->said) {
        ssize_t count = c->ssl != NULL ? SSL_write(c->ssl, c->out + left, (int)(c->said - left))
                                       : send(c->fd, c->out + left, c->said - left, MSG_NOSIGNAL);

        if (count <= 0)
            return false;
        left += (size_t)count;
    }
    c->said = 0;
    return true;
}

static bool say(struct connection *c, const char *text)
{
    size_t count = strlen(text);

    if (c->said + count > OUT_BYTES && !let_go(c))
        return false;
    memcpy(c->out + c->said, text, count);
    c->said += count;
    return true;
}

/* A client that sends two small pieces in a row, as behind its handshake, waits with the second for
 * the ACK of the first: what is measured must not be when the kernel would give it. */
static void ack_at_once(struct connection *c)
{
    int on = 1;

    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* Answers leave before anything is waited for: those to commands that came together, together. */
static bool read_more(struct connection *c)
{
    ssize_t count;

    if (!let_go(c))
        return false;
    ack_at_once(c);
    memmove(c->in, c->in + c->begin, c->end - c->begin);
    c->end -= c->begin;
    c->begin = 0;
    if (c->end == IN_BYTES)
        return false;
    count = c->ssl != NULL ? SSL_read(c->ssl, c->in + c->end, (int)(IN_BYTES - c->end))
                           : recv(c->fd, c->in + c->end, IN_BYTES - c->end, 0);
    if (count <= 0)
        return false;
    c->end += (size_t)count;
    return true;
}

/* The next line with its LF, good until the next call. NULL: there is none any more. */
static const char *next_line(struct connection *c)
{
    for (;;) {
        char *line = c->in + c->begin, *lf = memchr(line, '\n', c->end - c->begin);

        if (lf != NULL) {
            c->begin = (size_t)(lf + 1 - c->in);
            return line;
        }
        if (!read_more(c))
            return NULL;
    }
}

static bool shake_hands(struct connection *c)
{
    c->ssl = SSL_new(tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        abort();
    if (SSL_accept(c->ssl) != 1) {
        atomic_fetch_add(&counts.failed, 1);
        return false;
    }
    atomic_fetch_add(SSL_session_reused(c->ssl) ? &counts.resumed : &counts.full, 1);
    return true;
}

/* What came behind the command in clear is no part of the session: an attack, and the end. */
static bool begin_tls(struct connection *c)
{
    return c->begin == c->end && say(c, "220 2.0.0 go ahead\r\n") && let_go(c) && shake_hands(c);
}

static long now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static bool take_content(struct connection *c)
{
    const char *line;
    long now, none = 0;

    if (!say(c, "354 go on\r\n"))
        return false;
    do {
        line = next_line(c);
        if (line == NULL)
            return false;
    } while (strncmp(line, ".\r\n", 3) != 0);
    now = now_us();
    (void)atomic_compare_exchange_strong(&counts.first_us, &none, now);
    atomic_store(&counts.last_us, now);
    atomic_fetch_add(&counts.messages, 1);
    if (c->ssl == NULL)
        atomic_fetch_add(&counts.in_clear, 1);
    return say(c, "250 2.0.0 taken\r\n");
}

static bool greet(struct connection *c)
{
    return say(c, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n") &&
           (c->ssl != NULL || say(c, "250-STARTTLS\r\n")) && say(c, "250 ENHANCEDSTATUSCODES\r\n");
}

static bool is_verb(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

/* false: the connection is over. */
static bool obey(struct connection *c, const char *line)
{
    if (is_verb(line, "EHLO"))
        return greet(c);
    if (is_verb(line, "STARTTLS") && c->ssl == NULL)
        return begin_tls(c);
    if (is_verb(line, "DATA"))
        return take_content(c);
    if (is_verb(line, "QUIT")) {
        (void)(say(c, "221 2.0.0 bye\r\n") && let_go(c));
        return false;
    }
    if (is_verb(line, "MAIL") || is_verb(line, "RCPT") || is_verb(line, "RSET") ||
        is_verb(line, "NOOP") || is_verb(line, "HELO"))
        return say(c, "250 2.0.0 ok\r\n");
    return say(c, "500 5.5.2 what?\r\n");
}

static void *talk(void *arg)
{
    struct connection *c = arg;
    const char *line;

    if ((!options.is_smtps || shake_hands(c)) && say(c, "220 sink.test ESMTP\r\n"))
        while ((line = next_line(c)) != NULL && obey(c, line))
            ;
    if (c->ssl != NULL)
        (void)SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
    return NULL;
}

/* Signals are for the first thread. */
static void on_connection(int fd, void *arg)
{
    struct connection *c = calloc(1, sizeof(*c));
    sigset_t all, before;
    pthread_t thread;

    (void)arg;
    if (c == NULL || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
        abort();
    c->fd = fd;
    atomic_fetch_add(&counts.connections, 1);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, talk, c) != 0 || pthread_detach(thread) != 0)
        abort();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the report ---- */

static json_t *number(atomic_ulong *count)
{
    return json_integer((json_int_t)atomic_load(count));
}

static void write_report(void)
{
    long first_us = atomic_load(&counts.first_us), last_us = atomic_load(&counts.last_us);
    json_t *all;

    if (options.report_file == NULL)
        return;
    all = json_pack("{s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:f}, s:f}", "connections",
                    number(&counts.connections), "handshakes", "full", number(&counts.full),
                    "resumed", number(&counts.resumed), "failed", number(&counts.failed),
                    "messages", "taken", number(&counts.messages), "in_clear",
                    number(&counts.in_clear), "seconds", (double)(last_us - first_us) / 1e6,
                    "cpu_seconds", program_cpu_seconds());
    if (all == NULL || json_dump_file(all, options.report_file, JSON_INDENT(1)) < 0)
        program_fail("%s: no report", options.report_file);
    json_decref(all);
}

static void on_report(int signal_number, void *arg)
{
    (void)signal_number;
    (void)arg;
    write_report();
    program_answer("report");
}

static void on_term(int signal_number, void *arg)
{
    (void)signal_number;
    loop_stop(arg);
}

/* ---- the program ---- */

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "c:k:p:o:in")) != -1) {
        switch (option) {
        case 'c': options.certificate = optarg; break;
        case 'k': options.key = optarg; break;
        case 'p': options.port = program_port(optarg); break;
        case 'o': options.report_file = optarg; break;
        case 'i': options.is_smtps = true; break;
        case 'n': options.is_never_resumed = true; break;
        default: exit(2);
        }
    }
    if (optind != argc || options.certificate == NULL || options.key == NULL)
        program_fail("a certificate (-c) and its key (-k), and nothing else");
}

static void load_papers(void)
{
    static const unsigned char whose[] = "tls_sink";

    tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || SSL_CTX_set_session_id_context(tls, whose, sizeof(whose) - 1) != 1)
        abort();
    if (SSL_CTX_use_certificate_chain_file(tls, options.certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, options.key, SSL_FILETYPE_PEM) != 1)
        program_fail("%s with %s: no certificate with its key", options.certificate, options.key);
    if (options.is_never_resumed) {
        (void)SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_num_tickets(tls, 0);
    }
}

int main(int argc, char **argv)
{
    struct loop *loop = loop_new();
    struct listener *listener;

    read_options(argc, argv);
    program_take_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    load_papers();
    if (loop == NULL || loop_on_signal(loop, SIGTERM, on_term, loop) < 0 ||
        loop_on_signal(loop, SIGINT, on_term, loop) < 0 ||
        loop_on_signal(loop, SIGUSR1, on_report, NULL) < 0)
        abort();
    listener = listener_new(loop, options.port, on_connection, NULL);
    if (listener == NULL)
        program_fail("port %u: %s", options.port, strerror(errno));
    listener_be(listener, LISTENER_OPEN);
    program_answer("%u", listener_port(listener));
    loop_run(loop);
    write_report();
    listener_free(&listener);
    loop_free(loop);
    _exit(0); /* talks go on: nothing that they use is taken away under them */
}
