#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""docs/softtdx_leaves.md: leaf x checked operands x states x profile, counted in the tests.

Without an argument the file is written; --check says whether it is current.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "model"
PAGE = HERE.parents[1] / "docs/softtdx_leaves.md"

OPERANDS = {
    0x0: "RAX", 0x1: "RCX", 0x2: "RDX", 0x8: "R8", 0x9: "R9", 0xC: "R12", 0xD: "R13",
    0x40: "ATTRIBUTES", 0x41: "XFAM", 0x42: "EXEC_CONTROLS", 0x43: "EPTP_CONTROLS",
    0x44: "MAX_VCPUS", 0x45: "CPUID_CONFIG", 0x46: "TSC_FREQUENCY", 0x47: "NUM_L2_VMS",
    0x48: "ARCH_CAPS", 0x80: "TDR", 0x92: "SEPT_TREE", 0xA9: "TD_EPOCH", 0xAC: "OP_STATE",
    0xBA: "KOT", 0xBB: "KET", 0xBC: "WBCACHE", 0xB9: "TDMR",
}
# Statuses whose low half names an operand.
OF_OPERAND = {"OPERAND_INVALID", "OPERAND_ADDR_RANGE_ERROR", "OPERAND_BUSY",
              "PAGE_METADATA_INCORRECT", "PAGE_NOT_FREE", "HPA_RANGE_NOT_FREE",
              "MISSING_PAMT_PAGE_PAIR", "NO_PAMT_PAGE_PAIR"}
STATES = {"0": "any", "IN_UNINIT": "U", "IN_BUILT": "I R", "IN_INITIALIZED": "I",
          "IN_RUNNABLE": "R"}
IN_WORDS = {
    "the module is loaded": "module loaded", "the module waits for its TDMRs": "no TDMRs",
    "a TD without key": "no key", "a TD without TDCS": "no TDCS",
    "the TD of these parameters runs": "R", "a TD that can run": "R",
    "a TD that is not initialised": "U", "a TD without vCPU": "I",
    "a TD that is not finalised": "I",
}
DYNAMIC_PAMT = {"PHYMEM_PAMT_ADD", "PHYMEM_PAMT_REMOVE"}

HEADER = """\
# softtdx: what is tested of each leaf

Made by `softtdx/tests/leaf_table.py` of the model's table of leaves, the unit tests and the
recorded exchanges; `make -C softtdx check` says when it is out of date. A number in
brackets behind a status or an operand is how many assertions and exchanges name it.

- *op-states*: in which the leaf may run (U uninitialised, I initialised, R runnable).
- *operands*: the operands that a refused call named.
- *other answers*: states and rules.
- *exchanges by state*: recorded exchanges by the op-state of the TD, or by the state of the
  module where there is no TD, and in how many states of that case.
- *tests by profile*: the unit tests that call the leaf, by the profile of the module
  (`--module`), and those that run once for each leaf (test_operands.c: pages, locks,
  op-states, GPAs). "-" where the module of that profile does not have the leaf.

| leaf | op-states | operands | other answers | exchanges by state | tests, 1.5 | 1.5-latest | 2.0 | for each leaf |
|---|---|---|---|---|---:|---:|---:|---:|
"""


@dataclass
class Tested:
    tests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))    # by profile
    answers: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    exchanges: dict[str, int] = field(default_factory=lambda: defaultdict(int))     # by state
    states: set[str] = field(default_factory=set)

    def answered(self, status: str, operand: str) -> None:
        self.answers[status, operand if status in OF_OPERAND else ""] += 1


def leaves() -> dict[str, str]:
    """Constant of a leaf, and its op-states."""
    rows = re.findall(r"\tX\((\w+), \w+, (\w+), [^)]*\)", (MODEL / "leaves.h").read_text())
    return {name: STATES[states] for name, states in rows}


def names() -> dict[str, str]:
    rows = re.findall(r'X\(\d+, (\w+), "([\w.]+)"\)', (MODEL / "abi.h").read_text())
    return dict(rows)


def profiles() -> list[str]:
    return re.findall(r'\{ "([^"]+)", \d', (MODEL / "profiles.c").read_text())


def aliases(text: str) -> dict[str, str]:
    """Macros of a file that stand for a call: ADD(...) for CALL(PHYMEM_PAMT_ADD, ...)."""
    return dict(re.findall(r"#define (\w+)\([^)]*\)[ \\\n\t]*CALL\((\w+)", text))


def read_unit_tests(found: dict[str, Tested]) -> None:
    for path in sorted(HERE.glob("test_*.c")):
        text = path.read_text()
        macros = aliases(text)
        for body in re.split(r"(?m)^(?=TEST(?:_COLD)?\()", text)[1:]:
            read_unit_test(body, macros, found)


