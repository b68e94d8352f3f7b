/* common/certificate.h: until when a certificate is good. */
#ifndef COMMON_CERTIFICATE_H
#define COMMON_CERTIFICATE_H

#include <stdint.h>

/* The earliest end (Unix time) of those in a PEM file: of a chain the whole must hold. Reads the
 * file. 0, -ENOENT and the like, -EBADMSG: there is no certificate in it. */
int certificate_end(const char *path, int64_t *ret_end_s);

#endif
