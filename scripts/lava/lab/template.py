# SPDX-License-Identifier: GPL-2.0-only
"""Job templates: scripts/lava/*.yaml.in, with @KEY@ or @KEY=default@ where a value goes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.errors import UsageError

FOLDER = Path(__file__).parent.parent
SUFFIX = ".yaml.in"
PLACE = re.compile(r"@([A-Z_]+)(?:=([^@\n]*))?@")
# Values are in double quotes in YAML, and their words reach a shell.
UNSAFE = re.compile(r"[\"\\\n]|[^\x20-\x7e]")


def names() -> list[str]:
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def places(text: str) -> dict[str, str | None]:
    """The keys of a template and their defaults; None: required."""
    return {key: None if "=" not in whole else default
            for whole, key, default in ((match[0], match[1], match[2] or "")
                                        for match in PLACE.finditer(without_comments(text)))}


def without_comments(text: str) -> str:
    return re.sub(r"^#.*$", "", text, flags=re.MULTILINE)


def fill(name: str, values: Mapping[str, str]) -> str:
    """Fill in the template: a job."""
    path = FOLDER / f"{name}{SUFFIX}"
    if name not in names():
        raise UsageError(f"no template is named {name}; there are: {', '.join(names())}")
    text = path.read_text()
    known = places(text)
    if unknown := sorted(values.keys() - known.keys()):
        raise UsageError(f"{name} has no {', '.join(unknown)}; it has {', '.join(known)}")
    values = {"NAME": f"kvm-tdx-selftests {name}", **values}
    if absent := [key for key, default in known.items() if default is None and key not in values]:
        raise UsageError(f"{name} needs {', '.join(f'{key}=...' for key in absent)}")
    for key, value in values.items():
        if UNSAFE.search(value):
            raise UsageError(f"{key}: a value may have neither quotes nor backslashes: {value!r}")

    def value_of(match: re.Match[str]) -> str:
        return values.get(match[1], match[2] or "")

    return PLACE.sub(value_of, without_comments(text)).lstrip("\n")


def shards(name: str, values: Mapping[str, str], count: int) -> list[str]:
    """The jobs of a sharded run."""
    if count == 1:
        return [fill(name, values)]
    title = values.get("NAME", f"kvm-tdx-selftests {name}")
    return [fill(name, {**values, "SHARD": f"{index}/{count}",
                        "NAME": f"{title} {index}/{count}"})
            for index in range(1, count + 1)]


def parse(words: Sequence[str]) -> dict[str, str]:
    """Parse KEY=VALUE... of a command line."""
    values = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word}: not of the form KEY=VALUE")
        values[key] = value
    return values
