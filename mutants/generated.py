# SPDX-License-Identifier: GPL-2.0-only
"""Mutants made from the kernel's source: the functions of the mapping path, by operators."""

from __future__ import annotations

import fnmatch
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mutants import frontend, operators
from mutants.frontend import CFunction
from mutants.mutant import VM_TYPES, Change, Cut, DoesNotApply, Mutant, definition, digest
from mutants.probes import Probe

# Functions of each file that are part of the mapping path: those that match, whole.
SCOPE = {
    "arch/x86/kvm/mmu/tdp_mmu.c": r".*",
    "arch/x86/kvm/mmu/tdp_iter.c": r".*",
    "arch/x86/kvm/mmu/spte.c": r".*",
    "arch/x86/kvm/mmu/mmu.c": (
        r"\w*(?:fault|gmem|hugepage|lpage|tdp|spte_lockless|sptes_lockless|pfn|mixed|attributes|split_huge"
        r"|recover|dirty|memslot|zap_all_fast|zap_gfn|unmap_gfn|age_gfn|write_access|obsolete_root)\w*"
        r"|fast_\w+|kvm_mmu_(?:load|unload|free_roots|reload|init_vm|uninit_vm|topup\w*|zap_all)"
        r"|mmu_topup_memory_caches|mmu_alloc_(?:root|direct_roots)|mmu_free_root_page|direct_map"
        r"|kvm_flush_remote_tlbs_sptep|walk_shadow_page_lockless_\w+"),
    "virt/kvm/guest_memfd.c": r".*",
    "virt/kvm/kvm_main.c": (
        r"\w*(?:memslot|memory_region|mmu_notifier|hva|gfn_range|mem_attributes|memory_attributes|dirty_log"
        r"|dirty_bitmap|dirty_ring|reset_dirty|flush_remote|memory_cache|gfn_node|pfn|invalidate)\w*"
        r"|gfn_to_\w+|kvm_(?:vcpu_)?mark_page_dirty|mark_page_dirty\w*|kvm_vcpu_pre_fault_memory"
        r"|kvm_release_page_\w+|kvm_set_page_\w+|kvm_prefetch_pages|vma_is_valid|kvm_page_in_dirty_ring"
        r"|check_memory_region_flags|kvm_is_visible_gfn|kvm_vcpu_is_visible_gfn"),
    "arch/x86/kvm/vmx/tdx.c": r".*",
}
# Of mmu.c and the TDP MMU's sources: other MMUs, and what runs once at boot or must not be traced.
OUT = re.compile(
    r"\w*(?:rmap|shadow_page|_shadow_mmu|shadow_ept|shadow_npt|nested|softmmu|pkru|permission_bitmask|unsync"
    r"|track_write|write_flooding|rsvds|pte_list|cpu_role|module_init|module_exit|halt_poll|hardware_setup"
    r"|hardware_unsetup|shadow_zero|asid)\w*"
    r"|kvm_mmu_spte_module_init|kvm_mmu_set_ept_masks|tdx_vcpu_enter_exit|tdx_bringup|tdx_cleanup"
    r"|__check_\w+|class_\w+|tdx_get_supported_\w+|kvm_gmem_init|kvm_gmem_exit")


@dataclass(frozen=True)
class Generated(Mutant):
    operator: str = ""
    line: int = 0               # in the file

    @property
    def function(self) -> str:
        return self.edits[0].function

    def matches(self, glob: str) -> bool:
        return any(fnmatch.fnmatchcase(name, glob) for name in (
            self.id, self.function, str(self.files[0]), self.files[0].name))

    @property
    def place(self) -> str:
        return f"{self.edits[0].file}:{self.line} {self.function}()"


def in_scope(file: str, function: str) -> bool:
    return bool(re.fullmatch(SCOPE[file], function)) and not OUT.fullmatch(function)


def of_function(file: Path, text: str, function: CFunction) -> list[Generated]:
    """The id depends on the function's text and on nothing else of the file."""
    try:
        there = definition(text, function.name, file)
    except DoesNotApply:
        return []       # twice, by #ifdef, or made by a macro
    head = text[there.start:there.body]
    if there.body != function.body.start or re.search(r"\b(?:__init|__exit|noinstr|__weak)\b|\.\.\.", head):
        return []
    made: dict[str, Generated] = {}
    body, base = text[there.body:there.end], there.body
    for one in operators.candidates(function):
        changes = tuple(Change(change.start - base, change.end - base, change.text) for change in one.changes)
        old = [text[change.start:change.end] for change in one.changes]
        new = [change.text for change in changes]
        # The same text may be there more than once.
        name = next(name for ordinal in range(len(body))
                    if (name := "G" + digest(str(file), function.name, one.operator, str(ordinal), *old, *new))
                    not in made)
        probe = Probe(one.probe.kind, one.probe.start - base, one.probe.end - base,
                      (one.probe.split[0] - base, one.probe.split[1] - base), one.probe.differs)
        made[name] = Generated(
            id=name, title=f"{function.name}(): {one.what}", symptom=one.operator, vm=VM_TYPES,
            edits=(Cut(file, function.name, changes, digest(body)),), operator=one.operator,
            line=text.count("\n", 0, one.changes[0].start) + 1, probe=probe)
    return list(made.values())


def generate(origin: Path, build: Path, sources: Path) -> list[Generated]:
    """From the sources in `origin`, which were built in `build`, from links in `sources`."""
    made: list[Generated] = []
    for name in SCOPE:
        file = Path(name)
        path = origin / file
        arguments = frontend.flags(frontend.saved_command(build, file), build, (sources, origin))
        for function in frontend.parse(path, arguments, partial(in_scope, name)):
            made += of_function(file, path.read_text(), function)
    unique(made)
    return made


def unique(made: Iterable[Generated]) -> None:
    seen: set[str] = set()
    for one in made:
        if one.id in seen:
            raise ValueError(f"two mutants are {one.id}: lengthen the digest")
        seen.add(one.id)


def sample(made: Sequence[Generated], count: int, seed: int) -> list[Generated]:
    """By the ids alone, so that it stays the same where other functions change."""
    chosen = sorted(made, key=lambda one: random.Random(f"{seed} {one.id}").random())[:count]
    kept = {one.id for one in chosen}
    return [one for one in made if one.id in kept]


def to_json(made: Sequence[Generated]) -> list[dict[str, Any]]:
    return [{"id": one.id, "title": one.title, "operator": one.operator, "line": one.line,
             "file": str(one.edits[0].file), "function": one.function, "cut": asdict(one.edits[0]) | {
                 "file": str(one.edits[0].file)},
             "probe": asdict(one.probe) if one.probe else None} for one in made]


def from_json(data: Sequence[Mapping[str, Any]]) -> list[Generated]:
    return [Generated(
        id=one["id"], title=one["title"], symptom=one["operator"], vm=VM_TYPES,
        edits=(Cut(Path(one["file"]), one["function"],
                   tuple(Change(**change) for change in one["cut"]["changes"]), one["cut"]["body"]),),
        operator=one["operator"], line=one["line"],
        probe=Probe(**{key: tuple(value) if isinstance(value, list) else value
                       for key, value in one["probe"].items()}),
    ) for one in data]
