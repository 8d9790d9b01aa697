# SPDX-License-Identifier: GPL-2.0-only
"""SEAMCALL, TDCALL, the control channel, private memory: where Bochs leads to softtdx/bochs."""

from testbed.make.bochs_edits.edit import Edit

OPCODES = "SEAMCALL and TDCALL"
GUESTS = "a TD's guest returns to the host's state, not to what a VMCS says"
CONTROL = "the module's control channel, a leaf of CPUID"
PRIVATE = "software outside of a TD must not touch what the module holds"
PARTS = "all but the program is built without our own objects, and kept"

OPCODE = ('bx_define_opcode(BX_IA_{upper}, "{lower}", "{lower}", &BX_CPU_C::BxError, '
          "&BX_CPU_C::{upper}, BX_ISA_VMX, OP_NONE, OP_NONE, OP_NONE, OP_NONE, BX_TRACE_END)\n")
XGETBV = "form_opcode(ATTR_NNN2 | ATTR_RRR0 | ATTR_MODC0 | ATTR_SSE_NO_PREFIX, BX_IA_XGETBV),"
DECODED = ("form_opcode(ATTR_NNN1 | ATTR_RRR{rrr} | ATTR_MODC0 | ATTR_SSE_PREFIX_66, "
           "BX_IA_{name}),\n  ")

POINTER = "bx_hostpageaddr_t BX_CPU_C::getHostMemAddr(bx_phy_address paddr, unsigned rw)\n{"
READ = "void BX_CPU_C::access_read_physical(bx_phy_address paddr, unsigned len, void *data)\n{"
WRITE = "void BX_CPU_C::access_write_physical(bx_phy_address paddr, unsigned len, void *data)\n{"

SEAM = (
    Edit(OPCODES, "cpu/decoder/ia_opcodes.def", "bx_define_opcode(BX_IA_VMFUNC,",
         OPCODE.format(upper="SEAMCALL", lower="seamcall")
         + OPCODE.format(upper="TDCALL", lower="tdcall") + "bx_define_opcode(BX_IA_VMFUNC,"),
    Edit(OPCODES, "cpu/decoder/fetchdecode_opmap.h", XGETBV,
         DECODED.format(rrr=4, name="TDCALL") + DECODED.format(rrr=7, name="SEAMCALL") + XGETBV),
    Edit(OPCODES, "cpu/cpu.h", "BX_SMF void VMexitLoadHostState(void);",
         "BX_SMF void VMexitLoadHostState(void);\n"
         "  BX_SMF void SEAMCALL(bxInstruction_c *) BX_CPP_AttrRegparmN(1);\n"
         "  BX_SMF void TDCALL(bxInstruction_c *) BX_CPP_AttrRegparmN(1);\n"
         "  bool seam_load_host_state(void);\n"
         "  void seam_vmexit(void);\n"
         "  bool seam_rdmsr(Bit32u index, Bit64u *value);\n"
         "  bool seam_control(void);\n"
         "  bool seam_may_point_to(bx_phy_address paddr, unsigned rw);\n"
         "  bool seam_private_access(bx_phy_address paddr, unsigned rw);\n"
         "  void seam_reset(unsigned source);"),
    Edit(GUESTS, "cpu/vmx.cc", "// STEP 2: Load Host State\n  //\n  VMexitLoadHostState();",
         "// STEP 2: Load Host State\n  //\n  if (! seam_load_host_state()) VMexitLoadHostState();"),
    Edit(GUESTS, "cpu/vmx.cc", "if (! IS_TRAP_LIKE_VMEXIT(reason)) {\n    longjmp",
         "seam_vmexit();\n\n  if (! IS_TRAP_LIKE_VMEXIT(reason)) {\n    longjmp"),
    Edit("the MSR that says which KeyIDs are TDX's", "cpu/msr.cc",
         "if (index < BX_MSR_MAX_INDEX) {\n    if (! msr_desc[index]) return handle_unknown_rdmsr",
         "if (seam_rdmsr(index, msr)) return true;\n\n"
         "  if (index < BX_MSR_MAX_INDEX) {\n"
         "    if (! msr_desc[index]) return handle_unknown_rdmsr"),
    Edit("a reset of the machine resets the module", "cpu/init.cc",
         'else BX_INFO(("cpu reset"));', 'else BX_INFO(("cpu reset"));\n\n  seam_reset(source);'),
    Edit(CONTROL, "cpu/proc_ctrl.cc",
         "struct cpuid_function_t leaf;\n  BX_CPU_THIS_PTR cpuid->get_cpuid_leaf(EAX, ECX, &leaf);",
         "if (seam_control()) { BX_NEXT_INSTR(i); }\n\n  struct cpuid_function_t leaf;\n"
         "  BX_CPU_THIS_PTR cpuid->get_cpuid_leaf(EAX, ECX, &leaf);"),
    Edit(CONTROL, "config.cc",
         'new bx_param_bool_c(cpu_param, "ignore_bad_msrs",',
         'new bx_param_bool_c(cpu_param, "softtdx_control", "Control channel of softtdx", '
         '"CPUID leads to the software TDX module", 1);\n'
         '  new bx_param_bool_c(cpu_param, "ignore_bad_msrs",'),
    Edit(CONTROL, "param_names.h", "#define BXPN_IGNORE_BAD_MSRS",
         '#define BXPN_SOFTTDX_CONTROL "cpu.softtdx_control"\n#define BXPN_IGNORE_BAD_MSRS'),
    Edit(PRIVATE, "cpu/cpu.h", "class BOCHSAPI BX_CPU_C : public logfunctions {", """\
// A bit for each page below seam_held_end: does the TDX module hold it?
extern Bit8u *seam_held_pages;
extern bx_phy_address seam_held_end;

BX_CPP_INLINE bool seam_holds(bx_phy_address paddr)
{
  return paddr < seam_held_end && (seam_held_pages[paddr >> 15] >> (paddr >> 12 & 7) & 1);
}

class BOCHSAPI BX_CPU_C : public logfunctions {"""),
    Edit(PRIVATE, "cpu/paging.cc", POINTER,
         POINTER + "\n  if (seam_holds(paddr) && ! seam_may_point_to(paddr, rw)) return 0;\n"),
    Edit(PRIVATE, "cpu/paging.cc", READ,
         READ + "\n  if (seam_holds(paddr)) seam_private_access(paddr, BX_READ);\n"),
    Edit(PRIVATE, "cpu/paging.cc", WRITE,
         WRITE + "\n  if (seam_holds(paddr) && ! seam_private_access(paddr, BX_WRITE)) return;\n"),
    Edit(PARTS, "Makefile.in", "bochs@EXE@: @IODEV_LIB_VAR@",
         "PROGRAM = bochs@EXE@\n\nparts: @IODEV_LIB_VAR@"),
    Edit(PARTS, "Makefile.in", "$(SIMX86_OBJS) @FPU_VAR@ @GDBSTUB_VAR@\n\t@LINK@ @EXPORT_DYNAMIC@",
         "$(SIMX86_OBJS) @FPU_VAR@ @GDBSTUB_VAR@\n\n"
         "$(PROGRAM): $(OWN)\n\t@LINK@ @EXPORT_DYNAMIC@ $(OWN)"),
)
