# SPDX-License-Identifier: GPL-2.0-only
"""EPT with five levels, as the CPUs have on which TDX runs (Intel SDM 3, 30.3.2).

Bochs' models do not have it; Sapphire Rapids gets it, the others stay as they are.
"""

from testbed.make.bochs_edits.edit import Edit

WHY = "EPT with five levels"
EPT5 = (
    Edit(WHY, "cpu/cpuid.h",
         "#define BX_VMX_SPEC_CTRL_VIRTUALIZATION (1 << 27)",
         "#define BX_VMX_EPT_5_LEVELS (1 << 28)\n"
         "#define BX_VMX_SPEC_CTRL_VIRTUALIZATION (1 << 27)"),
    Edit(WHY, "cpu/cpudb/intel/sapphire_rapids.cc",
         "BX_VMX_EPT_ACCESS_DIRTY |", "BX_VMX_EPT_ACCESS_DIRTY |\n         BX_VMX_EPT_5_LEVELS |"),
    Edit(WHY, "cpu/vmcs.cc", "if (BX_SUPPORT_VMX_EXTENSION(BX_VMX_EPT_ACCESS_DIRTY)) "
         "cap->vmx_ept_vpid_cap_supported_bits",
         "if (BX_SUPPORT_VMX_EXTENSION(BX_VMX_EPT_5_LEVELS))\n"
         "      cap->vmx_ept_vpid_cap_supported_bits |= (1 << 7);\n"
         "    if (BX_SUPPORT_VMX_EXTENSION(BX_VMX_EPT_ACCESS_DIRTY))\n"
         "      cap->vmx_ept_vpid_cap_supported_bits"),
    Edit(WHY, "cpu/vmx.cc", "if (walk_length != 3) return false;",
         "if (walk_length != 3 &&\n"
         "      ! (walk_length == 4 && BX_SUPPORT_VMX_EXTENSION(BX_VMX_EPT_5_LEVELS))) "
         "return false;"),
    # The level of the root's entries: bits 5:3 of the EPT pointer are one less than the
    # number of levels.
    Edit(WHY, "cpu/paging.cc", "#define BX_VMX_EPT_ACCESS_DIRTY_ENABLED",
         "#define BX_VMX_EPT_ROOT_LEVEL ((int) (BX_CPU_THIS_PTR vmcs.eptptr >> 3 & 7))\n"
         "#define BX_VMX_EPT_ACCESS_DIRTY_ENABLED"),
    Edit(WHY, "cpu/paging.cc",
         "bx_phy_address entry_addr[4], ppf = LPFOf(vm->eptptr); Bit64u entry[4];",
         "bx_phy_address entry_addr[5], ppf = LPFOf(vm->eptptr);\n  Bit64u entry[5];"),
    Edit(WHY, "cpu/paging.cc",
         "Bit64u offset_mask = BX_CONST64(0x0000ffffffffffff); Bit32u combined_access",
         "Bit64u offset_mask = (BX_CONST64(1) << (21 + 9 * BX_VMX_EPT_ROOT_LEVEL)) - 1;\n"
         "  Bit32u combined_access"),
    # Bits of the guest-physical address that no level translates: an EPT violation, of
    # which the entry that is missing allows nothing, and is not turned into a #VE.
    Edit(WHY, "cpu/paging.cc", "Bit32u vmexit_reason = 0; for (leaf = BX_LEVEL_PML4;; --leaf) { "
         "entry_addr[leaf] = ppf + ((guest_paddr >> (9 + 9*leaf)) & 0xff8); "
         "entry[leaf] = read_physical_qword(entry_addr[leaf], MEMTYPE(eptptr_memtype),", """\
Bit32u vmexit_reason = 0;

  for (leaf = BX_VMX_EPT_ROOT_LEVEL;; --leaf) {
    if (guest_paddr & ~offset_mask && leaf == BX_VMX_EPT_ROOT_LEVEL) {
      entry[leaf] = BX_SUPPRESS_EPT_VIOLATION_EXCEPTION;
      vmexit_reason = VMX_VMEXIT_EPT_VIOLATION;
      break;
    }

    entry_addr[leaf] = ppf + ((guest_paddr >> (9 + 9*leaf)) & 0xff8);
    entry[leaf] = read_physical_qword(entry_addr[leaf], MEMTYPE(eptptr_memtype),"""),
    Edit(WHY, "cpu/paging.cc", "for (unsigned level=BX_LEVEL_PML4; level > leaf; level--)",
         "for (unsigned level=BX_VMX_EPT_ROOT_LEVEL; level > leaf; level--)"),
    Edit(WHY, "cpu/paging.cc", "Bit64u offset_mask = BX_CONST64(0x0000ffffffffffff); "
         "for (int level = BX_LEVEL_PML4; level >= 0; --level) {",
         "Bit64u offset_mask = (BX_CONST64(1) << (21 + 9 * BX_VMX_EPT_ROOT_LEVEL)) - 1;\n\n"
         "  for (int level = BX_VMX_EPT_ROOT_LEVEL; level >= 0; --level) {"),
)
