# SPDX-License-Identifier: GPL-2.0-only
"""The emulated KVM host and the runner behind run_tests.sh."""
