# SPDX-License-Identifier: GPL-2.0-only
"""KTAP in; results.json, junit.xml, report.html and a summary out."""
