#include "master/ctl/password.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "master/ctl/ctl.h"

/* ---- one line ---- */

/* Byte by byte: what is buffered by stdio could not be wiped. False: too long, nothing there, or
 * interrupted. */
static bool read_line(char *out)
{
    size_t length = 0;
    ssize_t got;
    char c = '\0';

    while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
        if (length == PASSWORD_SIZE - 1)
            return false;
        out[length++] = c;
    }
    if (got < 0 || (got == 0 && length == 0))
        return false;
    if (length > 0 && out[length - 1] == '\r')
        length--;
    out[length] = '\0';
    return strlen(out) == length;
}

static int read_input(struct ctl *ctl, char *out)
{
    if (read_line(out))
        return CTL_DONE;
    return ctl_refuse(ctl, CTL_REFUSED,
                      "a password is expected as the first line of the standard input");
}

/* ---- a terminal ---- */

static void on_signal(int signal)
{
    (void)signal; /* the read ends, and the terminal gets its echo back */
}

struct silence {
    struct termios before;
    struct sigaction interrupt, terminate, hangup, stop;
};

/* While nothing is echoed no signal may end or stop the program: the shell would stay mute. */
static int begin_silence(struct silence *silence)
{
    struct sigaction ours = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
    struct termios mute;

    if (tcgetattr(STDIN_FILENO, &silence->before) < 0)
        return -errno;
    sigaction(SIGINT, &ours, &silence->interrupt);
    sigaction(SIGTERM, &ours, &silence->terminate);
    sigaction(SIGHUP, &ours, &silence->hangup);
    sigaction(SIGTSTP, &ignore, &silence->stop);
    mute = silence->before;
    mute.c_lflag &= (tcflag_t) ~(tcflag_t)ECHO;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute) < 0 ? -errno : 0;
}

static void end_silence(const struct silence *silence)
{
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silence->before);
    sigaction(SIGINT, &silence->interrupt, NULL);
    sigaction(SIGTERM, &silence->terminate, NULL);
    sigaction(SIGHUP, &silence->hangup, NULL);
    sigaction(SIGTSTP, &silence->stop, NULL);
}

static bool ask(struct ctl *ctl, const char *prompt, char *out)
{
    bool is_there;

    fprintf(ctl->err, "%s", prompt);
    fflush(ctl->err);
    is_there = read_line(out);
    fputc('\n', ctl->err);
    return is_there;
}

static int ask_twice(struct ctl *ctl, char *out)
{
    char again[PASSWORD_SIZE] = "";
    int code = CTL_DONE;

    if (!ask(ctl, "Password: ", out) || !ask(ctl, "Once more: ", again))
        code = ctl_refuse(ctl, CTL_REFUSED, "no password was entered; nothing was changed");
    else if (strcmp(out, again) != 0)
        code = ctl_refuse(ctl, CTL_REFUSED, "these are two different ones; nothing was changed");
    explicit_bzero(again, sizeof(again));
    return code;
}

int password_read(struct ctl *ctl, char out[PASSWORD_SIZE])
{
    struct silence silence;
    int err, code;

    *out = '\0';
    if (!isatty(STDIN_FILENO))
        return read_input(ctl, out);
    err = begin_silence(&silence);
    code = err == 0 ? ask_twice(ctl, out)
                    : ctl_refuse(ctl, CTL_REFUSED, "the terminal: %s", strerror(-err));
    end_silence(&silence);
    return code;
}
