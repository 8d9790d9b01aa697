# SPDX-License-Identifier: GPL-2.0-only
"""Where tests run: this host or an emulated one, and who watches it."""
