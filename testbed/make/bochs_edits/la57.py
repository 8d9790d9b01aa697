# SPDX-License-Identifier: GPL-2.0-only
"""Hosts with 57 linear address bits, whose guests and firmware have 48 of them.

Bochs refuses that VM entries, VM exits and RSM change CR4.LA57, and keeps the width of
the guest's linear addresses after an exit.
"""

from testbed.make.bochs_edits.edit import Edit


def changed_by(file: str, check: str, cr4: str) -> Edit:
    return Edit("VM entries, VM exits and RSM change CR4.LA57", file, check, f"""\
BX_CPU_THIS_PTR cr4.set_LA57(({cr4} & BX_CR4_LA57_MASK) != 0);
  BX_CPU_THIS_PTR linaddr_width = BX_CPU_THIS_PTR cr4.get_LA57() ? 57 : 48;
  {check}""")


LA57 = (
    changed_by("cpu/vmx.cc", "if (! check_CR4(guest.cr4))", "guest.cr4"),
    changed_by("cpu/vmx.cc", "if (! check_CR4(host_state->cr4))", "host_state->cr4"),
    changed_by("cpu/smm.cc", "if (!check_CR4(smm_state->cr4.get32()))", "smm_state->cr4.get32()"),
)
