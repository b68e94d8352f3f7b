#include <criterion/criterion.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/certificate.h"

static char folder[64];

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void setup(void)
{
    strcpy(folder, "/tmp/postern-certificate-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void teardown(void)
{
    run("rm -rf %s", folder);
}

TestSuite(certificate, .init = setup, .fini = teardown, .timeout = 60);

static void make(const char *name, int days)
{
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
        "-days %d -keyout %s/key -out %s/%s 2>/dev/null",
        days, folder, folder, name);
}

static int end_of(const char *name, int64_t *ret_days)
{
    char path[128];
    int64_t end_s = 0;
    int err;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    err = certificate_end(path, &end_s);
    *ret_days = (end_s - (int64_t)time(NULL) + 3600) / 86400;
    return err;
}

Test(certificate, of_a_chain_the_earliest_end_counts)
{
    int64_t days;

    make("long", 30);
    make("short", 5);
    run("cat %s/long %s/short %s/key >%s/chain", folder, folder, folder, folder);
    cr_assert_eq(end_of("long", &days), 0);
    cr_assert_eq(days, 30);
    cr_assert_eq(end_of("chain", &days), 0);
    cr_assert_eq(days, 5);
}

Test(certificate, what_is_none_says_so)
{
    int64_t days;

    cr_assert_eq(end_of("missing", &days), -ENOENT);
    run("echo nothing >%s/text", folder);
    cr_assert_eq(end_of("text", &days), -EBADMSG);
}
