# SPDX-License-Identifier: GPL-2.0-only
# What arch/x86/virt/vmx/tdx/Makefile gets; tdx.o and seamldr.o are the kernel's.
obj-y += softtdx/
CFLAGS_tdx.o += -include $(src)/softtdx/glue/hook.h
CFLAGS_seamldr.o += -include $(src)/softtdx/glue/hook.h
