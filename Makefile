# SPDX-License-Identifier: GPL-2.0-only
#
# make            the tests and what they need, into build/
# make docs       docs/tests.md, the catalogue of all cases
# make check      all the tests of this project itself
# make coverage   which part of KVM's mapping path the suite executes
# make mutants    which bugs, put into the kernel, the suite notices
# make kmod KDIR=/lib/modules/$(uname -r)/build
#                 the kernel module that looks at TDs on this host (docs/kmod.md)
# make install KDIR=TREE    the suite as a kselftest collection of a kernel tree
# make uninstall KDIR=TREE  removes it from there
# make clean
#
# Variables: O=build directory, CC, CFLAGS (added to what is needed), SAN=1
# (AddressSanitizer and UBSan), WERROR=1 (warnings are errors: for development, since
# each new compiler finds other ones), V=1 (show the commands), CHECKS="NAME..." (only
# these, or "!NAME..." all but these; scripts/check --list).

O	?= build
ifeq ($(origin CC),default)
CC	:= gcc
endif
PYTHON	?= /usr/bin/python3

TESTDIR	:= tools/testing/selftests/kvm/x86_64/tdx
TESTS	:= $(patsubst $(TESTDIR)/%.c,%,$(wildcard $(TESTDIR)/*.c))
LIBSRC	:= $(filter-out lib/tests/% %.bpf.c,$(wildcard lib/*/*.c lib/*/*/*.c))
LIBASM	:= $(wildcard lib/*/*.S lib/*/*/*.S)
UNITSRC	:= $(wildcard lib/tests/*.c)

# override: CFLAGS of the command line, as of a distribution's package, comes on top.
override CFLAGS += -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra $(if $(WERROR),-Werror)
# Functions of guests (guest_vm.h) have no read-only data, and no thread for a canary.
override CFLAGS += -fno-jump-tables -fno-stack-protector
override CFLAGS += -Iinclude -Ilib -MMD -MP $(shell pkg-config --cflags libtracefs)
# Symbols are bound once, by the program, and not again in the process of each case.
LDFLAGS	+= -Wl,--as-needed -Wl,-z,now
LDLIBS	+= $(shell pkg-config --libs libtracefs) -lcrypto -lpthread
ifdef SAN
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

LIBOBJ	:= $(LIBSRC:%.c=$(O)/%.o) $(LIBASM:%.S=$(O)/%.o)
BINS	:= $(TESTS:%=$(O)/tests/%)
# Called by the first process of the emulated host.
HELPERS	:= $(addprefix $(O)/testbed/machine/,fork_point save_symbols)
# Programs whose source was renamed or is gone.
STALE	= $(filter-out $(BINS),$(wildcard $(O)/tests/*_test))
UNITS	:= $(UNITSRC:lib/tests/%.c=$(O)/unit/%)

# "  CC      lib/vm.o" in place of the command; V=1 shows the command, make -s nothing.
ifeq ($(V),1)
run	= $(2)
else
QUIET	:= $(findstring s,$(firstword -$(MAKEFLAGS)))
run	= @$(if $(QUIET),,printf '  %-7s %s\n' $(1) $(@:$(O)/%=%);) $(2)
endif

.PHONY: all needs tests unit docs kmod check install uninstall clean coverage mutants mutants-full mutants-quick
.SECONDARY:

all: tests

HOLD_BPF_OUT := $(O)
include lib/race/Makefile

# Which commit the programs are of: results say it, also those of a host without compiler.
tests: $(BINS) $(HELPERS)
	$(if $(STALE),@rm -f $(STALE))
	@git describe --always --dirty --abbrev=12 >$(O)/tests/suite 2>/dev/null || \
		echo unknown >$(O)/tests/suite
unit: $(UNITS)

# Before the first object: what is missing is told in a sentence.
needs:
	@{ echo '#include <stdlib.h>' | $(CC) -E - && pkg-config --exists libtracefs libcrypto; } \
		>/dev/null 2>&1 || NO_INSTALL=1 $(PYTHON) -m testbed.make.packages tests

$(O)/%.o: %.c | needs
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(CFLAGS) -c -o $@ $<)

$(O)/%.o: %.S | needs
	@mkdir -p $(@D)
	$(call run,AS,$(CC) $(CFLAGS) -c -o $@ $<)

$(O)/libtdx.a: $(LIBOBJ)
	@rm -f $@
	$(call run,AR,$(AR) rcs $@ $^)

$(O)/tests/%: $(O)/$(TESTDIR)/%.o $(O)/libtdx.a
	@mkdir -p $(@D)
	$(call run,LD,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS))

$(HELPERS): %: %.o $(O)/libtdx.a
	$(call run,LD,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS))

$(O)/unit/%: $(O)/lib/tests/%.o $(O)/libtdx.a
	@mkdir -p $(@D)
	$(call run,LD,$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS))

docs: tests
	$(PYTHON) scripts/catalogue $(O)/tests

# Without our variables: the kernel's make has other ideas of O and CC.
kmod:
	$(if $(KDIR),,$(error make kmod KDIR=build tree of the running kernel))
	MAKEFLAGS= $(MAKE) -C $(KDIR) M=$(CURDIR)/kmod MO=$(abspath $(O))/kmod modules

# NO_INSTALL=1: complain about missing packages instead of installing them.
# SAMPLE=1: of the checks whose length says nothing about this machine, a part.
check:
	@$(PYTHON) scripts/check $(CHECKS)

install uninstall:
	@[ -n "$(KDIR)" ] || { echo "make $@: say where: make $@ KDIR=kernel-tree"; exit 2; }
	@$(PYTHON) scripts/install $(if $(filter uninstall,$@),--uninstall) "$(KDIR)"

# docs/coverage.md
coverage:
	mutants/coverage --own

# The suite, and the kernel's own selftests, against kernels with a bug; docs/mutants.md.
mutants:
	mutants/run --only 'M*' --compare

mutants-full:
	mutants/run --compare

mutants-quick:
	mutants/run --minutes 4

clean:
	rm -rf $(O)

-include $(LIBOBJ:.o=.d) $(BINS:$(O)/tests/%=$(O)/$(TESTDIR)/%.d)
-include $(HELPERS:=.d)
-include $(UNITS:$(O)/unit/%=$(O)/lib/tests/%.d)
