# SPDX-License-Identifier: GPL-2.0-only
"""The evidence of a certificate: one archive, its manifest of hashes, its signature."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ARCHIVE = "evidence.tar.gz"
MANIFEST = "MANIFEST.sha256"
NAMESPACE = "kvm-tdx-selftests"
# Derived from the rest, or full of host names.
LEFT_OUT = ("report.html", "junit.xml", "results.json")
NAMING = ("console.*", "dmesg.*")


class EvidenceError(Exception):
    """The archive is damaged, or lacks something; the text says what."""


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(results: Path, out: Path, documents: Sequence[str], anonymous: bool) -> Path:
    """`out`/evidence.tar.gz: the documents, the results, and the hashes of both."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        members = {document: out / document for document in documents}
        for path in sorted(results.rglob("*")):
            relative = path.relative_to(results)
            hidden = path.name in LEFT_OUT or (anonymous and any(map(path.match, NAMING)))
            if path.is_file() and not hidden:
                members[f"results/{relative}"] = path
        if anonymous:
            members["results/environment.json"] = without_identity(results, work)
        manifest = work / MANIFEST
        manifest.write_text("".join(f"{sha256(path)}  {member}\n"
                                    for member, path in members.items()))
        archive = out / ARCHIVE
        with tarfile.open(archive, "w:gz") as tar:
            for member, path in {MANIFEST: manifest, **members}.items():
                tar.add(path, member)
    return archive


def without_identity(results: Path, work: Path) -> Path:
    path = work / "environment.json"
    data = json.loads((results / "environment.json").read_text())
    data.pop("identity", None)
    path.write_text(json.dumps(data, indent=1) + "\n")
    return path


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The content, after all hashes were checked and no member is missing or extra."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, members=harmless(archive, tar))
        except (OSError, tarfile.TarError, EOFError) as error:
            raise EvidenceError(f"{archive} is no evidence archive, or was cut: {error}") from error
        check(folder)
        yield folder


def harmless(archive: Path, tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The members; only plain files inside of the folder are accepted."""
    members = tar.getmembers()
    for member in members:
        if not member.isfile() or member.name.startswith("/") or ".." in Path(member.name).parts:
            raise EvidenceError(f"{archive} is no evidence archive: it has {member.name}")
    return members


def check(folder: Path) -> None:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise EvidenceError(f"no {MANIFEST} in the archive")
    listed: dict[str, str] = {}
    for line in manifest.read_text().splitlines():
        digest, _, member = line.partition("  ")
        listed[member] = digest
    present = {str(path.relative_to(folder)) for path in folder.rglob("*")
               if path.is_file() and path != manifest}
    if unlike := present ^ listed.keys():
        raise EvidenceError(f"added or missing since it was made: {', '.join(sorted(unlike))}")
    for member, digest in listed.items():
        if sha256(folder / member) != digest:
            raise EvidenceError(f"changed since it was made: {member}")


def sign(archive: Path, key: Path) -> None:
    run(["ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, archive], "sign")


def verify_signature(archive: Path, signers: Path | None, signer: str | None) -> str:
    """Describe the signature and its owner."""
    signature = archive.with_name(archive.name + ".sig")
    if signers is None or signer is None:
        return "signed, not checked (--signers, --signer)" if signature.exists() else "not signed"
    if not signature.exists():
        raise EvidenceError(f"{signature} does not exist")
    with archive.open("rb") as data:
        run(["ssh-keygen", "-Y", "verify", "-f", signers, "-I", signer, "-n", NAMESPACE,
             "-s", signature], "check the signature", data.fileno())
    return f"signed by {signer}"


def run(command: Sequence[str | Path], what: str, stdin: int = subprocess.DEVNULL) -> None:
    try:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EvidenceError(f"cannot {what}: ssh-keygen is not installed (Debian: openssh-client)") from error
    if done.returncode:
        raise EvidenceError(f"cannot {what}: {(done.stderr or done.stdout).strip()}")
