/* SPDX-License-Identifier: Apache-2.0 */

/* Files that are not what they should be, and documents that are too much. */
#include "config/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <hg/limits.h>

#include "base/cleanup.h"
#include "tests/lib/tap.h"

static char dir[32];

/* The first complaint, without the directory in front; NULL without any. */
static char *said(const char *path, int *ret_status)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(model_freep) struct model *m = NULL;
	_cleanup_free_ char *line = NULL;
	const struct complaint *list;
	size_t n;

	*ret_status = config_read(path, d, &m);
	list = diag_list(d, &n);
	if (n == 0)
		return NULL;
	line = complaint_print(&list[0]);
	return strdup(strncmp(line, dir, strlen(dir)) == 0 ? line + strlen(dir) + 1
							   : line);
}

static void put(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *out = NULL;
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		bail("no memory");
	out = fopen(path, "w");
	if (!out || fputs(text, out) < 0)
		bail("%s: %s", path, strerror(errno));
}

static void files_make(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(dir, sizeof(dir), "/tmp/hg-read-%d", (int)getpid());
	if (mkdir(dir, 0700) < 0 || chdir(dir) < 0)
		bail("%s: %s", dir, strerror(errno));
	put("good.json", "{ \"headgate\": 1 }");
	put("empty.json", "");
	put("secret.json", "");
	put("large.json", "{ \"headgate\": 1 }");
	put("fifo-list.json",
	    "{ \"headgate\": 1, \"prefix_lists\": { \"a\": { \"file\": \"fifo\" } } }");
	put("large-list.json", "{ \"headgate\": 1, \"prefix_lists\": { \"a\": { "
			       "\"file\": \"large.list\" } } }");
	put("large.list", "10.0.0.0/8\n");
	/* Holes: both are refused before a byte is read. */
	if (truncate("large.json", 50 << 20) < 0 ||
	    truncate("large.list", HG_MAX_LIST_BYTES + 1L) < 0)
		bail("truncate: %s", strerror(errno));
	if (mkfifo("fifo", 0600) < 0 || mkdir("none", 0700) < 0 ||
	    mkdir("odd", 0700) < 0 || mkdir("odd/sub.json", 0700) < 0 ||
	    mkdir("closed", 0700) < 0 || symlink("loop.json", "loop.json") < 0)
		bail("%s: %s", dir, strerror(errno));
	put("odd/good.json", "{ \"headgate\": 1 }");
	put("odd/bad.json", "{");
	put("odd/ignored.txt", "{");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "socket");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		bail("bind: %s", strerror(errno));
}

static void files_remove(void)
{
	static const char *const names[] = {
		"good.json",      "empty.json",      "large.json",
		"fifo-list.json", "large-list.json", "large.list",
		"fifo",           "socket",          "odd/good.json",
		"odd/bad.json",   "odd/ignored.txt", "loop.json",
		"secret.json",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	rmdir("odd/sub.json");
	rmdir("closed");
	rmdir("odd");
	rmdir("none");
	rmdir(dir);
}

static const struct {
	const char *says;
	const char *name;
	int status;
	const char *complaint;
} files[] = {
	{ "a rule set is read", "good.json", 0, NULL },
	{ "a file that is not there is complained of", "absent.json", -ENOENT,
	  "absent.json: cannot be opened: No such file or directory" },
	{ "an empty file is complained of", "empty.json", -EINVAL,
	  "empty.json:1:1: the document is empty" },
	{ "50 MB are too many", "large.json", -EFBIG,
	  "large.json: has 52428800 bytes; the most is 33554432" },
	{ "a FIFO is refused without waiting", "fifo", -EINVAL,
	  "fifo: is a FIFO, not a file" },
	{ "a socket is refused", "socket", -EINVAL, "socket: is a socket, not a file" },
	{ "a link to itself is refused", "loop.json", -ELOOP,
	  "loop.json: cannot be opened: Too many levels of symbolic links" },
	{ "a directory without rule sets is refused", "none", -EINVAL,
	  "none: has 0 files *.json; it should have 1 to 1024" },
	{ "every bad file of a directory is complained of", "odd", -EINVAL,
	  "odd/bad.json:1:2: expected a key in double quotes, found the end of the "
	  "document" },
	{ "a prefix list that is a FIFO is refused", "fifo-list.json", -EINVAL, NULL },
	{ "a prefix list that is too large is refused", "large-list.json", -EINVAL,
	  NULL },
};

static void test_files(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = NULL, *got = NULL;
		int status;

		if (asprintf(&path, "%s/%s", dir, files[i].name) < 0)
			bail("no memory");
		got = said(path, &status);
		is(status, files[i].status, "%s: status", files[i].says);
		if (files[i].complaint || files[i].status == 0)
			is_str(got, files[i].complaint, "%s", files[i].says);
		else
			ok(got && strstr(got, strstr(files[i].name, "fifo")
						      ? "is a FIFO, not a file"
						      : "has 134217729 bytes; the most "
							"is 134217728"),
			   "%s: %s", files[i].says, got);
	}
}

