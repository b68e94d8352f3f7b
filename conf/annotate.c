/* conf/annotate.c: prints conf/postern.conf as the table of keys has it.
 *
 * ./dev test compares the two; `build/debug/bin/postern-annotate >conf/postern.conf` makes the file
 * anew after a change of the table. Not installed. */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf.h"

int main(void)
{
    char *text = conf_annotated();

    if (text == NULL || fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        perror("postern-annotate");
        return EXIT_FAILURE;
    }
    free(text);
    return EXIT_SUCCESS;
}
