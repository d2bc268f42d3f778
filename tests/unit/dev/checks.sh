#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The checks of tools/dev are seen to refuse what they are there to refuse.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

result() { # WORD SENTENCE
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || sed 's/^/# /' "$work/out"
}

# refuses 'SENTENCE' 'WHAT IT MUST SAY' COMMAND...: the command fails and says so
refuses() {
	sentence=$1 says=$2
	shift 2
	if "$@" >"$work/out" 2>&1; then
		result "not ok" "$sentence"
	elif grep -q -- "$says" "$work/out"; then
		result ok "$sentence"
	else
		result "not ok" "$sentence: for another reason"
	fi
}

accepts() {
	sentence=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		result ok "$sentence"
	else
		result "not ok" "$sentence"
	fi
}

# file PATH: standard input into a file of the pretended tree
file() {
	mkdir -p "$work/$(dirname "$1")"
	cat >"$work/$1"
}

header() { # PATH LINE...: a header with these lines in its first comment
	path=$1
	shift
	{
		printf '#pragma once\n\n'
		printf '%s\n' "$@"
		printf ' */\n'
	} | file "$path"
}

headers=tools/dev/check-headers
header agent/base/good.h '/* good: a thing.' ' *' ' * Shape    One.' ' * Errors   None.'
accepts "a contract with labels in order is fine" $headers "$work/agent/base/good.h"
header agent/base/none.h '/* a thing.' ' * Shape    One.'
refuses "a header without a contract is refused" "no contract" $headers "$work/agent/base/none.h"
header agent/base/bare.h '/* bare: a thing.'
refuses "a contract without labels is refused" "no labels" $headers "$work/agent/base/bare.h"
header agent/base/named.h '/* named: a thing.' ' * Shapes   One.'
refuses "a renamed label is refused" "label Shapes" $headers "$work/agent/base/named.h"
header agent/base/order.h '/* order: a thing.' ' * Errors   None.' ' * Shape    One.'
refuses "labels out of order are refused" "out of order" $headers "$work/agent/base/order.h"
header bpf/step.h '/* step: a thing.' ' * In       One.' ' * Result   0.'
accepts "a step of the packet path answers a step's questions" $headers "$work/bpf/step.h"
header agent/base/step.h '/* step: a thing.' ' * In       One.'
refuses "and nobody else does" "label In" $headers "$work/agent/base/step.h"

layers=tools/dev/check-layers
echo '#include "config/model.h"' | file agent/compile/a.c
accepts "the compiler reads the model" $layers "$work/agent/compile/a.c"
echo '#include "compile/image.h"' | file agent/config/a.c
refuses "the reader does not know the compiler" "may not include compile/" \
	$layers "$work/agent/config/a.c"
echo '#include <hg/image.h>' | file agent/config/b.c
refuses "nor the bytes of the image" "may not include <hg/image.h>" \
	$layers "$work/agent/config/b.c"
echo '#include "kernel/load.h"' | file agent/health/a.c
refuses "who judges targets does not touch the maps" "may not include kernel/" \
	$layers "$work/agent/health/a.c"
echo '#include <hg/image.h>' | file agent/health/b.c
refuses "nor knows their bytes" "may not include <hg/image.h>" $layers "$work/agent/health/b.c"
echo '#include "bpf/parse.h"' | file agent/compile/b.c
refuses "the packet path enters the agent by one file" "may not include bpf/" \
	$layers "$work/agent/compile/b.c"
echo '#include "bpf/parse.h"' | file agent/compile/eval.c
accepts "which is compile/eval.c" $layers "$work/agent/compile/eval.c"
echo '#include "kernel/load.h"' | file tools/headgate/a.c
refuses "the command line does not load programs" "may not include kernel/" \
	$layers "$work/tools/headgate/a.c"
echo '#include <netlink/netlink.h>' | file agent/kernel/a.c
refuses "netlink has one reader" "libnl" $layers "$work/agent/kernel/a.c"
echo '#include <cjson/cJSON.h>' | file agent/config/c.c
refuses "JSON has one reader" "cJSON" $layers "$work/agent/config/c.c"
printf 'int f(void)\n{\n\treturn time(NULL);\n}\n' | file agent/flow/a.c
refuses "the clock has one reader" "time is a parameter" $layers "$work/agent/flow/a.c"