def profiles_of(body: str) -> set[str]:
    """The profiles that a unit test runs with."""
    named = set(re.findall(r'(?:boot\(w, |softtdx_profile\()"([^"]+)"', body)) & set(profiles())
    return named | ({"1.5-latest"} if "boot_dynamic(" in body else set()) or {profiles()[0]}


def read_unit_test(body: str, macros: dict[str, str], found: dict[str, Tested]) -> None:
    test = re.findall(r"\((\w+)\)", body)[0]
    for name in called(body, macros):
        if name in found:
            for profile in profiles_of(body):
                found[name].tests[profile].add(test)
    for statement in re.findall(r"\bEXPECT\(.*?;", body, re.S):
        status = re.search(r"\bST0?\((\w+)(?:, OP_(\w+))?", statement)
        if status:
            for name in called(statement, macros):
                if name in found:
                    found[name].answered(status[1], status[2] or "")


def called(text: str, macros: dict[str, str]) -> set[str]:
    direct = set(re.findall(r"\bCALL(?:_ON)?\((?:\w+, )?([A-Z]\w+),?", text))
    direct |= set(re.findall(r"\bTDH_(\w+)", text))
    return direct | {macros[name] for name in re.findall(r"\b([A-Z]\w+)\(", text) if name in macros}


def read_exchanges(found: dict[str, Tested]) -> None:
    of_name = {name: constant for constant, name in names().items()}
    for path in sorted((HERE / "exchanges").glob("*.txt")):
        state, leaf = "", ""
        for line in path.read_text().splitlines():
            if line.startswith("["):
                state = "the module is ready; "
            elif line.startswith("given "):
                state += line[6:] + "; "
            elif line.startswith("do TDH.MNG.INIT"):
                state = state.replace("a TD that is not initialised", "a TD without vCPU")
            elif line.startswith("do TDH.MR.FINALIZE"):
                state = state.replace("a TD that is not finalised", "a TD that can run")
            elif line.startswith(("call ", "guest ")):
                word = "TDH.VP.ENTER" if line.startswith("guest") else line.split()[1]
                leaf = of_name.get(word.split("/")[0], "")
                if leaf in found:
                    found[leaf].exchanges[op_state(state)] += 1
                    found[leaf].states.add(state)
            elif line.startswith("is ") and leaf in found:
                read_answer(line.split()[1], found[leaf])


def op_state(given: str) -> str:
    """The op-state of the TD in the words of a case; without TD the module's."""
    for words, name in IN_WORDS.items():
        if words in given:
            return name
    return "no TD"


def read_answer(word: str, tested: Tested) -> None:
    status, _, low = word.partition("|")
    if status != "SUCCESS" and re.match(r"[A-Z]{2}", status):
        operand = OPERANDS.get(int(low or "0", 16) & 0xFFFFFFFF, low) if status in OF_OPERAND else ""
        tested.answered(status, operand)


def cell(answers: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(answers.items()))


def row(name: str, constant: str, states: str, tested: Tested, shared: set[str]) -> str:
    operands: dict[str, int] = defaultdict(int)
    others: dict[str, int] = defaultdict(int)
    for (status, operand), count in tested.answers.items():
        if status in OF_OPERAND and operand:
            operands[operand] += count
        else:
            others[status] += count
    has = profiles()[1:] if constant in DYNAMIC_PAMT else profiles()
    counts = [f"{len(tested.tests[profile])}" if profile in has else "-" for profile in profiles()]
    exchanges = cell(tested.exchanges) + (f"; {len(tested.states)} states" if tested.states else "")
    return (f"| {name} | {states} | {cell(operands)} | {cell(others)} | {exchanges} | "
            f"{' | '.join(counts)} | {len(shared)} |")


def for_each_leaf() -> tuple[set[str], set[str]]:
    """Tests that run for each ready call, and the leaves of these."""
    text = (HERE / "test_operands.c").read_text()
    bodies = re.split(r"(?m)^(?=TEST(?:_COLD)?\()", text)[1:]
    tests = {re.findall(r"\((\w+)\)", body)[0] for body in bodies if "FOR_EACH_" in body}
    calls = set(re.findall(r"\{ TDH_(\w+),", (HERE / "ready_call.c").read_text()))
    return tests, calls


def table() -> str:
    found = {constant: Tested() for constant in leaves()}
    read_unit_tests(found)
    read_exchanges(found)
    shared, ready = for_each_leaf()
    rows = [row(names()[constant], constant, states, found[constant],
                shared if constant in ready else set())
            for constant, states in leaves().items()]
    return HEADER + "\n".join(rows) + "\n"


def main() -> int:
    text = table()
    if sys.argv[1:] == ["--check"]:
        if PAGE.exists() and PAGE.read_text() == text:
            return 0
        print(f"# {PAGE.name} is not current: run softtdx/tests/leaf_table.py")
        return 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
