/* SPDX-License-Identifier: GPL-2.0-only */
/* VMX instructions, and what the glue's two files about running guests share. */
#ifndef SOFTTDX_VMX_H
#define SOFTTDX_VMX_H

#include <asm/vmx.h>
#include "../model/softtdx.h"

static inline void vmwrite(unsigned long field, u64 value)
{
	asm volatile("vmwrite %0, %1" : : "r" (value), "r" (field) : "cc", "memory");
}

static inline u64 vmread(unsigned long field)
{
	u64 value;

	asm volatile("vmread %1, %0" : "=r" (value) : "r" (field) : "cc", "memory");
	return value;
}

static inline void vmclear(u64 vmcs)
{
	asm volatile("vmclear %0" : : "m" (vmcs) : "cc", "memory");
}

static inline void vmptrld(u64 vmcs)
{
	asm volatile("vmptrld %0" : : "m" (vmcs) : "cc", "memory");
}

static inline u64 vmptrst(void)
{
	u64 vmcs;

	asm volatile("vmptrst %0" : "=m" (vmcs) : : "cc", "memory");
	return vmcs;
}

static inline void invept_single(u64 eptp)
{
	struct { u64 eptp, zero; } what = { eptp, 0 };

	asm volatile("invept %0, %1" : : "m" (what), "r" (1ul) : "cc", "memory");
}

/* vmcs.c: all fields of a vCPU that has never run. The VMCS is current. */
void softtdx_vmcs_init(const struct softtdx_vcpu *vcpu);

/* run.c: the model's run(). */
void softtdx_run(void *env, const struct softtdx_vcpu *vcpu);

/* vmlaunch.S */
int softtdx_vmlaunch(u64 gpr[16]);
extern char softtdx_vmexit[];

#endif
