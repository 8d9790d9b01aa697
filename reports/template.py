# SPDX-License-Identifier: GPL-2.0-only
"""Pages from templates.  What needs Jinja2 is here, and imports it only to make a page:
the rest of the project runs on Python alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


class NoJinja(Exception):
    """Jinja2 is not installed; the text says how to install it."""

    def __init__(self) -> None:
        super().__init__("Jinja2 is missing; as root:\n"
                         "  apt-get install --no-install-recommends -y python3-jinja2")


def page(name: str, values: Mapping[str, Any], folder: Path = FOLDER,
         filters: Mapping[str, Callable[..., str]] | None = None) -> str:
    """The template `name` of the folder, filled in."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise NoJinja from error
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= filters or {}
    return environment.get_template(name).render(values)
