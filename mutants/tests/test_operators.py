# SPDX-License-Identifier: GPL-2.0-only
"""What libclang reads of a C file, what the operators make of it, and what gcc makes of that."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mutants import frontend, generated, schemata
from mutants.generated import Generated
from mutants.mutant import DoesNotApply
from mutants.probes import Places, Probe, Spot, weave
from mutants.tests.test_schemata import HOME
from testbed.tests.support import FolderTest

CODE = """\
#define EINVAL 22
#define EFAULT 14
enum { false, true };
#define WARN_ON(x) (x)
#define for_each(i, start, end) for (i = (start); i < (end); i++)
#define min(a, b) ({ __auto_type _a = (a); __auto_type _b = (b); _a < _b ? _a : _b; })
struct lock { int held; };
static void lock(struct lock *l) { l->held++; }
static void unlock(struct lock *l) { l->held--; }
static void flush_all(void) { }
static int pick(int first, int second)
{
	return first - second;
}

static int walk(struct lock *l, int start, int end, unsigned int flags)
{
	int i, sum = 0;

	if (WARN_ON(!l))
		return -EINVAL;
	lock(l);
	for_each(i, start, end) {
		if (i > 2 && flags & 1)
			break;
		sum += min(i, 7);
	}
	flush_all();
	unlock(l);
	switch (sum) {
	case 5:
		sum = pick(start, end);
	}
	return sum;
}
"""
MAIN = """
extern int kts_mutant;
extern unsigned char kts_reached[];
extern int printf(const char *format, ...);
extern int atoi(const char *text);
int main(int argc, char **argv)
{
	struct lock l = { 0 };
	int result;

	kts_mutant = atoi(argv[1]);
	result = walk(&l, 0, 3, 0);
	printf("%d %d ", result, l.held);
	for (int place = 0; place < atoi(argv[2]); place++)
		printf("%d", kts_reached[place]);
	return 0;
}
/* EXPORT_SYMBOL_GPL */
"""


class OperatorsTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / schemata.HOME
        self.path.parent.mkdir(parents=True)

    def made(self, code: str = CODE) -> list[Generated]:
        self.path.write_text(code)
        functions = frontend.parse(self.path, ["-std=gnu11"], lambda name: name == "walk")
        return [one for function in functions
                for one in generated.of_function(schemata.HOME, code, function)]

    def titles(self, operator: str) -> set[str]:
        return {one.title.removeprefix("walk(): ") for one in self.made()
                if one.operator.startswith(operator)}

    def test_conditions(self) -> None:
        self.assertEqual(self.titles("condition true"), {
            "true for i > 2 && flags & 1", "true for i > 2", "true for flags & 1"})
        self.assertEqual(self.titles("condition negated"), {"not i > 2 && flags & 1"})
        self.assertEqual(self.titles("comparison"), {">= in i > 2"})

    def test_assertions_are_left_alone(self) -> None:
        self.assertFalse([one.title for one in self.made() if "WARN" in one.title or "!l" in one.title])

    def test_statements(self) -> None:
        self.assertEqual(self.titles("lock"), {"without lock(l) and its release"})
        self.assertEqual(self.titles("flush"), {"without flush_all()"})
        self.assertEqual(self.titles("jump"), {"without break", "without return -EINVAL"})
        self.assertEqual(self.titles("statement"), {
            "without sum += min(i, 7)", "without sum = pick(start, end)"})

    def test_values(self) -> None:
        self.assertEqual(self.titles("error"), {"0 for -EINVAL", "-EFAULT for -EINVAL"})
        self.assertEqual(self.titles("arguments"), {"end before start"})
        self.assertEqual(self.titles("early"), {"returns 0 at once"})
        self.assertIn("7 - 1", self.titles("constant"))         # in an argument of a macro
        self.assertNotIn("5 + 1", self.titles("constant"))      # a case is a constant
        self.assertEqual(self.titles("range"), {"start + 1", "start - 1", "end + 1", "end - 1"})
        loop = CODE[:CODE.index("for_each(i, start, end) {")].count("\n") + 1
        self.assertEqual({one.title for one in self.made() if (one.operator[:5], one.line) == ("range", loop)},
                         {f"walk(): {text}" for text in ("start + 1", "start - 1", "end + 1", "end - 1")})

    def test_ids_are_stable(self) -> None:
        before = {one.id: one.title for one in self.made()}
        self.assertEqual(len(before), len(self.made()))
        after = {one.id: one.title for one in self.made(f"/* more */\n{CODE}".replace("7", "8"))}
        self.assertEqual({name: before.get(name) for name in before.keys() & after.keys()},
                         {name: after[name] for name in before.keys() & after.keys()})
        self.assertGreater(len(before.keys() & after.keys()), len(before) - 5)

    def test_sample(self) -> None:
        made = self.made()
        chosen = generated.sample(made, 10, 1)
        self.assertEqual(len(chosen), 10)
        self.assertEqual(set(generated.sample(made[::2], 5, 1)) - set(made[::2]), set())
        self.assertNotEqual(chosen, generated.sample(made, 10, 2))
        self.assertEqual(generated.from_json(generated.to_json(made)), made)

    def test_another_body(self) -> None:
        made = self.made()
        with self.assertRaises(DoesNotApply):
            made[0].edits[0].apply(CODE.replace("sum = 0", "sum = 1"))

    def test_gcc_takes_all_of_them(self) -> None:
        """In one program, whose facts are those of number 0."""
        made = self.made(HOME[:HOME.index("extern int printf")] + CODE + MAIN)
        combined = schemata.combine(made, self.folder)
        self.assertEqual(len(combined.numbers), len(made))
        self.path.write_text(combined.texts[schemata.HOME])
        done = subprocess.run(["gcc", "-std=gnu11", "-w", "-O1", "-o", self.folder / "all", self.path],
                              capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
        self.assertEqual(done.stderr, "")
        result, _, facts = self.told(0).split()
        self.assertEqual(result, "3")
        numbers = {one.title.removeprefix("walk(): "): one for one in reversed(made)}
        for title, wanted, differs in (
            ("without break", "3", False), ("without sum += min(i, 7)", "0", True),
            ("true for flags & 1", "3", False), ("-EFAULT for -EINVAL", "3", False),
            ("2 - 1", "3", True),       # it was another comparison, but its result was the same
        ):
            one = numbers[title]
            self.assertEqual(self.told(combined.numbers[one.id]).split()[0], wanted, title)
            seen = {place for place, fact in enumerate(facts) if fact == "1"}
            self.assertEqual(bool(seen & combined.differs[one.id]), differs, title)

    def told(self, number: int) -> str:
        return subprocess.run([self.folder / "all", str(number), "200"], capture_output=True, text=True,
                              check=True).stdout


class FlagsTest(FolderTest):
    def test_from_kbuild(self) -> None:
        self.assertEqual(frontend.flags(
            "gcc -Wall -I/links/include -I./include -include ./include/x.h -O2 -std=gnu11 -c -o a.o a.c",
            Path("/built"), (Path("/links"), Path("/origin"))),
            ["-I/origin/include", "-I/built/include", "-include", "/built/include/x.h", "-std=gnu11"])


class ProbesTest(FolderTest):
    body = "{\n\tif (a < b && c)\n\t\tf(a, b);\n}"

    def test_around_each_other(self) -> None:
        whole, compared, part, call = (self.body.index(text) for text in ("a < b &", "a < b", "c)", "f(a"))
        places = Places(1)
        woven = places.woven(0, self.body, [
            Probe("equal", compared, compared + 5, (compared + 1, compared + 4), (1,)),
            Probe("value", compared, compared + 5), Probe("value", whole, part + 1),
            Probe("value", part, part + 1, differs=(1,)), Probe("reached", call, call + 7),
            Probe("statement", call, call + 7), Probe("entered", 1, 1)], [])
        self.assertEqual(weave(self.body, woven), """{
	if (kts_value(5, kts_value(3, kts_equal(1, (a),  < , (b))) && kts_value(7, c)))
		{ kts_reached[10] = 1; (kts_reached[9] = 1, f(a, b)); }
}""")
        self.assertEqual(places.count, 11)
        self.assertEqual(places.told(0, Probe("value", part, part + 1, differs=(1,))), ({7, 8}, {8}))
        self.assertEqual(places.told(0, Probe("entered", 1, 1)), ({0}, {0}))

    def test_where_none_compiles(self) -> None:
        probes = [Probe("value", 7, 12), Probe("statement", 23, 30)]
        for line, left in ((1, ["statement"]), (2, ["value"]), (0, [])):
            woven = Places(1).woven(0, self.body, probes, [Spot(0, line), Spot(1, 2)])
            self.assertEqual([one.probe.kind for one in woven], left)
