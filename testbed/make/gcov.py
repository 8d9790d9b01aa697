# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that counts what it executes of KVM's mapping path (Documentation/dev-tools/gcov.rst)."""

from __future__ import annotations

# What is counted, as its Makefile names the object: the folder alone is not enough, since kbuild
# looks up the variable by that name.
OBJECTS = {
    "arch/x86/kvm/mmu/mmu.c": "mmu/mmu.o",
    "arch/x86/kvm/mmu/tdp_mmu.c": "mmu/tdp_mmu.o",
    "arch/x86/kvm/mmu/tdp_iter.c": "mmu/tdp_iter.o",
    "arch/x86/kvm/mmu/spte.c": "mmu/spte.o",
    "arch/x86/kvm/vmx/tdx.c": "vmx/tdx.o",
    "virt/kvm/kvm_main.c": "../../../virt/kvm/kvm_main.o",
    "virt/kvm/guest_memfd.c": "../../../virt/kvm/guest_memfd.o",
}

# Without early inlining small static functions have counters of their own; vCPUs count at once.
FLAGS = ("-fprofile-arcs", "-ftest-coverage", "-fno-tree-loop-im", "-fprofile-update=prefer-atomic",
         "-fno-early-inlining")

OPTIONS = (*(f"GCOV_PROFILE_{name}=y" for name in OBJECTS.values()), f"CFLAGS_GCOV={' '.join(FLAGS)}")
