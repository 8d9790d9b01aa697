# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that counts what it executes of KVM's mapping path (Documentation/dev-tools/gcov.rst)."""

from __future__ import annotations

# What is counted, as its Makefile names the object: by this name kbuild looks up the variable.
OBJECTS = (
    "mmu/mmu.o", "mmu/tdp_mmu.o", "mmu/tdp_iter.o", "mmu/spte.o", "vmx/tdx.o",
    "../../../virt/kvm/kvm_main.o", "../../../virt/kvm/guest_memfd.o",
)

# Without early inlining small static functions have counters of their own; vCPUs count at once.
FLAGS = ("-fprofile-arcs", "-ftest-coverage", "-fno-tree-loop-im", "-fprofile-update=prefer-atomic",
         "-fno-early-inlining")

OPTIONS = (*(f"GCOV_PROFILE_{name}=y" for name in OBJECTS), f"CFLAGS_GCOV={' '.join(FLAGS)}")
