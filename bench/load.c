/*
 * Load generator: N connections to one UNIX socket, each going through the
 * steps of a scenario over and over, one step awaited before the next is sent.
 *
 *   load SOCKET SCENARIO [-c CONNECTIONS] [-s SECONDS] [-w WARM_UP] [-n NAME] [-u]
 *
 * Scenarios (one pass through the steps is one operation):
 *   lookup   nspd.Lookup of NAME in the hosts namespace
 *   whole    Begin, NextEx, NextEx, End, each awaited
 *   race     Begin of a lookup that hangs; then NextEx and End sent together
 *   dns      nspd.Lookup of NAME in the DNS namespace
 *   varlink  io.systemd.Resolve.ResolveHostname of NAME
 *
 * With -u every operation asks for a name of its own under NAME, so that no
 * cache knows it.
 *
 * Prints one JSON object: operations, rate (1/s), the generator's own share of
 * one CPU, cancelled calls, and latencies of an operation in microseconds.
 * Exit: 0; 1 on a reply that is not the expected one, a lost connection or
 * silence; 2 on wrong usage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CANCELLED = 10111, NO_MORE = 10110 };
enum { MAX_REPLIES = 2, MAX_STEPS = 4, BUFFER = 65536, REQUEST = 4096, SILENCE_MS = 10000 };

/* What the next reply has to be. id -1: the protocol has no ids; code 0: a result. */
struct expected {
    int id;
    long code;
    const char *contains;
};

/* One write, and the replies that must follow it, in this order. */
struct step {
    const char *request; /* %N stands for the name, %L for the handle */
    int replies;
    struct expected expected[MAX_REPLIES];
};

struct scenario {
    const char *name;
    char terminator;
    bool session; /* starts with NSPv2Startup */
    int steps;
    struct step step[MAX_STEPS];
};

#define CALL(id, method, params) \
    "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"" method "\",\"params\":{" params "}}\n"
#define HOSTS_NAME "\"restrictions\":{\"service_instance_name\":\"%N\",\"namespace\":11}"
#define DNS_NAME "\"restrictions\":{\"service_instance_name\":\"%N\",\"namespace\":12}"
#define HANGING "\"restrictions\":{\"namespace\":65537,\"query_string\":\"records=0&hang=1\"}"
#define BEGIN(params) CALL(1, "NSPv2LookupServiceBegin", params)
#define NEXT(id) CALL(id, "NSPv2LookupServiceNextEx", "\"lookup\":%L")
#define END(id) CALL(id, "NSPv2LookupServiceEnd", "\"lookup\":%L")

static const struct scenario SCENARIOS[] = {
    {"lookup", '\n', false, 1,
     {{CALL(1, "nspd.Lookup", HOSTS_NAME), 1, {{1, 0, "\"service_instance_name\""}}}}},
    {"whole", '\n', true, 4,
     {{BEGIN(HOSTS_NAME), 1, {{1, 0, "\"lookup\""}}},
      {NEXT(2), 1, {{2, 0, "\"service_instance_name\""}}},
      {NEXT(3), 1, {{3, NO_MORE, NULL}}},
      {END(4), 1, {{4, 0, "\"cancelled\":0"}}}}},
    {"race", '\n', true, 2,
     {{BEGIN(HANGING), 1, {{1, 0, "\"lookup\""}}},
      {NEXT(2) END(3), 2, {{2, CANCELLED, NULL}, {3, 0, "\"cancelled\":1"}}}}},
    {"dns", '\n', false, 1, {{CALL(1, "nspd.Lookup", DNS_NAME), 1, {{1, 0, "\"addresses\""}}}}},
    {"varlink", '\0', false, 1,
     {{"{\"method\":\"io.systemd.Resolve.ResolveHostname\",\"parameters\":{\"name\":\"%N\"}}", 1,
       {{-1, 0, "\"addresses\""}}}}},
};

static const struct step STARTUP = {CALL(0, "NSPv2Startup", ""), 1, {{0, 0, "\"client_session\""}}};

struct connection {
    int fd;
    int step; /* -1: the Startup */
    int replies;
    long long handle;
    int64_t started; /* when the first step of this operation was sent, ns */
    size_t held;
    char buffer[BUFFER];
};

