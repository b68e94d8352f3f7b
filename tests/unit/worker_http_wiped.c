/* What HTTP requests leave in memory of what they sent and received: nothing (SP60). */
#include <fcntl.h>
#include <sys/mman.h>

#include "http_stage.h"

#include "common/secret.h"

static void setup(void)
{
    loop_guard_memory(); /* as in every process of ours; and the server is in this one */
    http_stage_begin(NULL);
    web = web_new(loop, NULL);
}

TestSuite(http_wiped, .init = setup, .fini = http_stage_end, .timeout = 60);

#define WINDOW (1U << 20)

static unsigned count_in(const char *bytes, size_t count, const char *first, const char *second)
{
    const char *at = bytes, *end = bytes + count;
    unsigned found = 0;

    while ((at = memmem(at, (size_t)(end - at), first, strlen(first))) != NULL) {
        at += strlen(first);
        found += (size_t)(end - at) >= strlen(second) && memcmp(at, second, strlen(second)) == 0;
    }
    return found;
}

/* How often the two stand one behind the other in what this process may write to. They are two so
 * that who looks does not find himself. Not in what a sanitizer has for itself, which is large, and
 * not on the stack, where the dynamic linker puts what registers hold. */
static unsigned count_in_memory(const char *first, const char *second)
{
    char *window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], access[5];
    unsigned long from, to;
    unsigned found = 0;
    ssize_t got;

    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[1] != 'w' ||
            to - from > 256UL << 20 || strstr(line, "[stack]") != NULL)
            continue;
        for (unsigned long at = from; at < to; at += WINDOW - 256) {
            if (at <= (unsigned long)window && (unsigned long)window < at + WINDOW)
                continue;
            got = pread(memory, window, to - at < WINDOW ? to - at : WINDOW, (off_t)at);
            if (got > 0)
                found += count_in(window, (size_t)got, first, second);
        }
    }
    fclose(maps);
    close(memory);
    explicit_bzero(window, WINDOW);
    munmap(window, WINDOW);
    return found;
}

static void put(char *out, const char *before, const char *first, const char *second)
{
    stpcpy(stpcpy(stpcpy(out, before), first), second);
}

static void look(struct asked *asked)
{
    *(unsigned *)asked->with = count_in_memory("answer-", "8d1f");
}

Test(http_wiped, SP60_nothing_of_a_request_or_its_answer_stays_in_memory)
{
    char header[64], body[64], answer[128];
    const char *const headers[] = { header, NULL };
    struct asked *asked = asked_new("http", "web.test", "/");
    unsigned then = 0;

    put(header, "Authorization: Bearer ", "header-", "7c2e");
    put(body, "client_secret=", "body-", "5a90");
    put(answer, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "answer-", "8d1f");
    web_on(web, "/", answer, 1);
    asked->request.method = "POST";
    asked->request.headers = headers;
    asked->request.body = body;
    asked->request.body_bytes = strlen(body);
    asked->then = look;
    asked->with = &then;
    asked_start(asked);
    explicit_bzero(header, sizeof(header));
    explicit_bzero(body, sizeof(body));
    cr_expect_gt(count_in_memory("header-", "7c2e"), 0u);
    cr_expect_gt(count_in_memory("body-", "5a90"), 0u);
    UNTIL(asked->told > 0);
    cr_assert_eq(asked->event, HTTP_ANSWERED, "%s", asked->why);
    cr_expect_str_eq(web->body + 14, "body-"
                                     "5a90");
    cr_expect_geq(then, 2u, "the answer, and the copy of this test");
    explicit_bzero(answer, sizeof(answer));
    explicit_bzero(asked->body, asked->body_bytes);
    secret_free(&web->head);
    secret_free(&web->body);
    cr_expect_eq(web->open, 1u);
    cr_expect_eq(count_in_memory("header-", "7c2e"), 0u);
    cr_expect_eq(count_in_memory("body-", "5a90"), 0u);
    cr_expect_eq(count_in_memory("answer-", "8d1f"), 0u);
    asked_free(&asked);
}
