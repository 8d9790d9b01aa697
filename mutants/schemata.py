# SPDX-License-Identifier: GPL-2.0-only
"""Many mutants in one kernel: a number chooses one of them while the kernel runs.

A function that mutants change is there once more for each of them, with its edits.
Under its own name it looks at the number and calls one of these, or goes on as ever:

    static noinline int f_M51(struct kvm *kvm) { ... }

    int f(struct kvm *kvm)
    {
            kts_reached[7] = 1;
            switch (kts_mutant) { case 12: return f_M51(kvm); }
            { ... }
    }

So any edit of a function's body fits, and probes find what they look for. Both variables
are parameters of the module kvm. A mutant with a probe knows more: in the body, what
decides whether it makes a difference tells so in kts_reached (probes.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants import probes
from mutants.mutant import Cut, DoesNotApply, Edit, Mutant, definition
from mutants.probes import Places, Probe, Spot, Woven, weave

PARAMETERS = Path("/sys/module/kvm/parameters")
NUMBER = PARAMETERS / "kts_mutant"
REACHED = PARAMETERS / "kts_reached"    # a digit for each four places; any text clears all
HOME = Path("virt/kvm/kvm_main.c")      # where the variables are

DECLARATIONS = f"""\
extern int kts_mutant;
extern unsigned char kts_reached[];
{probes.MACROS}"""
VARIABLES = """
int kts_mutant;
{export}(kts_mutant);
module_param(kts_mutant, int, 0644);
unsigned char kts_reached[{count}];
{export}(kts_reached);
static int kts_reached_get(char *buffer, const struct kernel_param *unused)
{{
	const unsigned char *four = kts_reached;
	int digit;

	for (digit = 0; digit < {count} / 4; digit++, four += 4)
		buffer[digit] = "0123456789abcdef"[four[0] | four[1] << 1 | four[2] << 2 | four[3] << 3];
	return digit;
}}
static int kts_reached_set(const char *value, const struct kernel_param *unused)
{{
	memset(kts_reached, 0, sizeof(kts_reached));
	return 0;
}}
static const struct kernel_param_ops kts_reached_ops = {{
	.get = kts_reached_get, .set = kts_reached_set,
}};
module_param_cb(kts_reached, &kts_reached_ops, NULL, 0644);
"""
# To the modules of KVM: since 6.18 its Makefile refuses others.
EXPORTS = "EXPORT_SYMBOL_FOR_KVM_INTERNAL", "EXPORT_SYMBOL_GPL"
BEGIN, END = "/* mutant {} */", "/* end of mutant */"
PROBES = "probes_"                      # in place of the mutant: the body with probes, by function
ORIGINAL = "original"                   # and the copy that nobody calls
# Of a copy: each is compiled by itself, and none costs ftrace time.
APART = "__attribute__((noipa, {kept}, no_instrument_function))"
# Of a definition's first line: what a copy does not have, and where none can be made
# (it is executed before a number is set).
LINKAGE = frozenset(("static", "extern", "inline", "__always_inline", "noinline"))
NEVER = frozenset(("__init", "__exit"))


class Unfit(Exception):
    """The function cannot be there in copies."""


@dataclass(frozen=True)
class Blame:
    """Whom gcc's errors blame."""

    mutants: frozenset[str]
    probes: frozenset[Spot]

    def __bool__(self) -> bool:
        return bool(self.mutants or self.probes)

    def __or__(self, other: Blame) -> Blame:
        return Blame(self.mutants | other.mutants, self.probes | other.probes)


