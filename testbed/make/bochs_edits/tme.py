# SPDX-License-Identifier: GPL-2.0-only
"""Multi-key total memory encryption, as firmware sets it up for TDX: KeyIDs in the upper bits
of physical addresses, which the kernel then has fewer of (Intel SDM 4, 981h and 982h).

Nothing is encrypted. That a KeyID in a page table entry leads to the same memory, or
faults because it is a TD's, is not emulated: Linux puts none there.
"""

from testbed.make.bochs_edits.edit import Edit

KEYID_BITS = 6              # 46 address bits are left of 52
TDX_KEYID_BITS = 5          # KeyIDs from 2 on are for TDs
KEYS = 33                   # what the hardware has room for: KeyIDs 1 to 33
AES_XTS_128 = 1

# Locked by firmware, and enabled.
ACTIVATE = 0x3 | KEYID_BITS << 32 | TDX_KEYID_BITS << 36 | AES_XTS_128 << 48
CAPABILITY = AES_XTS_128 | KEYID_BITS << 32 | KEYS << 36

WHY = "TME, and KeyIDs for TDX"
MODELS = ("arrow_lake", "sapphire_rapids")
TME = (
    *(Edit(WHY, f"cpu/cpudb/intel/{model}.cc", "get_std_cpuid_leaf_7_ecx()",
           "get_std_cpuid_leaf_7_ecx(1 << 13)") for model in MODELS),
    Edit(WHY, "cpu/msr.cc", """\
if (is_cpu_extension_supported(BX_ISA_X2APIC)) { if (is_x2apic_msr_range(index)) {
if (x2apic_mode()) return BX_CPU_THIS_PTR lapic->read_x2apic""", f"""\
if (index == 0x981 || index == 0x982) {{
    *msr = index == 0x981 ? BX_CONST64({CAPABILITY:#x}) : BX_CONST64({ACTIVATE:#x});
    return true;
  }}
  if (is_cpu_extension_supported(BX_ISA_X2APIC)) {{
    if (is_x2apic_msr_range(index)) {{
      if (x2apic_mode())
        return BX_CPU_THIS_PTR lapic->read_x2apic"""),
)
