#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the suite; ./run_tests.sh --help tells how.  The work is done by the
# Python package testbed/: this script only finds (or installs) a Python.

suite=$(dirname "$(readlink -f "$0")")

find_python() {
	for python in /usr/bin/python3 "$(command -v python3)"; do
		[ -x "$python" ] || continue
		"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && return
	done
	return 1
}

if ! find_python; then
	line="apt-get install --no-install-recommends -y python3"
	case " $* " in *" --no-install "* | *" native "*) may_install= ;; *) may_install=yes ;; esac
	if [ -n "$may_install" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		printf 'installing Python:\n  %s\n' "$line"
		said=$(apt-get -q update 2>&1 && DEBIAN_FRONTEND=noninteractive $line -q 2>&1) ||
			printf '%s\n' "$said"
	fi
	find_python || {
		printf 'Python 3.11 or newer is needed; as root:\n  %s\n' "$line"
		exit 3
	}
fi

PYTHONPATH=$suite${PYTHONPATH:+:$PYTHONPATH} exec "$python" -P -m testbed "$@"