@dataclass(frozen=True)
class Combined:
    texts: dict[Path, str]                  # of the files that change
    numbers: dict[str, int]                 # of the mutants, from 1
    functions: list[tuple[Path, str]]       # file and name, in the order of REACHED
    executed: dict[str, frozenset[int]]     # by mutant: of these places in REACHED one is set
    differs: dict[str, frozenset[int]]      # by mutant: and of these, where it may be noticed

    def blamed(self, log: str) -> Blame:
        copies = {str(file): list(spans(text)) for file, text in self.texts.items()}
        found: set[str] = set()
        spots: set[Spot] = set()
        context: list[str] = []         # the functions that gcc names before an error
        wrong = False
        for line in log.splitlines():
            if error := re.match(r"\s*(\S+?):(\d+):(?:\d+:)? (fatal error|error|warning|note: in expansion)", line):
                # Of an error in a macro, a note says where that is used.
                wrong = error[3].endswith("error") or (wrong and error[3].startswith("note"))
                if wrong:
                    there = [span for file, each in copies.items() if error[1].endswith(file)
                             for span in each if span[1] <= int(error[2]) <= span[2]]
                    spots |= {Spot(int(name.removeprefix(PROBES)), int(error[2]) - first - 1)
                              for name, first, _ in there if name.startswith(PROBES)}
                    found |= {name for name, _, _ in there if not name.startswith(PROBES)}
                    found |= {name for text in context
                              if (name := text.rpartition("_")[2]) in self.numbers}
                context = []
            context += re.findall(r"(?:In function|inlined from) ['‘](\w+)['’]", line)
        return Blame(frozenset(found), frozenset(spots))


NOBODY = Blame(frozenset(), frozenset())


