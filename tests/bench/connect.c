/* SPDX-License-Identifier: Apache-2.0 */

/* Connections a second, of real sockets: the client's threads open one after another, say a
 * byte, wait for the answer and leave with a reset, so that no port has to rest.
 *
 *   connect serve PORT                  until killed
 *   connect ask ADDRESS PORT SECONDS    prints connections a second, and how many failed
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define THREADS 16

static struct sockaddr_in address;
static volatile bool is_over;
static unsigned long done[THREADS], failed[THREADS];

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *serve(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char byte;

		if (fd < 0)
			continue;
		while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
			;
		close(fd);
	}
	return NULL;
}

static bool ask_once(void)
{
	const struct linger reset = { 1, 0 };
	const struct timeval patience = { 2, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte = 'x';
	bool is_good;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	is_good = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		  write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
	close(fd);
	return is_good;
}

static void *ask(void *arg)
{
	size_t id = (size_t)arg;

	while (!is_over) {
		if (ask_once())
			done[id]++;
		else
			failed[id]++;
	}
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int main_serve(void)
{
	const int one = 1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 4096))
		die("listen");
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, serve, &listener))
			die("thread");
	serve(&listener);
	return 0;
}

static int main_ask(unsigned for_seconds)
{
	pthread_t threads[THREADS];
	unsigned long n = 0, n_failed = 0;
	double begin = seconds();

	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, ask, (void *)i))
			die("thread");
	sleep(for_seconds);
	is_over = true;
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		n += done[i];
		n_failed += failed[i];
	}
	printf("%.0f %lu\n", (double)n / (seconds() - begin), n_failed);
	return 0;
}

int main(int argc, char **argv)
{
	bool is_server = argc == 3 && strcmp(argv[1], "serve") == 0;
	bool is_client = argc == 5 && strcmp(argv[1], "ask") == 0;

	address.sin_family = AF_INET;
	if (is_server)
		address.sin_port = htons((uint16_t)atoi(argv[2]));
	else if (is_client && inet_pton(AF_INET, argv[2], &address.sin_addr) == 1)
		address.sin_port = htons((uint16_t)atoi(argv[3]));
	else
		return fprintf(stderr, "connect serve PORT | ask ADDRESS PORT SECONDS\n"),
		       2;
	return is_server ? main_serve() : main_ask((unsigned)atoi(argv[4]));
}
