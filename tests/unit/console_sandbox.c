/* What the console can no longer do once it has closed itself in (OP04): each is tried from inside.
 *
 * A process that has entered cannot leave: every test enters in a child, which says by its exit
 * status how the try ended. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/auto.h"
#include "common/log.h"
#include "master/console/sandbox.h"

enum { REFUSED = 10, WORKED, NO_SANDBOX, SURPRISE };

/* Made before the child enters. */
static int ends[2], listener;
static char file[] = "/tmp/postern-sandbox-XXXXXX";
static struct sockaddr_in listening;

static int verdict(long result)
{
    return result >= 0 ? WORKED : errno == EPERM || errno == EACCES ? REFUSED : SURPRISE;
}

static int inside(int (*attempt)(void))
{
    struct reason why;
    int status;
    pid_t child = fork();

    if (child == 0) {
        log_open("test", 2);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || sandbox_enter(&why) < 0)
            _exit(NO_SANDBOX);
        _exit(attempt());
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
    cr_assert_neq(WEXITSTATUS(status), NO_SANDBOX);
    return WEXITSTATUS(status);
}

static void set_up(void)
{
    socklen_t bytes = sizeof(listening);
    int fd = mkstemp(file);

    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    listening =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    cr_assert_eq(bind(listener, (struct sockaddr *)&listening, sizeof(listening)), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&listening, &bytes), 0);
}

static void tear_down(void)
{
    unlink(file);
    close(ends[0]);
    close(ends[1]);
    close(listener);
}

TestSuite(sandbox, .init = set_up, .fini = tear_down);

static int open_to_read(void)
{
    return verdict(open(file, O_RDONLY));
}

static int open_to_write(void)
{
    return verdict(open(file, O_WRONLY));
}

static int make_file(void)
{
    return verdict(open("/tmp/postern-sandbox-made", O_WRONLY | O_CREAT, 0600));
}

static int open_older_call(void)
{
    return verdict(syscall(SYS_open, file, O_RDONLY, 0));
}

static int open_newer_call(void)
{
    return verdict(syscall(SYS_openat2, AT_FDCWD, file, NULL, 0));
}

static int remove_file(void)
{
    return verdict(unlink(file));
}

static int rename_file(void)
{
    return verdict(rename(file, "/tmp/postern-sandbox-moved"));
}

static int list_folder(void)
{
    return verdict(open("/tmp", O_RDONLY | O_DIRECTORY));
}

static int look_at_path(void)
{
    struct stat info;

    return verdict(stat(file, &info));
}

static int make_socket(void)
{
    return verdict(socket(AF_UNIX, SOCK_STREAM, 0));
}

/* The one it has: to another address. */
static int connect_out(void)
{
    return verdict(connect(ends[0], (struct sockaddr *)&listening, sizeof(listening)));
}

static int make_process(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return verdict(child);
}

static int run_program(void)
{
    char program[] = "/bin/true", *arguments[] = { program, NULL };

    execv(program, arguments);
    return verdict(-1);
}

static int trace_parent(void)
{
    return verdict(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int kill_parent(void)
{
    return verdict(kill(getppid(), SIGTERM));
}

static int memory_that_runs(void)
{
    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return verdict(memory == MAP_FAILED ? -1 : 0);
}

static int memory_made_to_run(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? SURPRISE : verdict(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
}

static int become_somebody(void)
{
    return verdict(setuid(65534));
}

static int leave_by_ioctl(void)
{
    return verdict(syscall(SYS_ioctl, ends[0], 0x5412 /* TIOCSTI */, "x"));
}

static int io_ring(void)
{
    return verdict(syscall(425 /* io_uring_setup */, 1, NULL));
}

Test(sandbox, OP04_nothing_can_be_opened_reached_or_run)
{
    static const struct {
        const char *name;
        int (*attempt)(void);
    } all[] = {
        { "open to read", open_to_read },
        { "open to write", open_to_write },
        { "make a file", make_file },
        { "open by the older call", open_older_call },
        { "open by the newer call", open_newer_call },
        { "remove a file", remove_file },
        { "rename a file", rename_file },
        { "list a folder", list_folder },
        { "look at a path", look_at_path },
        { "make a socket", make_socket },
        { "connect", connect_out },
        { "make a process", make_process },
        { "run a program", run_program },
        { "trace the parent", trace_parent },
        { "kill the parent", kill_parent },
        { "memory that runs", memory_that_runs },
        { "memory made to run", memory_made_to_run },
        { "become somebody else", become_somebody },
        { "type into a terminal", leave_by_ioctl },
        { "io_uring", io_ring },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        cr_expect_eq(inside(all[i].attempt), REFUSED, "%s", all[i].name);
}

static int go_on_working(void)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);
    char octet;
    void *memory = malloc(1 << 22);

    if (!memory || write(ends[0], "x", 1) != 1 || read(ends[1], &octet, 1) != 1)
        return SURPRISE;
    free(memory);
    if (getsockname(listener, (struct sockaddr *)&address, &bytes) != 0)
        return SURPRISE;
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK) >= 0 ? WORKED : SURPRISE;
}

Test(sandbox, OP04_the_sockets_that_are_there_work)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(client, (struct sockaddr *)&listening, sizeof(listening)), 0);
    cr_assert_eq(inside(go_on_working), WORKED);
    close(client);
}
