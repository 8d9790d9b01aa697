# SPDX-License-Identifier: GPL-2.0-only
"""What a run needs before it boots: packages, sources, kernels, emulators, test programs."""
