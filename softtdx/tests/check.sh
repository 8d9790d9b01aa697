#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# All checks of the model: check.sh OUT. Environment: MAKE, SEED (of the property test), SAMPLE
# (if set: a second of the fuzzer, an eighth of the rules).
# Last line: N passed, N failed, N skipped.
set -u
out=$1
here=$(dirname "$0")
fuzz_seconds=10
[ -z "${SAMPLE:-}" ] || fuzz_seconds=1
passed=0
failed=0
skipped=0

add() { # from a line "N passed, N failed, N skipped"
	passed=$((passed + $1))
	failed=$((failed + $3))
	skipped=$((skipped + $5))
}

one() { # 0 or 1, text
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "ok - $2"
	else
		failed=$((failed + 1))
		echo "not ok - $2"
	fi
}

# A program that ends with its own count; one that dies before counts as a failure.
program() {
	log=$out/log
	"$@" >"$log" 2>&1
	status=$?
	grep -v '^ok - ' "$log"
	count=$(tail -n 1 "$log" | grep '^[0-9]* passed, [0-9]* failed, [0-9]* skipped$' | tr -d ,)
	# shellcheck disable=SC2086
	[ -z "$count" ] || add $count
	if [ "$status" != 0 ] && ! grep -q '^not ok' "$log"; then
		one 1 "$* ended with status $status"
	fi
}

"${MAKE:-make}" -s -j2 "$out/unit" "$out/property" "$out/fuzzer" "$out/threads" \
	"$out/breakable" "$out/exchanges" "$out/model.o"
one $? "everything builds"

stray=$(nm -g --defined-only "$out/model.o" | grep -cv ' T softtdx_')
one "$stray" "the model's object defines softtdx_* only"
/usr/bin/python3 "$here/mrtd_vectors.py"
one $? "MRTD vectors equal a calculation with hashlib"

/usr/bin/python3 "$here/leaf_table.py" --check
one $? "docs/softtdx_leaves.md is current"

echo "# unit tests"
program "$out/unit"
echo "# recorded exchanges"
program "$out/exchanges" "$here"/exchanges/*.txt
echo "# random calls"
program "$out/property" "${SEED:-}"
echo "# four CPUs at once"
program "$out/threads" 3
echo "# fuzzer"
mkdir -p "$out/corpus"
"$out/fuzzer" -max_total_time="$fuzz_seconds" -max_len=2048 -artifact_prefix="$out/" "$out/corpus" \
	>"$out/fuzz.log" 2>&1
status=$?
[ "$status" = 0 ] || tail -n 30 "$out/fuzz.log"
one "$status" "fuzzer: $(sed -n 's/^Done //p' "$out/fuzz.log")"
echo "# line coverage"
"${MAKE:-make}" -s coverage | tee "$out/log"
total=$(sed -n 's/^total \([0-9]*\).*/\1/p' "$out/log")
[ "${total:-0}" -ge 90 ]
one $? "line coverage of at least 90 %"
echo "# rules broken one at a time"
program "$here/breaks.sh" "$out/breakable"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
