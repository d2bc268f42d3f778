#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tests/lib/tap.sh KIND PROGRAM...: run TAP programs and add them up.
#
# Failures are printed in full with the notes below them, the rest as one line a program; the
# last line is "KIND: N passed, N failed, N skipped". A program that dies, that prints no
# plan, that stops short of its plan or that exits with failure though every test passed
# counts as a failure. The sums are left in $HG_RESULTS/KIND where that is set.
# HG_SECONDS bounds one program (300); HG_VERBOSE=1 prints everything.
set -eu

kind=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

for program in "$@"; do
	case $program in
	*/*) path=$program ;;
	*) path=./$program ;;
	esac
	code=0
	timeout -s KILL "${HG_SECONDS:-300}" "$path" </dev/null >"$work/out" 2>&1 || code=$?
	awk -v program="$program" -v code="$code" -v verbose="${HG_VERBOSE:-0}" \
		-v sums="$work/sums" '
	function fail(text) {
		printf "not ok - %s: %s\n", program, text
		failed++
	}
	/^not ok.*# TODO/ { skipped++; n++; shown = 0; next }
	/^not ok/ { printf "%s: ", program; failed++; n++; shown = 1 }
	/^ok.*# SKIP/ { printf "%s: %s\n", program, $0; skipped++; n++; shown = 0; next }
	/^ok/ { passed++; n++; shown = 0 }
	/^1\.\.[0-9]+/ { has_plan = 1; plan = substr($1, 4) + 0 }
	/^Bail out!/ || (!/^(not )?ok/ && !/^#/ && !/^1\.\./) { shown = 1 }
	shown || verbose == 1 { print }
	END {
		if (code == 137 || code == 124)
			fail("was killed, after " n + 0 " tests")
		else if (!has_plan)
			fail("ended with code " code " and without a plan, after " n + 0 " tests")
		else if (plan != n)
			fail("planned " plan " tests and ran " n + 0)
		else if (code != 0 && !failed)
			fail("exited with " code " though no test failed")
		printf "%-46s %5d passed", program, passed
		if (failed)
			printf ", %d FAILED", failed
		if (skipped)
			printf ", %d skipped", skipped
		printf "\n"
		print passed + 0, failed + 0, skipped + 0 >sums
	}' "$work/out"
	read -r p f s <"$work/sums"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

if [ $# -eq 0 ]; then
	echo "not ok - $kind: there is nothing to run"
	failed=1
fi
if [ -n "${HG_RESULTS:-}" ]; then
	mkdir -p "$HG_RESULTS"
	echo "$passed $failed $skipped" >"$HG_RESULTS/$kind"
fi
echo "$kind: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
