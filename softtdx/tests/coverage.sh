#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Line coverage of the model by the unit tests: coverage.sh OUT CC MODEL-FILES TEST-FILES
set -eu
out=$1 cc=$2 model=$3 unit=$4
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$out/coverage
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
for f in $model; do
	"$cc" -std=gnu11 -g -O0 --coverage -c "$top/$f" -o "$(basename "$f" .c).o"
done
mkdir tests
for f in $unit; do
	"$cc" -std=gnu11 -g -O0 -c "$top/$f" -o "tests/$(basename "$f" .c).o"
done
"$cc" --coverage ./*.o tests/*.o -lcrypto -o unit
./unit >/dev/null
# gcov prints for each file "File 'x'" and "Lines executed:97.30% of 111".
gcov -n ./*.gcno | awk -F"[:'% ]+" '
	/^File/ { file = $2; sub(".*/", "", file) }
	/^Lines executed/ && file ~ /\.c$/ {
		covered = $3 / 100 * $5
		printf "%-16s %6.1f%% of %d lines\n", file, $3, $5
		lines += $5; hit += covered; file = ""
	}
	END { printf "total %.1f%% of %d lines\n", 100 * hit / lines, lines }'
