/* Round trips between two threads or two processes that read eventfds which
   block. "wake threads N" and "wake processes N" print how many nanoseconds N round
   trips took. */

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ping, pong;

static void signal_it(int fd)
{
	uint64_t one = 1;
	if (write(fd, &one, sizeof one) != sizeof one)
		exit(2);
}

static void wait_for(int fd)
{
	uint64_t value;
	if (read(fd, &value, sizeof value) != sizeof value)
		exit(2);
}

static void *echo(void *unused)
{
	for (;;) {
		wait_for(ping);
		signal_it(pong);
	}
	return unused;
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void trips(long n)
{
	for (long i = 0; i < n; i++) {
		signal_it(ping);
		wait_for(pong);
	}
}

int main(int argc, char **argv)
{
	pid_t child = 0;
	pthread_t thread;
	long long start;
	long n;

	ping = eventfd(0, EFD_CLOEXEC);
	pong = eventfd(0, EFD_CLOEXEC);
	if (argc != 3 || ping < 0 || pong < 0)
		return 2;
	if (strcmp(argv[1], "processes") == 0) {
		child = fork();
		if (child < 0)
			return 2;
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			echo(NULL);
		}
	} else if (pthread_create(&thread, NULL, echo, NULL) != 0) {
		return 2;
	}
	n = atol(argv[2]);
	trips(n / 4 + 1); /* warms the caches */
	start = now();
	trips(n);
	printf("%lld\n", now() - start);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return 0;
}
