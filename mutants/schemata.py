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
are parameters of the module kvm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.mutant import DoesNotApply, Edit, Mutant, definition

PARAMETERS = Path("/sys/module/kvm/parameters")
NUMBER = PARAMETERS / "kts_mutant"
REACHED = PARAMETERS / "kts_reached"    # 0 or 1 for each function, with commas between
HOME = Path("virt/kvm/kvm_main.c")      # where the variables are

DECLARATIONS = """\
extern int kts_mutant;
extern unsigned char kts_reached[];
"""
VARIABLES = """
int kts_mutant;
{export}(kts_mutant);
module_param(kts_mutant, int, 0644);
unsigned char kts_reached[{count}];
{export}(kts_reached);
module_param_array(kts_reached, byte, NULL, 0644);
"""
# To the modules of KVM: since 6.18 its Makefile refuses others.
EXPORTS = "EXPORT_SYMBOL_FOR_KVM_INTERNAL", "EXPORT_SYMBOL_GPL"
BEGIN, END = "/* mutant {} */", "/* end of mutant */"
# Of a definition's first line: what a copy does not have, and where none can be made
# (it is executed before a number is set).
LINKAGE = frozenset(("static", "extern", "inline", "__always_inline", "noinline"))
NEVER = frozenset(("__init", "__exit"))


class Unfit(Exception):
    """The function cannot be there in copies."""


@dataclass(frozen=True)
class Combined:
    texts: dict[Path, str]              # of the files that change
    numbers: dict[str, int]             # of the mutants, from 1
    functions: list[tuple[Path, str]]   # file and name, in the order of REACHED

    def blamed(self, log: str) -> set[str]:
        """The mutants in whose copies gcc found errors."""
        copies = {str(file): list(spans(text)) for file, text in self.texts.items()}
        found: set[str] = set()
        context: list[str] = []         # the functions that gcc names before an error
        for line in log.splitlines():
            if error := re.match(r"\s*(\S+?):(\d+):(?:\d+:)? (fatal error|error|warning):", line):
                if error[3] != "warning":
                    found |= {name for file, there in copies.items() if error[1].endswith(file)
                              for name, first, last in there if first <= int(error[2]) <= last}
                    found |= {name for name in self.numbers for text in context
                              if text.endswith(f"_{name}")}
                context = []
            context += re.findall(r"(?:In function|inlined from) ['‘](\w+)['’]", line)
        return found


def combine(mutants: Sequence[Mutant], tree: Path) -> Combined:
    """All of `mutants` that fit into one kernel."""
    texts: dict[Path, str] = {}
    fitting = [mutant for mutant in mutants if fits(mutant, tree, texts)]
    numbers = {mutant.id: number for number, mutant in enumerate(fitting, start=1)}
    edits: dict[tuple[Path, str], dict[str, list[Edit]]] = {}
    for mutant in fitting:
        for edit in mutant.edits:
            edits.setdefault((edit.file, edit.function), {}).setdefault(mutant.id, []).append(edit)
    functions = sorted(edits)
    changed = {file: texts[file] for file, _ in functions}
    for index, (file, function) in enumerate(functions):
        changed[file] = replaced(changed[file], file, function, edits[file, function], numbers, index)
    for file, text in changed.items():
        changed[file] = declared(text, file)
    if functions:
        home = changed.get(HOME) or declared((tree / HOME).read_text(), HOME)
        export = next(word for word in EXPORTS if word in home)
        changed[HOME] = home + VARIABLES.format(count=len(functions), export=export)
    return Combined(changed, numbers, functions)


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

    def copy(self, mutant: str, edits: Sequence[Edit]) -> str:
        text = self.text
        for edit in edits:
            text = edit.apply(text)
        name = definition(text, self.name, edits[0].file).name
        words = [word for word in self._type if word not in LINKAGE]
        return "\n".join((BEGIN.format(mutant),
                          f"static noinline __maybe_unused {' '.join(words)} {self.name}_{mutant}"
                          f"{text[name + len(self.name):]}", END, ""))


def replaced(text: str, file: Path, function: str, edits: dict[str, list[Edit]],
             numbers: dict[str, int], index: int) -> str:
    """The text with copies of the function, one for each mutant."""
    found = Function(text, function, file)
    copies = "".join(found.copy(mutant, each) for mutant, each in edits.items())
    cases = "".join(f"\tcase {numbers[mutant]}: return {found.name}_{mutant}({found.arguments});\n"
                    for mutant in edits)
    # noipa: gcc would split the look at the number from the rest, and probes see a part only.
    attribute = "" if found.inline else "__attribute__((noipa)) "
    return "".join((
        text[:found.start], f"{attribute}{found.head};\n", copies, f"{found.head}\n{{\n",
        f"\tkts_reached[{index}] = 1;\n\tswitch (kts_mutant) {{\n{cases}\t}}\n", found.body, "\n}",
        text[found.end:],
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