source=tools/dev/check-source
licence='/* SPDX-License-Identifier: Apache-2.0 */'
echo "$licence" | file agent/base/free.c
accepts "a file begins with its licence" $source "$work/agent/base/free.c"
echo "$licence" | file bpf/free.h
refuses "which is another one in the kernel" "GPL-2.0-or-later OR BSD-2-Clause" \
	$source "$work/bpf/free.h"
printf '%s\n// no\n' "$licence" | file agent/base/slash.c
refuses "a // comment is refused" "comment with //" $source "$work/agent/base/slash.c"
printf '%s\nconst char *url = "http://localhost//";\n' "$licence" | file agent/base/url.c
accepts "but not an address in a string" $source "$work/agent/base/url.c"
printf '%s\n/* TO%s: it */\n' "$licence" DO | file agent/base/todo.c
refuses "a promise is refused" "a promise" $source "$work/agent/base/todo.c"
printf '%s\n/* caf\303\251 */\n' "$licence" | file agent/base/cafe.c
refuses "a letter beyond ASCII is refused" "not ASCII" $source "$work/agent/base/cafe.c"
{ echo "$licence" && echo 'int f(void)' && echo '{' && yes '	g();' | head -n 61 && echo '}'; } |
	file agent/base/long.c
refuses "a function of 61 lines is refused" "function of 61 lines" $source "$work/agent/base/long.c"
{ echo "$licence" && yes 'int f(void);' | head -n 600; } | file agent/base/big.c
refuses "a file of 601 lines is refused" "600 lines" $source "$work/agent/base/big.c"
sed -i '2i/* Long: it is a table. */' "$work/agent/base/big.c"
accepts "unless it says why" $source "$work/agent/base/big.c"

ledger=tools/dev/check-ledger
printf 'return -HG_DROP_FRAGMENT;\nreturn -HG_DROP_NO_ROUTE;\n' | file path/bpf.h
echo '{ "an orphan is refused", HG_DROP_FRAGMENT },' | file packet/a.c
refuses "a drop reason without a test is told" "not ok 2 - a test provokes NO_ROUTE" \
	env HG_BPF="$work/path" $ledger "$work/packet"
echo '{ "and so is a stray", HG_DROP_NO_ROUTE },' | file packet/b.c
accepts "until there is one" env HG_BPF="$work/path" $ledger "$work/packet"

tap=tests/lib/tap.sh
program() { # NAME: standard input becomes an executable shell script
	{ echo '#!/bin/sh' && cat; } | file "$1"
	chmod +x "$work/$1"
}
HG_RESULTS=
export HG_RESULTS
printf 'echo "ok 1 - a"\necho 1..1\n' | program good
accepts "a program whose tests pass passes" $tap x "$work/good"
printf 'echo "not ok 1 - a"\necho 1..1\nexit 1\n' | program bad
refuses "a failed test is counted" "x: 0 passed, 1 failed" $tap x "$work/bad"
printf 'echo "ok 1 - a"\n' | program planless
refuses "a program without a plan has failed" "without a plan" $tap x "$work/planless"
printf 'echo "ok 1 - a"\necho 1..2\n' | program short
refuses "a program that stops short of its plan has failed" "planned 2" $tap x "$work/short"
printf 'echo "ok 1 - a"\necho 1..1\nexit 3\n' | program unkind
refuses "a program that ends badly has failed" "exited with 3" $tap x "$work/unkind"
printf 'echo "ok 1 - a"\nkill -SEGV $$\n' | program dying
refuses "a program that dies has failed" "code 139" $tap x "$work/dying"
printf 'sleep 9\n' | program slow
refuses "a program that hangs is killed and has failed" "was killed" \
	env HG_SECONDS=1 $tap x "$work/slow"
refuses "a kind without programs has failed" "nothing to run" $tap x

echo "1..$n"