def combine(mutants: Sequence[Mutant], tree: Path, without: Blame = NOBODY) -> Combined:
    """All of `mutants` that fit into one kernel. `without`: what does not compile; numbers and
    places stay as they are with it, so that no other file is compiled again."""
    texts: dict[Path, str] = {}
    fitting = [mutant for mutant in mutants if fits(mutant, tree, texts)]
    numbers = {mutant.id: number for number, mutant in enumerate(fitting, start=1)
               if mutant.id not in without.mutants}
    edits: dict[tuple[Path, str], dict[str, list[Edit | Cut]]] = {}
    for mutant in fitting:
        for edit in mutant.edits:
            there = edits.setdefault((edit.file, edit.function), {})
            if mutant.id in numbers:
                there.setdefault(mutant.id, []).append(edit)
    functions = sorted(edits)
    index = {function: place for place, function in enumerate(functions)}
    places = Places(len(functions))
    changed = {file: texts[file] for file, _ in functions}
    wanted: dict[int, list[Probe]] = {}
    for mutant in fitting:
        if mutant.probe:
            edit = mutant.edits[0]
            wanted.setdefault(index[edit.file, edit.function], []).append(mutant.probe)
    parts: dict[Path, list[tuple[Function, str]]] = {}
    for place, (file, function) in enumerate(functions):
        found = Function(texts[file], function, file)
        woven = places.woven(place, found.body, wanted.get(place, []), without.probes)
        parts.setdefault(file, []).append(
            (found, replaced(found, edits[file, function], numbers, place, woven)))
    for file, pieces in parts.items():
        for found, text in sorted(pieces, key=lambda part: -part[0].start):
            changed[file] = changed[file][:found.start] + text + changed[file][found.end:]
    for file, text in changed.items():
        changed[file] = declared(text, file)
    if functions:
        home = changed.get(HOME) or declared((tree / HOME).read_text(), HOME)
        export = next(word for word in EXPORTS if word in home)
        changed[HOME] = home + VARIABLES.format(count=-(-places.count // 4) * 4, export=export)
    executed, differs = {}, {}
    for mutant in (one for one in fitting if one.id in numbers):
        entries = frozenset(index[edit.file, edit.function] for edit in mutant.edits)
        executed[mutant.id], differs[mutant.id] = places.told(min(entries), mutant.probe) if mutant.probe \
            else (entries, entries)
    return Combined(changed, numbers, functions, executed, differs)


def fits(mutant: Mutant, tree: Path, texts: dict[Path, str]) -> bool:
    """`texts` collects the files as they are."""
    try:
        for edit in mutant.edits:
            texts[edit.file] = texts.get(edit.file) or (tree / edit.file).read_text()
            edit.apply(texts[edit.file])
            Function(texts[edit.file], edit.function, edit.file)
    except (DoesNotApply, Unfit, OSError):
        return False
    return True


class Function:
    def __init__(self, text: str, name: str, file: Path) -> None:
        there = definition(text, name, file)
        self.file = file
        self.start, self.end = there.start, there.end
        self.text = text[there.start:there.end]
        # With "a|b" the catalogue names it as different kernels do.
        self.name = text[there.name:text.index("(", there.name)]
        self.head = text[there.start:there.body].strip()
        self.body = text[there.body:there.end]
        self._type = text[there.start:there.name].split()
        if NEVER & set(self._type):
            raise Unfit(self.name)
        self.arguments = arguments(self.head[self.head.index("(", there.name - there.start) + 1:-1])

    @property
    def inline(self) -> bool:
        return not {"inline", "__always_inline"}.isdisjoint(self._type)

    def copy(self, mutant: str, edits: Sequence[Edit | Cut]) -> str:
        """The function with the edits; `mutant`: what its name ends with."""
        text = self.text
        for edit in edits:
            text = edit.apply(text)
        name = definition(text, self.name, self.file).name
        words = [word for word in self._type if word not in LINKAGE]
        # Of a header: not in each file that includes it, KVM's or not.
        apart = APART.format(kept="unused" if self.file.suffix == ".h" else "used")
        return "\n".join((BEGIN.format(mutant), f"static {apart} {' '.join(words)} {self.name}_{mutant}"
                          f"{text[name + len(self.name):]}", END, ""))


def replaced(found: Function, edits: dict[str, list[Edit | Cut]], numbers: dict[str, int], index: int,
             woven: Sequence[Woven]) -> str:
    """The function, with copies, one for each mutant, and one to compare them with."""
    copies = found.copy(ORIGINAL, []) + "".join(found.copy(mutant, each) for mutant, each in edits.items())
    cases = "".join(f"\tcase {numbers[mutant]}: return {found.name}_{mutant}({found.arguments});\n"
                    for mutant in edits)
    # noipa: gcc would split the look at the number from the rest, and probes see a part only.
    attribute = "" if found.inline else "__attribute__((noipa)) "
    return "".join((
        f"{attribute}{found.head};\n", copies, f"{found.head}\n{{\n",
        f"\tkts_reached[{index}] = 1;\n\tswitch (kts_mutant) {{\n{cases}\t}}\n",
        f"{BEGIN.format(f'{PROBES}{index}')}\n{weave(found.body, woven)}\n{END}\n}}",
    ))


def declared(text: str, file: Path) -> str:
    """In a header behind its guard: before the first line that includes others."""
    place = text.find("\n#include") + 1 if file.suffix == ".h" else 0
    return text[:place] + DECLARATIONS + text[place:]


def arguments(parameters: str) -> str:
    """The names of the parameters, as a call has them."""
    if parameters.strip() == "void":
        return ""
    names = []
    for parameter in split(parameters):
        name = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(|(\w+)\s*(?:\[[^]]*\]\s*)*$", parameter.strip())
        if name is None:
            raise Unfit(parameter)
        names.append(name[1] or name[2])
    return ", ".join(names)


def split(parameters: str) -> Iterator[str]:
    """At the commas that are in no brackets."""
    depth = start = 0
    for place, character in enumerate(parameters):
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            yield parameters[start:place]
            start = place + 1
    yield parameters[start:]


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Mutant, first and last line of each copy."""
    pattern = re.compile(re.escape(BEGIN).replace(r"\{\}", r"(\w+)"))
    mutant, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if begin := pattern.fullmatch(line):
            mutant, first = begin[1], number
        elif line == END:
            yield mutant, first, number
