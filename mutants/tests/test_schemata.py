# SPDX-License-Identifier: GPL-2.0-only
"""Many mutants in one source: what a compiler makes of it, and whom its errors blame."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mutants import schemata
from mutants.mutant import Edit, Mutant
from testbed.tests.support import FolderTest

# Stands for the kernel: what the copies and the variables need of it.
HOME = """\
#define noinline __attribute__((noinline))
#define __init
#define __maybe_unused __attribute__((unused))
#define EXPORT_SYMBOL_GPL(symbol)
#define module_param(name, type, mode)
#define module_param_cb(name, ops, data, mode)
struct kernel_param;
struct kernel_param_ops {
	int (*set)(const char *value, const struct kernel_param *unused);
	int (*get)(char *buffer, const struct kernel_param *unused);
};
extern void *memset(void *start, int value, unsigned long size);
extern int printf(const char *format, ...);
extern int atoi(const char *text);
static int add(int a, int b)
{
	return a + b;
}

static int (*chosen(int (*first)(int, int), int numbers[2]))(int, int)
{
	return first;
}

int odd(unsigned int n);
static inline int even(unsigned int n)
{
	return n ? odd(n - 1) : 1;
}

int odd(unsigned int n)
{
	if (n)
		goto out;
	return 0;
out:
	return even(n - 1);
}

static void __init start(void)
{
	kts_mutant = 0;
}

static void nothing(void)
{
	printf("nothing\\n");
}

int main(int argc, char **argv)
{
	kts_mutant = argc > 1 ? atoi(argv[1]) : 0;
	printf("%d %d\\n", add(2, 3), odd(4));
	nothing();
	printf("%d%d%d\\n", kts_reached[0], kts_reached[1], kts_reached[2]);
	return 0;
}
"""


def mutant(name: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, "", "", ("default",), tuple(
        Edit(schemata.HOME, function, (find,), replace) for function, find, replace in edits))


MUTANTS = [
    mutant("M1", ("add", "a + b", "a - b")),
    mutant("M2", ("add", "a + b", "a * b"), ("even", ": 1", ": 0")),
    mutant("M3", ("nothing", 'printf("nothing\\n");', "")),
    mutant("M4", ("add", "gone", "")),
]


class SchemataTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.write(HOME + "/* EXPORT_SYMBOL_GPL */\n")

    def write(self, text: str) -> None:
        self.path = self.folder / schemata.HOME
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)

    def compiled(self, combined: schemata.Combined) -> subprocess.CompletedProcess[str]:
        self.path.write_text(combined.texts[schemata.HOME])
        return subprocess.run(["gcc", "-O2", "-Wall", "-Wno-unused-function", "-Wno-unused-const-variable", "-Wno-unused-variable", "-o",
                               self.folder / "program", self.path],
                              capture_output=True, text=True, check=False,
                              env=os.environ | {"LC_ALL": "C"})

    def run_with(self, number: int) -> list[str]:
        return subprocess.run([self.folder / "program", str(number)], capture_output=True,
                              text=True, check=True).stdout.split("\n")[:-1]

    def test_number_chooses(self) -> None:
        combined = schemata.combine(MUTANTS, self.folder)
        self.assertEqual(combined.numbers, {"M1": 1, "M2": 2, "M3": 3})    # M4 does not apply
        done = self.compiled(combined)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.run_with(0), ["5 0", "nothing", "111"])
        self.assertEqual(self.run_with(1), ["-1 0", "nothing", "111"])
        self.assertEqual(self.run_with(2), ["6 0", "nothing", "111"])
        self.assertEqual(self.run_with(3), ["5 0", "111"])

    def test_what_is_not_reached(self) -> None:
        self.write(self.path.read_text().replace("\tnothing();\n", ""))
        combined = schemata.combine(MUTANTS, self.folder)
        self.compiled(combined)
        place = combined.functions.index((schemata.HOME, "nothing"))
        self.assertEqual(self.run_with(0)[-1][place], "0")

    def test_whom_errors_blame(self) -> None:
        wrong = mutant("N9", ("add", "a + b", "a + c"))
        combined = schemata.combine([*MUTANTS, wrong], self.folder)
        done = self.compiled(combined)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(combined.blamed(done.stderr).mutants, {"N9"})

    def test_what_is_left_out_changes_no_number(self) -> None:
        left = schemata.combine(MUTANTS, self.folder, schemata.Blame(frozenset(["M1"]), frozenset()))
        self.assertEqual(left.numbers, {"M2": 2, "M3": 3})
        self.assertEqual(left.functions, schemata.combine(MUTANTS, self.folder).functions)
        self.assertNotIn("add_M1", left.texts[schemata.HOME])

    def test_errors_of_callees_blame_the_caller(self) -> None:
        combined = schemata.combine(MUTANTS, self.folder)
        log = ("include/linux/x.h: In function 'even':\n"
               "include/linux/x.h:3:1: warning: odd\n"
               "In function 'even',\n    inlined from 'add_M2' at kvm_main.c:9:2:\n"
               "include/linux/compiler_types.h:5:38: error: call to '__compiletime_assert_1'\n")
        self.assertEqual(combined.blamed(log).mutants, {"M2"})
        self.assertFalse(combined.blamed("x.c:1: error: elsewhere\n"))

    def test_before_a_number_is_set(self) -> None:
        combined = schemata.combine([mutant("M1", ("start", "0", "1"))], self.folder)
        self.assertEqual(combined.numbers, {})
        self.assertEqual(combined.texts, {})

    def test_of_a_header_only_what_is_called(self) -> None:
        header = Path("virt/kvm/x.h")
        text = "#define X\n\n#include <a.h>\nstatic inline int f(int a)\n{\n\treturn a;\n}\n"
        (self.folder / header).write_text(text)
        edit = Edit(header, "f", ("return a;",), "return 0;")
        combined = schemata.combine([Mutant("M1", "", "", ("default",), (edit,))], self.folder)
        self.assertIn("int f_M1(", combined.texts[header])
        self.assertNotIn(" used", combined.texts[header])
        self.assertIn(" used", schemata.combine(MUTANTS, self.folder).texts[schemata.HOME])

    def test_in_a_header_behind_the_guard(self) -> None:
        text = schemata.declared("#ifndef X\n#define X\n\n#include <a.h>\n#endif\n", Path("x.h"))
        self.assertLess(text.index("#define X"), text.index("kts_mutant"))


class ParametersTest(FolderTest):
    def test_names(self) -> None:
        for parameters, names in {
            "void": "", "int a": "a", "struct x *const x, u8\n\t\tids[4]": "x, ids",
            "void (*fn)(int, void *), void *arg": "fn, arg",
        }.items():
            with self.subTest(parameters):
                self.assertEqual(schemata.arguments(parameters), names)

    def test_no_name(self) -> None:
        for parameters in ("const char *format, ...", "int (x)"):
            with self.subTest(parameters), self.assertRaises(schemata.Unfit):
                schemata.arguments(parameters)
