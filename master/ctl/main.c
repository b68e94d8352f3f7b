/* posternctl: the command line of the control API. */
#include <signal.h>

#include "master/ctl/ctl.h"

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, and reported */
    return ctl_main(argc, argv, stdout, stderr);
}
