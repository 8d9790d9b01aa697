# SPDX-License-Identifier: GPL-2.0-only
"""Where Bochs leads to emulator/: a machine that is forked, and which CPU executes next."""

from testbed.make.bochs_edits.edit import Edit

SERVER = "the fork server, a leaf of CPUID"
OUTPUT = "a child's serial ports lead to files of its own"
RESET = "a reset ends a child"
PAGES = "huge pages, of which a fork copies few entries"
LOOP = "our own loop over the CPUs"
WATCH = "schedules are led by accesses to memory"
SPIN = "a CPU that spins gives way"
FORK = (
    Edit(SERVER, "cpu/cpu.h", "void seam_reset(unsigned source);",
         "void seam_reset(unsigned source);\n  bool fork_control(void);\n  bool can_run(void);"),
    Edit(SERVER, "cpu/proc_ctrl.cc", "if (seam_control()) {",
         "if (seam_control() || fork_control()) {"),
    Edit(OUTPUT, "iodev/serial.cc", "case BX_SER_MODE_FILE: "
         "if (BX_SER_THIS s[port].output == NULL) {", """\
case BX_SER_MODE_FILE: {
      extern bool child_output(unsigned port, unsigned char byte);

      if (child_output(port, BX_SER_THIS s[port].tsrbuffer)) break;
      }
      if (BX_SER_THIS s[port].output == NULL) {"""),
    Edit(RESET, "pc_system.cc", "int bx_pc_system_c::Reset(unsigned type) {", """\
extern void child_reset(void);

int bx_pc_system_c::Reset(unsigned type)
{
  child_reset();
"""),
    Edit(PAGES, "memory/memory_stub.cc", "if (BX_MEM_THIS actual_vector == MAP_FAILED) {",
         "madvise(BX_MEM_THIS actual_vector, bytes + test_mask, MADV_HUGEPAGE);\n"
         "  if (BX_MEM_THIS actual_vector == MAP_FAILED) {"),
    Edit(LOOP, "main.cc", "#if BX_SUPPORT_SMP else {",
         "#if BX_SUPPORT_SMP\n      else if (true) {\n        extern void machine_loop(void);\n\n"
         "        machine_loop();\n      } else {"),
    Edit(WATCH, "cpu/cpu.h",
         "#define BX_NOTIFY_LIN_MEMORY_ACCESS(laddr, paddr, size, memtype, rw, dataptr) { \\", """\
extern bool race_watches;
extern void race_access(unsigned cpu, Bit64u address, unsigned rw);

#define BX_NOTIFY_LIN_MEMORY_ACCESS(laddr, paddr, size, memtype, rw, dataptr) { \\
  if (race_watches) race_access(BX_CPU_ID, (paddr), (rw)); \\"""),
    Edit(SPIN, "cpu/proc_ctrl.cc", "void BX_CPP_AttrRegparmN(1) BX_CPU_C::PAUSE(bxInstruction_c *i) {", """\
extern void race_pause(unsigned cpu);

void BX_CPP_AttrRegparmN(1) BX_CPU_C::PAUSE(bxInstruction_c *i)
{
  race_pause(BX_CPU_ID);
"""),
)
