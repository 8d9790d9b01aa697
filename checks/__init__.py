# SPDX-License-Identifier: GPL-2.0-only
"""What `make check` consists of: scripts/check has the list."""