/* Root may read everything: be nobody for a moment. */
static void test_unreadable(void)
{
	_cleanup_free_ char *file = NULL, *closed = NULL, *path = NULL, *below = NULL;
	bool is_root = geteuid() == 0;
	int status;

	if (asprintf(&path, "%s/secret.json", dir) < 0 ||
	    asprintf(&below, "%s/closed", dir) < 0)
		bail("no memory");
	if (chmod(dir, 0755) < 0 || chmod(path, 0) < 0 || chmod(below, 0) < 0 ||
	    (is_root && seteuid(65534) < 0))
		bail("%s: %s", dir, strerror(errno));
	file = said(path, &status);
	is_str(file, "secret.json: cannot be opened: Permission denied",
	       "a file that may not be read is complained of");
	closed = said(below, &status);
	is_str(closed, "closed: cannot be read: Permission denied",
	       "a directory that may not be read is complained of");
	if (is_root && seteuid(0) < 0)
		bail("seteuid: %s", strerror(errno));
}

static void test_odd(void)
{
	_cleanup_free_ char *device = NULL, *nothing = NULL, *relative = NULL;
	int status;

	device = said("/dev/zero", &status);
	is_str(device, "/dev/zero: is a device, not a file", "a device is refused");
	nothing = said("", &status);
	is_str(nothing, "cannot be opened: No such file or directory",
	       "nothing is no file");
	relative = said("good.json", &status);
	is(status, 0, "a name without directory is read from here");
}

/* Documents that are a list of the same thing. */
static char *repeat(const char *before, const char *format, unsigned n, const char *after)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(before, out);
	for (unsigned i = 0; i < n; i++) {
		fputs(i > 0 ? "," : "", out);
		fprintf(out, format, i);
	}
	fputs(after, out);
	fclose(out);
	return text;
}

static const struct {
	const char *says;
	const char *before, *format, *after;
	unsigned most;
	const char *complaint;
} limits[] = {
	{ "VPCs", "{\"headgate\":1,\"vpcs\":{", "\"v%u\":{\"cidrs\":[\"10.0.0.0/8\"]}",
	  "}}", HG_MAX_VPCS, "j:1:22: /vpcs: 257 objects of this kind; the most is 256" },
	{ "port ranges",
	  "{\"headgate\":1,\"security_groups\":{\"g\":{\"ingress\":[{\"protocol\":6,"
	  "\"peers\":[],\"ports\":[",
	  "%u", "]}]}}}", HG_MAX_PORT_RANGES,
	  "j:1:83: /security_groups/g/ingress/0/ports: 65 elements; the most is 64" },
	{ "tags", "{\"headgate\":1,\"tags\":{", "\"t%u\":\"\"", "}}", HG_MAX_TAGS,
	  "j:1:22: /tags: 51 tags; the most is 50" },
	{ "prefix lists", "{\"headgate\":1,\"prefix_lists\":{",
	  "\"l%u\":{\"entries\":[]}", "}}", HG_MAX_PREFIX_LISTS,
	  "j:1:30: /prefix_lists: 1025 objects of this kind; the most is 1024" },
	{ "rules of a direction", "{\"headgate\":1,\"network_acls\":{\"n\":{\"egress\":[",
	  "{\"rule\":1%u,\"action\":\"deny\",\"protocol\":6,\"cidr\":\"::/0\"}", "]}}}",
	  HG_MAX_NACL_RULES,
	  "j:1:45: /network_acls/n/egress: 131073 elements; the most is 131072" },
};

static char *said_text(const char *text)
{
	_cleanup_(diag_freep) struct diag *d = diag_new();
	_cleanup_(model_freep) struct model *m = NULL;
	const struct complaint *list;
	size_t n;

	config_read_text("j", text, strlen(text), NULL, d, &m);
	list = diag_list(d, &n);
	for (size_t i = 0; i < n; i++)
		if (list[i].level == DIAG_ERROR)
			return complaint_print(&list[i]);
	return NULL;
}

static void test_limits(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		_cleanup_free_ char *just = NULL, *over = NULL, *at = NULL,
				    *beyond = NULL;

		just = repeat(limits[i].before, limits[i].format, limits[i].most,
			      limits[i].after);
		over = repeat(limits[i].before, limits[i].format, limits[i].most + 1,
			      limits[i].after);
		at = said_text(just);
		beyond = said_text(over);
		is_str(at, NULL, "%u %s are allowed", limits[i].most, limits[i].says);
		is_str(beyond, limits[i].complaint, "%u %s are not", limits[i].most + 1,
		       limits[i].says);
	}
}

static void test_text(void)
{
	_cleanup_free_ char *list = said_text(
		"{\"headgate\":1,\"prefix_lists\":{\"a\":{\"file\":\"a.list\"}}}");

	is_str(list,
	       "j:1:43: /prefix_lists/a/file: this rule set has no directory: \"file\" "
	       "cannot be "
	       "read, use \"entries\"",
	       "a rule set from nowhere has no files beside it");
}

int main(void)
{
	files_make();
	test_files();
	test_unreadable();
	test_odd();
	files_remove();
	test_limits();
	test_text();
	return done();
}
