/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "config/json.h"
#include "tests/lib/tap.h"

static char dir[64] = "/tmp/headgate-history-XXXXXX";

static struct history *reopen(struct history *h)
{
	history_free(h);
	h = NULL;
	if (history_open(dir, &h) < 0)
		bail("%s cannot be opened again", dir);
	return h;
}

static int write_version(struct history *h, const char *text)
{
	_cleanup_(json_freep) struct json *meta = json_new_object();

	json_set_number(meta, "version", history_current(h) + 1.0);
	return history_write(h, text, strlen(text), meta);
}

static void text_is(const struct history *h, uint32_t version, const char *want,
		    const char *says)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = history_text(h, version, &text, &size);

	if (want)
		is_str(r < 0 ? NULL : text, want, "%s", says);
	else
		is(r, -ENOENT, "%s", says);
}

static void test_versions(struct history **h)
{
	struct history *other = NULL;

	is(history_current(*h), 0, "an empty directory has no version in force");
	is(history_open(dir, &other), -EBUSY, "a second agent is kept out");
	is(write_version(*h, "one"), 1, "versions count from 1");
	text_is(*h, 1, NULL, "a version that was only written cannot be read");
	is(history_commit(*h, 1), 0, "a version can be committed");
	text_is(*h, 1, "one", "and then reads as it was written");
	is(write_version(*h, "two"), 2, "the next has the next number");
	*h = reopen(*h);
	is(history_current(*h), 1,
	   "after a death before the commit the older version is in force");
	text_is(*h, 2, NULL, "and the newer one is gone");
	is(write_version(*h, "two again"), 2, "its number is free again");
	history_commit(*h, 2);
	*h = reopen(*h);
	is(history_current(*h), 2,
	   "after a death behind the commit the newer version is in force");
	text_is(*h, 2, "two again", "with its own document");
	text_is(*h, 1, "one", "older documents can still be had");
}

static void test_pending(struct history **h)
{
	struct pending p = { .version = 3, .fallback = 2, .deadline = 1234567890123 };

	write_version(*h, "three");
	is(history_expect(*h, &p), 0, "a confirmation can be asked for");
	is(history_pending(*h).version, 0, "but is not awaited before the commit");
	*h = reopen(*h);
	is(history_pending(*h).version, 0, "nor when the version was never committed");
	write_version(*h, "three");
	history_expect(*h, &p);
	history_commit(*h, 3);
	*h = reopen(*h);
	is(history_pending(*h).version, 3, "after a restart it is still awaited");
	is(history_pending(*h).fallback, 2, "with the version to go back to");
	is(history_pending(*h).deadline, 1234567890123, "and the same deadline");
	write_version(*h, "four");
	p = (struct pending){ .version = 4, .fallback = 2, .deadline = 5 };
	history_expect(*h, &p);
	*h = reopen(*h);
	is(history_pending(*h).version, 3,
	   "a death before the commit of the next does not forget it");
	is(history_confirm(*h), 0, "it can be confirmed");
	*h = reopen(*h);
	is(history_pending(*h).version, 0, "and is awaited no more");
	is(history_current(*h), 3, "the version stays in force");
}

static void test_age(struct history **h)
{
	struct json *list;

	for (int i = 0; i < HISTORY_KEPT; i++)
		history_commit(*h, (uint32_t)write_version(*h, "more"));
	list = history_list(*h);
	is((long long)json_size(list), HISTORY_KEPT, "the last %d versions are kept",
	   HISTORY_KEPT);
	is((long long)json_number(json_get(json_first(list), "version")),
	   3 + HISTORY_KEPT, "newest first");
	json_free(list);
	text_is(*h, 3, NULL, "what is older is gone");
	text_is(*h, 4, "more", "what is not is there");
}

static void test_damage(void)
{
	char path[128];
	struct history *h = NULL;
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/current", dir);
	f = fopen(path, "we");
	fputs("12x\n", f);
	fflush(f);
	is(history_open(dir, &h), -EBADMSG,
	   "a damaged pointer is refused, not guessed at");
	history_free(h);
}

int main(void)
{
	char command[128];
	struct history *h = NULL;

	if (!mkdtemp(dir))
		bail("no temporary directory");
	h = reopen(h);
	test_versions(&h);
	test_pending(&h);
	test_age(&h);
	history_free(h);
	test_damage();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? done() : 1;
}
