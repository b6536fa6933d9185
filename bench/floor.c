/* SPDX-License-Identifier: MIT
 *
 * What the system calls alone cost: wait, read, write, and nothing in between.
 *
 *   floor pointer PORT OUT   each pointer message from PORT becomes x, y and SYN in the file OUT
 *   floor relay PORT OUT     what comes from PORT goes to the socket OUT
 */
#include <fcntl.h>
#include <linux/input.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE = 41, X = 28, Y = 32, EVENTS = 3 };

static char buffer[256 * 1024];
static struct input_event events[sizeof buffer / MESSAGE * EVENTS];

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return connect(fd, (struct sockaddr *)&address, sizeof address) ? -1 : fd;
}

static void put(struct input_event *event, int type, int code, int value)
{
    event->type = type;
    event->code = code;
    event->value = value;
}

/* Makes events of whole messages; what is left of the last one moves to the front. */
static size_t play(size_t *have)
{
    struct input_event *event = events;
    const char *at = buffer;
    for (; at + MESSAGE <= buffer + *have; at += MESSAGE) {
        int32_t x, y;
        memcpy(&x, at + X, sizeof x);
        memcpy(&y, at + Y, sizeof y);
        put(event++, EV_ABS, ABS_X, x);
        put(event++, EV_ABS, ABS_Y, y);
        put(event++, EV_SYN, SYN_REPORT, 0);
    }
    *have -= at - buffer;
    memmove(buffer, at, *have);
    return (char *)event - (char *)events;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int relays = !strcmp(argv[1], "relay");
    int port = dial(argv[2]), out = relays ? dial(argv[3]) : open(argv[3], O_WRONLY);
    int loop = epoll_create1(0);
    struct epoll_event ready = {.events = EPOLLIN};
    if (port < 0 || out < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, port, &ready))
        return 1;
    for (size_t have = 0;;) {
        ssize_t size;
        if (epoll_wait(loop, &ready, 1, -1) < 0 ||
            (size = read(port, buffer + have, sizeof buffer - have)) <= 0)
            return 0;
        have += size;
        const char *data = relays ? buffer : (char *)events;
        size_t left = relays ? have : play(&have);
        if (relays)
            have = 0;
        while (left) {
            ssize_t written = write(out, data, left);
            if (written < 0)
                return 1;
            data += written;
            left -= written;
        }
    }
}
