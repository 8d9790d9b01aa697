# SPDX-License-Identifier: GPL-2.0-only
"""The generated mutants of a kernel, and the kernel with a sample of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from testbed.make.cache import Cache, digest
from testbed.make.source import Source
from testbed.progress import say

from mutants import frontend, generated
from mutants.generated import SCOPE, Generated
from mutants.tree import Tree

HERE = Path(__file__).parent
MAKERS = tuple(HERE / f"{name}.py" for name in ("frontend", "operators", "generated", "probes"))
# What goes into the kernel of all that are generated: code grows by a function for each.
SIZE, SEED = 2400, 1


def provide(cache: Cache, origin: Source, tree: Tree) -> list[Generated]:
    """All of them; from the cache, or generated."""
    key = digest(origin.identity, *(path.read_text() for path in MAKERS))
    folder = cache.entry("generated", key, "generating mutants",
                         lambda folder: _make(origin, tree, folder))
    return generated.from_json(json.loads((folder / "generated.json").read_text()))


def _make(origin: Source, tree: Tree, folder: Path) -> None:
    if not all(frontend.object_file(tree.built, Path(file)).exists() for file in SCOPE):
        tree.prepare()      # kbuild's commands tell how the files are read
    made = generated.generate(origin.path, tree.built, tree.sources)
    say(f"{len(made)} mutants in {functions(made)} functions")
    (folder / "generated.json").write_text(json.dumps(generated.to_json(made)))


def functions(made: Sequence[Generated]) -> int:
    """How many there are mutants of."""
    return len({(one.files[0], one.function) for one in made})


def built_in(everything: Sequence[Generated]) -> list[Generated]:
    return generated.sample(everything, SIZE, SEED)
