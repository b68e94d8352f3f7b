/* The certificate that the console shows: made once, kept, or the operator's. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/certificate.h"
#include "common/log.h"
#include "master/console_identity.h"

static char folder[] = "/tmp/postern-identity-XXXXXX";
static char empty[1], hostname[300] = "gw.test", certificate[128], key[128];
static struct conf conf;
static struct console_identity identity;
static struct reason why;

static void set_up(void)
{
    log_open("test", 2);
    cr_assert(mkdtemp(folder));
    conf.top_state_dir = folder;
    conf.top_hostname = hostname;
    conf.console_certificate = conf.console_key = empty;
}

static int remove_one(const char *path, const struct stat *info, int what, struct FTW *at)
{
    (void)info;
    (void)what;
    (void)at;
    return remove(path);
}

static void tear_down(void)
{
    console_identity_clear(&identity);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(console_identity, .init = set_up, .fini = tear_down);

static const char *own_file(void)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/console.pem", folder);
    return path;
}

Test(console_identity, SP62_made_at_the_first_start_and_kept)
{
    char first[sizeof(identity.fingerprint)];
    struct stat info;
    int64_t end_s;

    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
    cr_assert(strstr(identity.certificate, "BEGIN CERTIFICATE"));
    cr_assert(strstr(identity.key, "PRIVATE KEY"));
    cr_assert_not(identity.is_own);
    cr_assert_eq(strlen(identity.fingerprint), 32 * 3 - 1);
    cr_assert_eq(stat(own_file(), &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(certificate_end(own_file(), &end_s), 0);
    cr_assert_gt(end_s, time(NULL) + 9 * 365 * 86400LL);
    cr_assert_eq(identity.end_s, end_s);
    strcpy(first, identity.fingerprint);
    console_identity_clear(&identity);
    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
    cr_assert_str_eq(identity.fingerprint, first);
}

Test(console_identity, SP62_a_long_name_of_the_host_is_no_obstacle)
{
    memset(hostname, 'a', 200);
    for (int i = 50; i < 200; i += 50)
        hostname[i] = '.';
    hostname[200] = '\0';
    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

Test(console_identity, SP62_the_operators_own)
{
    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
    snprintf(certificate, sizeof(certificate), "%s/a.pem", folder);
    snprintf(key, sizeof(key), "%s/a.key", folder);
    write_file(certificate, identity.certificate);
    write_file(key, identity.key);
    console_identity_clear(&identity);
    unlink(own_file());
    conf.console_certificate = certificate;
    conf.console_key = key;
    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
    cr_assert(identity.is_own);
    cr_assert_eq(access(own_file(), F_OK), -1, "one of its own was made beside it");
}

Test(console_identity, SP62_what_is_wrong_is_named)
{
    snprintf(certificate, sizeof(certificate), "%s/none.pem", folder);
    conf.console_certificate = certificate;
    cr_assert_eq(console_identity_check(&conf, &why), -EINVAL);
    cr_assert(strstr(why.text, "console.key"), "%s", why.text);
    conf.console_key = certificate;
    cr_assert_eq(console_identity_check(&conf, &why), 0);
    cr_assert_eq(console_identity_load(&conf, &identity, &why), -ENOENT);
    cr_assert(strstr(why.text, certificate), "%s", why.text);
    cr_assert_null(identity.certificate);
    write_file(certificate, "no certificate\n");
    cr_assert_eq(console_identity_load(&conf, &identity, &why), -EBADMSG);
    cr_assert(strstr(why.text, certificate), "%s", why.text);
    cr_assert_null(identity.key);
}

Test(console_identity, SP62_a_key_of_another_certificate_is_named)
{
    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
    snprintf(certificate, sizeof(certificate), "%s/a.pem", folder);
    snprintf(key, sizeof(key), "%s/a.key", folder);
    write_file(certificate, identity.certificate);
    console_identity_clear(&identity);
    unlink(own_file());
    cr_assert_eq(console_identity_load(&conf, &identity, &why), 0, "%s", why.text);
    write_file(key, identity.key);
    console_identity_clear(&identity);
    conf.console_certificate = certificate;
    conf.console_key = key;
    cr_assert_eq(console_identity_load(&conf, &identity, &why), -EKEYREJECTED);
    cr_assert(strstr(why.text, key) && strstr(why.text, certificate), "%s", why.text);
    cr_assert_null(identity.key);
    write_file(key, "no key\n");
    cr_assert_eq(console_identity_load(&conf, &identity, &why), -EBADMSG);
    cr_assert(strstr(why.text, key), "%s", why.text);
}

Test(console_identity, SP62_a_folder_that_takes_no_file_is_named)
{
    static char none[] = "/nonexistent/postern";

    conf.top_state_dir = none;
    cr_assert_eq(console_identity_load(&conf, &identity, &why), -ENOENT);
    cr_assert(strstr(why.text, none), "%s", why.text);
}
