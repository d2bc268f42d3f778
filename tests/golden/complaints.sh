#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Every complaint in agent/config is provoked by a test: each sentence in the source, with what
# is filled in left open, is found in a golden text or a unit test.
set -eu

said=$(mktemp)
trap 'rm -f "$said" "$said.want"' EXIT
cat tests/golden/check/*.txt >"$said"
# In C, a text in several pieces is one, and its quotes and backslashes are escaped.
for test in tests/unit/config/*.c; do
	tr '\n' ' ' <"$test" | sed 's/" *[\t ]*"//g; s/\\"/"/g; s/\\\\/\\/g; s/", */&\n/g'
done >>"$said"

# One line a sentence, as an extended regular expression.
for source in agent/config/*.c; do
	tr '\n' ' ' <"$source" |
		grep -oE '[^a-z_](complain|complain_key|complain_where|warn|warn_where|diag_add)\(([^;"]|"([^"\\]|\\.)*")*' |
		sed 's/%" *PRId64 *"/%d/g; s/%" *PRId64/%d"/g; s/"[\t ]*"//g' |
		grep -oE '"([^"\\]|\\.)*"' |
		sed 's/^"//; s/"$//' |
		grep -E ' ' |
		sed -E 's/\\"/"/g; s/\\\\/\\/g; s/%(\.\*)?[0-9]*(zu|[sudcx]|lld|04x|02x)/\x01/g; s/[][\\.^$*+?(){}|]/\\&/g; s/\x01/.*/g'
done | sort -u >"$said.want"

n=0
bad=0
while IFS= read -r sentence; do
	n=$((n + 1))
	if grep -qE -e "$sentence" "$said"; then
		echo "ok $n - a test provokes: $sentence"
	else
		bad=1
		echo "not ok $n - a test provokes: $sentence"
	fi
done <"$said.want"
echo "1..$n"
exit $bad