/* Log-linear buckets: 32 for each power of two, so a figure is at most 3 % too high. */
enum { SUB_BITS = 5, SUB = 1 << SUB_BITS, BUCKETS = (64 - SUB_BITS + 1) * SUB };

struct totals {
    long operations;
    long cancelled;
    int64_t longest;
    long histogram[BUCKETS];
};

static const struct scenario *scenario;
static const char *name = "localhost";
static int64_t serial; /* of the next name; 0: all ask for the same */
static struct totals totals;

__attribute__((noreturn, format(printf, 2, 3))) static void die(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int bucket_of(int64_t value)
{
    if (value < SUB)
        return (int)value;
    int shift = 63 - __builtin_clzll((unsigned long long)value) - SUB_BITS;
    return (shift + 1) * SUB + (int)(value >> shift) - SUB;
}

/* The largest value that falls into a bucket. */
static int64_t bucket_top(int bucket)
{
    if (bucket < SUB)
        return bucket;
    int shift = bucket / SUB - 1;
    return ((int64_t)(bucket % SUB + SUB + 1) << shift) - 1;
}

static double quantile_us(double share)
{
    long wanted = (long)(share * (double)totals.operations), seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += totals.histogram[i];
        if (seen > wanted) {
            int64_t top = bucket_top(i);
            return 1e-3 * (double)(top < totals.longest ? top : totals.longest);
        }
    }
    return 1e-3 * (double)totals.longest;
}

static void record(int64_t latency)
{
    totals.operations++;
    totals.histogram[bucket_of(latency)]++;
    if (latency > totals.longest)
        totals.longest = latency;
}

static const struct step *current(const struct connection *c)
{
    return c->step < 0 ? &STARTUP : &scenario->step[c->step];
}

static void send_step(struct connection *c)
{
    char request[REQUEST];
    char *out = request;
    for (const char *in = current(c)->request; *in; in++) {
        size_t room = (size_t)(request + sizeof request - out);
        int length = 1;
        if (in[0] == '%' && in[1] == 'L')
            length = snprintf(out, room, "%lld", c->handle), in++;
        else if (in[0] == '%' && in[1] == 'N' && serial)
            length = snprintf(out, room, "u%" PRIx64 ".%s", serial++, name), in++;
        else if (in[0] == '%' && in[1] == 'N')
            length = snprintf(out, room, "%s", name), in++;
        else
            *out = *in;
        out += length; /* main() has bounded the name, so that all of it fits */
    }
    if (scenario->terminator == '\0')
        *out++ = '\0';
    /* One step is under way at a time: the socket has room for it. */
    if (write(c->fd, request, (size_t)(out - request)) != out - request)
        die(1, "write: %s", strerror(errno));
    c->replies = 0;
}

/* What follows "key": in a reply; NULL if the key is not in it. */
static const char *value_of(const char *line, size_t length, const char *key)
{
    size_t size = strlen(key);
    const char *found = memmem(line, length, key, size);
    return found ? found + size : NULL;
}

/* The error code of a reply, 0 for a result. Verdicts hold "error":null, never an object. */
static long code_of(const char *line, size_t length)
{
    if (scenario->terminator == '\0')
        return value_of(line, length, "\"error\":") ? -1 : 0;
    const char *code = value_of(line, length, "\"error\":{\"code\":");
    return code ? atol(code) : 0;
}

static void check(struct connection *c, const char *line, size_t length)
{
    const struct expected *expected = &current(c)->expected[c->replies];
    const char *id = value_of(line, length, "\"id\":");
    long code = code_of(line, length);
    if (code != expected->code || (expected->id >= 0 && (!id || atoi(id) != expected->id)) ||
        (expected->contains && !value_of(line, length, expected->contains)))
        die(1, "%s, step %d: expected id %d, code %ld, %s; got %.*s", scenario->name, c->step,
            expected->id, expected->code, expected->contains ? expected->contains : "no more",
            (int)length, line);
    totals.cancelled += code == CANCELLED;
    const char *handle = code ? NULL : value_of(line, length, "\"lookup\":");
    if (handle)
        c->handle = atoll(handle);
    c->replies++;
}

static void step_done(struct connection *c)
{
    int64_t at = now();
    if (++c->step == scenario->steps) {
        record(at - c->started);
        c->step = 0;
    }
    if (c->step == 0)
        c->started = at;
    send_step(c);
}

