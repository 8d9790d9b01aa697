#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Breaks the model's rules one at a time: the unit tests must notice each. breaks.sh UNIT
# With SAMPLE in the environment each eighth rule.
unit=$1
step=1
[ -z "${SAMPLE:-}" ] || step=8
passed=0
failed=0
for rule in $("$unit" --rules | awk "NR % $step == 0"); do
	timeout 20 "$unit" --break "$rule" >"$unit.$rule" 2>&1
	status=$?
	if [ "$status" = 0 ]; then
		echo "not ok - broken rule $rule: no unit test notices"
		failed=$((failed + 1))
	elif [ "$status" != 1 ]; then
		echo "not ok - broken rule $rule: a status of $status, no check that fails"
		failed=$((failed + 1))
	else
		by=$(sed -n 's/^not ok - //p' "$unit.$rule" | head -n 3 | tr '\n' ' ')
		[ -n "$by" ] || by=$(tail -n 1 "$unit.$rule")
		echo "ok - broken rule $rule: noticed by $by"
		passed=$((passed + 1))
	fi
	rm -f "$unit.$rule"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
