/* SPDX-License-Identifier: Apache-2.0 */

/* budget OBJECT...: load every program of a BPF object with the verifier's statistics on,
 * and print a line for each: program, instructions processed, stack of it and its functions
 * together, instructions as compiled. Exit 1 when the kernel refuses one, with the end of
 * its reasons.
 *
 * The maps get the smallest size that still has room for a set of records: what the
 * verifier does depends on the value's size and never on how many there are.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LOG_STATS    4 /* BPF_LOG_STATS of the kernel, not in its uapi */
#define LOG_SIZE     (16U << 20)
#define LOG_TAIL     4000
#define FEW          64U
#define MAX_PROGRAMS 32

static char complaints[8192];

/* libbpf says why a program was refused on its way; kept until we know that it matters. */
static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t n = strlen(complaints);

	if (level != LIBBPF_WARN || n + 1 >= sizeof(complaints))
		return 0;
	return vsnprintf(complaints + n, sizeof(complaints) - n, format, args);
}

static void shrink_maps(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		enum bpf_map_type type = bpf_map__type(map);

		if (bpf_map__is_internal(map))
			continue;
		if (type == BPF_MAP_TYPE_RINGBUF)
			bpf_map__set_max_entries(map, 4096);
		else if (bpf_map__max_entries(map) > FEW)
			bpf_map__set_max_entries(map, FEW);
	}
}

/* The sum of "stack depth 120+32": a program and its functions, whoever calls whom. */
static unsigned stack_depth(const char *log)
{
	const char *at = strstr(log, "stack depth ");
	unsigned sum = 0;
	char *end;

	if (!at)
		return 0;
	at += strlen("stack depth ");
	for (;;) {
		sum += strtoul(at, &end, 10);
		if (*end != '+')
			return sum;
		at = end + 1;
	}
}

static void report(const struct bpf_program *program, const char *log)
{
	const char *at = strstr(log, "processed ");

	printf("%s %lu %u %zu\n", bpf_program__name(program),
	       at ? strtoul(at + strlen("processed "), NULL, 10) : 0, stack_depth(log),
	       bpf_program__insn_cnt(program));
}

static void explain_refusal(const char *path, struct bpf_object *object, char *logs[])
{
	struct bpf_program *program;
	size_t i = 0;

	fprintf(stderr, "budget: %s does not load\n%s", path, complaints);
	bpf_object__for_each_program(program, object)
	{
		const char *log = logs[i++];
		size_t n = strlen(log);

		/* A log without this line belongs to the program that was refused. */
		if (n && bpf_program__fd(program) < 0)
			fprintf(stderr, "%s: ...%s\n", bpf_program__name(program),
				log + (n > LOG_TAIL ? n - LOG_TAIL : 0));
	}
}

static int measure(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	char *logs[MAX_PROGRAMS] = { 0 };
	struct bpf_program *program;
	size_t n = 0;
	int r;

	if (!object) {
		fprintf(stderr, "budget: %s: %s\n", path, strerror(errno));
		return 1;
	}
	shrink_maps(object);
	bpf_object__for_each_program(program, object)
	{
		if (n == MAX_PROGRAMS || !(logs[n] = calloc(1, LOG_SIZE))) {
			fprintf(stderr, "budget: no room for the log\n");
			return 1;
		}
		bpf_program__set_log_level(program, LOG_STATS);
		bpf_program__set_log_buf(program, logs[n++], LOG_SIZE);
	}
	r = bpf_object__load(object);
	if (r < 0) {
		explain_refusal(path, object, logs);
	} else {
		n = 0;
		bpf_object__for_each_program(program, object) report(program, logs[n++]);
	}
	bpf_object__close(object);
	for (size_t i = 0; i < MAX_PROGRAMS; i++)
		free(logs[i]);
	return r < 0;
}

int main(int argc, char **argv)
{
	int code = 0;

	libbpf_set_print(keep);
	for (int i = 1; i < argc; i++)
		code |= measure(argv[i]);
	return code;
}