static void readable(struct connection *c)
{
    ssize_t got = read(c->fd, c->buffer + c->held, sizeof c->buffer - c->held - 1);
    if (got <= 0)
        die(1, "connection lost: %s", got ? strerror(errno) : "end of file");
    char *line = c->buffer, *end = c->buffer + c->held + got, *stop;
    *end = '\0'; /* a number at the end of a reply must not run into old bytes */
    while ((stop = memchr(line, scenario->terminator, (size_t)(end - line)))) {
        check(c, line, (size_t)(stop - line));
        line = stop + 1;
        if (c->replies < current(c)->replies)
            continue;
        if (line != end) /* nothing is asked before a step is done, so nothing can be owed */
            die(1, "a reply to nothing: %.*s", (int)(end - line), line);
        step_done(c);
        break;
    }
    c->held = (size_t)(end - line);
    if (c->held >= sizeof c->buffer - 1)
        die(1, "reply longer than %d bytes", BUFFER);
    memmove(c->buffer, line, c->held);
}

static void run(int epoll, int64_t until)
{
    struct epoll_event events[256];
    while (now() < until) {
        int ready = epoll_wait(epoll, events, 256, SILENCE_MS);
        if (ready < 0 && errno != EINTR)
            die(1, "epoll_wait: %s", strerror(errno));
        if (ready == 0)
            die(1, "no reply within %d ms", SILENCE_MS);
        for (int i = 0; i < ready; i++)
            readable(events[i].data.ptr);
    }
}

static void open_connection(struct connection *c, const struct sockaddr_un *address, int epoll)
{
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)address, sizeof *address))
        die(1, "%s: %s", address->sun_path, strerror(errno));
    struct timeval silence = {.tv_sec = SILENCE_MS / 1000}; /* for a server that stops reading */
    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence))
        die(1, "setsockopt: %s", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
        die(1, "epoll_ctl: %s", strerror(errno));
    c->step = scenario->session ? -1 : 0;
    c->started = now();
    send_step(c);
}

static void report(int connections, double seconds, double cpu)
{
    printf("{\"scenario\":\"%s\",\"connections\":%d,\"seconds\":%.3f,\"operations\":%ld,"
           "\"rate\":%.1f,\"client_cpu\":%.3f,\"cancelled\":%ld,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           scenario->name, connections, seconds, totals.operations,
           (double)totals.operations / seconds, cpu / seconds, totals.cancelled, quantile_us(0.5),
           quantile_us(0.99), 1e-3 * (double)totals.longest);
}

static const struct scenario *find_scenario(const char *wanted)
{
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS; i++)
        if (!strcmp(SCENARIOS[i].name, wanted))
            return &SCENARIOS[i];
    die(2, "no scenario %s", wanted);
}

int main(int argc, char **argv)
{
    int connections = 50, option;
    double seconds = 3, warm_up = 0.2;
    while ((option = getopt(argc, argv, "c:s:w:n:u")) != -1) {
        switch (option) {
        case 'c': connections = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'w': warm_up = atof(optarg); break;
        case 'n': name = optarg; break;
        case 'u': serial = now(); break; /* no run repeats the names of another */
        default: return 2;
        }
    }
    if (argc - optind != 2 || connections < 1 || !(seconds > 0) || !(warm_up >= 0))
        die(2, "usage: load SOCKET SCENARIO [-c N] [-s SECONDS] [-w WARM_UP] [-n NAME] [-u]");
    if (strlen(name) > 230 || strpbrk(name, "\"\\%"))
        die(2, "not a plain name: %s", name);
    scenario = find_scenario(argv[optind + 1]);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(argv[optind]) >= sizeof address.sun_path)
        die(2, "socket path too long: %s", argv[optind]);
    strcpy(address.sun_path, argv[optind]);

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    if (epoll < 0 || !all)
        die(1, "%s", strerror(errno));
    for (int i = 0; i < connections; i++)
        open_connection(&all[i], &address, epoll);

    run(epoll, now() + (int64_t)(warm_up * 1e9));
    memset(&totals, 0, sizeof totals);
    int64_t started = now();
    double cpu = cpu_seconds();
    run(epoll, started + (int64_t)(seconds * 1e9));
    if (!totals.operations)
        die(1, "no operation completed");
    double elapsed = 1e-9 * (double)(now() - started);
    report(connections, elapsed, cpu_seconds() - cpu);
    return 0;
}
