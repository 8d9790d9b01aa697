# SPDX-License-Identifier: GPL-2.0-only
"""The same instructions each time: nothing in the guest follows a clock of this host."""

from testbed.make.bochs_edits.edit import Edit

CLOCK = "no timer follows the host's clock"
RANDOM = "random numbers that `clock: time0` decides"
COUNT = "the number of instructions, said at the end"
ROOM = "room for as much memory as the guest has"
DETERMINISM = (
    # A timer of the virtual timers runs in real time whatever `clock: sync` says. It
    # moves the next event, where REP instructions break off.
    Edit(CLOCK, "iodev/virt_timer.cc",
         "GET_VIRT_REALTIME64_USEC() (bx_get_realtime64_usec())",
         "GET_VIRT_REALTIME64_USEC() (bx_pc_system.time_usec())"),
    Edit("the date of `clock: time0` in any time zone", "iodev/cmos.cc",
         "localtime(&tmpintime)", "gmtime(&tmpintime)"),
    # RDRAND and RDSEED.
    Edit(RANDOM, "cpu/init.cc", "srand(time(NULL));",
         'srand((unsigned) SIM->get_param_num("clock_cmos.time0")->get64());'),
    Edit(COUNT, "main.cc", "SIM->set_display_mode(DISP_MODE_CONFIG); for (int cpu=0;", """\
SIM->set_display_mode(DISP_MODE_CONFIG);
  printf("Bochs ends at tick " FMT_LL "u; instructions:", bx_pc_system.time_ticks());
  for (int cpu=0; cpu<BX_SMP_PROCESSORS; cpu++)
    printf(" " FMT_LL "u", BX_CPU(cpu)->get_icount());
  printf("\\n");
  fflush(stdout);
  for (int cpu=0;"""),
    # With less, blocks of it move while something points into them. Only what the guest
    # touches is taken from this host, and this host need not have the rest.
    Edit(ROOM, "config.cc", "\"Amount of host allocated memory in megabytes\", 1, 2048,",
         "\"Amount of host allocated memory in megabytes\", 1, 1 << 20,"),
    Edit(ROOM, "memory/memory_stub.cc", '#include "bochs.h"',
         '#include "bochs.h"\n#include <sys/mman.h>'),
    Edit(ROOM, "memory/memory_stub.cc",
         "BX_MEM_THIS actual_vector = new Bit8u [(Bit32u)(bytes + test_mask)]; "
         "if (BX_MEM_THIS actual_vector == 0) {", """\
BX_MEM_THIS actual_vector = (Bit8u *) mmap(NULL, bytes + test_mask, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (BX_MEM_THIS actual_vector == MAP_FAILED) {"""),
    Edit(ROOM, "memory/memory_stub.cc", "delete [] BX_MEM_THIS actual_vector;",
         "/* The process ends. */", count=2),
    Edit(ROOM, "memory/memory_stub.cc",
         "(BX_MEM_THIS used_blocks++ * BX_MEM_THIS block_size)",
         "((Bit64u) BX_MEM_THIS used_blocks++ * BX_MEM_THIS block_size)"),
)
