# SPDX-License-Identifier: GPL-2.0-only
"""A LAVA of its own on this machine: what scripts/lava/local is made of."""
