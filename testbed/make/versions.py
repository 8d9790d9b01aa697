# SPDX-License-Identifier: GPL-2.0-only
"""Kernels by version number: what Debian offers, and what of it is still there.

Two kinds of packages hold a kernel's source: `linux-source-X.Y`, with Debian's
changes, one version a suite; and the upstream tarball of the source package
`linux`, of which the index lists many versions.  The files of old ones go away
earlier than their entries in the index, so the mirror is asked as well.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from testbed.errors import UsageError
from testbed.make.apt import Package, PrivateApt

SUITES = ("stable-backports", "testing", "experimental")
SOURCE = "linux"
VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:[~-]rc(\d+))?")
RELEASED = 1 << 16    # sorts behind each release candidate
NOT_FOUND = (404, 410)
ASK_TIMEOUT_S = 20
ASKED_AT_ONCE = 8


def is_version(text: str) -> bool:
    return VERSION.fullmatch(text) is not None


def number(version: str) -> tuple[int, ...]:
    """For sorting: 7.3-rc7 is before 7.3, and 7.3 before 7.3.1."""
    match = VERSION.fullmatch(version)
    assert match is not None
    major, minor, patch, candidate = match.groups()
    return int(major), int(minor), int(patch or 0), int(candidate or RELEASED)


@dataclass(frozen=True)
class Offer:
    package: Package
    uri: str

    @property
    def upstream(self) -> str:
        """7.2.12 of 7.2.12-1~bpo13+1, and 7.3-rc7 of 7.3~rc7-1~exp1."""
        return self.package.version.rpartition("-")[0].replace("~", "-")

    def fits(self, wanted: str) -> bool:
        """Wanted is this version, or the X.Y that it belongs to."""
        series = ".".join(re.split(r"[.-]", self.upstream)[:2])
        return wanted == series or number(wanted) == number(self.upstream)


def offers(apt: PrivateApt) -> list[Offer]:
    """The versions in the index, newest first."""
    listing = apt.search(r"^linux-source-[0-9]+\.[0-9]+$")
    names = re.findall(r"^(linux-source-\S+) ", listing, re.MULTILINE)
    found = [Offer(package, uri)
             for package, uri in (*apt.all_versions(names), *apt.all_sources(SOURCE))]
    numbered = [offer for offer in found if is_version(offer.upstream)]
    return sorted(numbered, key=lambda offer: number(offer.upstream), reverse=True)


def is_there(offer: Offer) -> bool:
    """Whether the mirror has the file; only a definite "no" counts, else the download decides."""
    if not offer.uri.startswith(("http://", "https://")):
        return True
    try:
        urllib.request.urlopen(    # the scheme was checked
            urllib.request.Request(offer.uri, method="HEAD"), timeout=ASK_TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        return error.code not in NOT_FOUND
    except OSError:
        return True
    return True


def present(listed: Sequence[Offer]) -> list[Offer]:
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        there = pool.map(is_there, listed)
        return [offer for offer, is_present in zip(listed, there, strict=True) if is_present]


def choose(listed: Sequence[Offer], wanted: str) -> Package:
    for offer in listed:
        if offer.fits(wanted) and is_there(offer):
            return offer.package
    gone = any(offer.fits(wanted) for offer in listed)
    why = "lists it, but the file is gone" if gone else "does not list it"
    raise UsageError(f"--kernel {wanted}: Debian {why}.\nOffered are:\n{table(present(listed))}")


def table(there: Iterable[Offer]) -> str:
    """One line for each version: its first offer."""
    lines: dict[str, str] = {}
    for offer in there:
        changed = "" if offer.package.name == SOURCE else ", with Debian's changes"
        lines.setdefault(offer.upstream,
                         f"  {offer.upstream:<10}{offer.package.size >> 20} MB{changed}")
    return "\n".join(lines.values())


def find(wanted: str) -> Package:
    with PrivateApt(*SUITES, kinds=("deb", "deb-src")) as apt:
        return choose(offers(apt), wanted)


def listing() -> str:
    with PrivateApt(*SUITES, kinds=("deb", "deb-src")) as apt:
        return table(present(offers(apt)))
