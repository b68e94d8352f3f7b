/* posternd: the master of the gateway.
 *
 * posternd -c FILE [-f] [-t]: reads its configuration, goes into the background (unless -f) and
 * tells whoever started it, by its exit status, whether it could start. -t checks the file only. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/log.h"
#include "master/console_identity.h"
#include "master/listeners.h"
#include "master/master.h"
#include "master/startup.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static int usage(FILE *out, int status)
{
    fputs("usage: posternd -c FILE [-f] [-t]\n"
          "  -c FILE  the configuration file\n"
          "  -f       stay in the foreground\n"
          "  -t       check the file and end\n"
          "  -V       print the version\n",
          out);
    return status;
}

static int check(const char *path, const struct conf *conf)
{
    struct reason why;

    if (listeners_check(conf, &why) != 0 || console_identity_check(conf, &why) != 0) {
        fprintf(stderr, "posternd: %s: %s\n", path, why.text);
        return EXIT_REFUSED;
    }
    printf("%s: in order\n", path);
    return 0;
}

int main(int argc, char **argv)
{
    bool is_foreground = false, is_check = false;
    const char *given = NULL;
    struct conf *conf = NULL;
    struct reason why = { "" };
    char *path;
    int option, report_fd = -1;

    while ((option = getopt(argc, argv, "c:fthV")) != -1) {
        switch (option) {
        case 'c': given = optarg; break;
        case 'f': is_foreground = true; break;
        case 't': is_check = true; break;
        case 'h': return usage(stdout, 0);
        case 'V': puts("posternd " POSTERN_VERSION); return 0;
        default: return usage(stderr, EXIT_USAGE);
        }
    }
    if (given == NULL || optind != argc)
        return usage(stderr, EXIT_USAGE);
    if (conf_load(given, &conf, &why) != 0) {
        fprintf(stderr, "posternd: %s\n", why.text);
        return EXIT_REFUSED;
    }
    if (is_check) {
        int status = check(given, conf);

        conf_free(&conf);
        return status;
    }
    path = realpath(given, NULL); /* for SIGHUP, wherever we are then */
    if (path == NULL) {
        perror("posternd");
        return EXIT_REFUSED;
    }
    if (!is_foreground && (report_fd = startup_daemonise(&why)) < 0) {
        fprintf(stderr, "posternd: %s\n", why.text);
        return EXIT_REFUSED;
    }
    option = master_run(conf, path, report_fd);
    free(path);
    return option;
}
