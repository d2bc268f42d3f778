/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/tap.h"

/* What was written to standard error since the last call. */
static const char *written(int fd, char buf[static 256])
{
	ssize_t n = read(fd, buf, 255);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

int main(void)
{
	enum log_level level = LOG_LEVEL_ERROR;
	char buf[256];
	int pipes[2];
	uint64_t before;

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0 || dup2(pipes[1], STDERR_FILENO) < 0)
		bail("pipe: %s", strerror(errno));
	log_warning("%d rules", 3);
	is_str(written(pipes[0], buf), "<4>3 rules\n",
	       "the journal reads the level of a line");
	log_error("one\ntwo");
	is_str(written(pipes[0], buf), "<3>one two\n", "a line is one line");
	log_debug("detail");
	is_str(written(pipes[0], buf), "", "details are not said unless asked for");
	is(log_level_parse("debug", &level), 0, "a level has a name");
	log_set_level(level);
	log_debug("detail");
	is_str(written(pipes[0], buf), "<7>detail\n", "details are said when asked for");
	errno = EBUSY;
	log_info("x");
	is(errno, EBUSY, "logging leaves errno alone");
	is(log_level_parse("loud", &level), -EINVAL, "other names are refused");
	is(level, LOG_LEVEL_DEBUG, "and change nothing");

	before = clock_monotonic_ns();
	ok(clock_monotonic_ns() >= before && before > 0, "time does not go back");
	ok(clock_realtime_s() > 1600000000, "seconds are counted from 1970");
	return done();
}
