# SPDX-License-Identifier: GPL-2.0-only
"""A wider physical address space, VMX as KVM uses it, and serial ports without delay."""

from testbed.make.bochs_edits.edit import Edit

WIDE = "52 physical address bits"
HANDLER = "memory_handlers[a20addr >> 20]"
HANDLER_LIMITED = "memory_handlers[(a20addr >> 20) & 0xfffff]"
PLATFORM = (
    Edit(WIDE, "config.h.in", "BX_PHY_ADDRESS_WIDTH 40", "BX_PHY_ADDRESS_WIDTH 52"),
    # One entry for each megabyte of the address space is too much at 52 bits.
    Edit(WIDE, "memory/misc_mem.cc",
         "((BX_CONST64(1) << BX_PHY_ADDRESS_WIDTH) >> 20)", "(BX_CONST64(1) << 20)"),
    Edit(WIDE, "memory/misc_mem.cc", HANDLER, HANDLER_LIMITED, count=3),
    Edit(WIDE, "memory/memory.cc", HANDLER, HANDLER_LIMITED, count=2),
    # External-interrupt exiting, also while the guest has interrupts off: which
    # events are masked is worked out before the CPU counts as in the guest.
    Edit("interrupts end a guest that has them off", "cpu/vmx.cc",
         "BX_CPU_THIS_PTR in_vmx_guest = true;",
         "BX_CPU_THIS_PTR in_vmx_guest = true; handleInterruptMaskChange();"),
    # A virtual interrupt that is pending, but masked, was delivered when a physical one came.
    Edit("virtual interrupts wait while a guest has them off", "cpu/event.cc",
         "if (is_pending(BX_EVENT_PENDING_VMX_VIRTUAL_INTR))",
         "if (is_unmasked_event_pending(BX_EVENT_PENDING_VMX_VIRTUAL_INTR))"),
    Edit("posted-interrupt descriptors aligned to 64 bytes", "cpu/vmx.cc",
         "! IsValidPageAlignedPhyAddr(vm->pid_addr)",
         "! IsValidPhyAddr(vm->pid_addr) || (vm->pid_addr & 63) != 0", fixed_in=(3, 1)),
    # Memory is allocated in blocks that need not lie side by side.
    Edit("images larger than a block of memory", "memory/misc_mem.cc",
         "get_vector(offset), size)",
         "get_vector(offset), size < 4096 - offset % 4096 ? size : 4096 - offset % 4096)",
         fixed_in=(3, 1)),
    # A byte takes 87 us at 115200 baud, in which the guest executes 8,700
    # instructions and waits for most of them.  Receiving stays as it is: Bochs
    # looks for input that often.
    Edit("serial ports send without delay", "iodev/serial.cc",
         "tx_timer_index, BX_SER_THIS s[port].databyte_usec", "tx_timer_index, 1", count=2),
)
