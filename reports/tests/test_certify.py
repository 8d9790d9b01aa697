# SPDX-License-Identifier: GPL-2.0-only
"""Certificates: verdicts, and evidence that was tampered with."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from reports import certify, evidence
from reports.certify import Finding, Requirement, Verdict
from reports.model import Boot, Json, Run, Status
from reports.tests.runs import run

NEEDED = Requirement("H1", "a must", "hardware", ("a_test:*",))
OTHER = Requirement("E1", "shown elsewhere", "emulated", ("b_test:*",))
SAMPLE = Path(__file__).parent / "sample/20260101T120000Z"


def native(**statuses: str | tuple[str, float]) -> Run:
    one = run(**statuses)
    one.boots = [Boot(on="native")]
    one.environment = {**one.environment, "virtual": "", "tdx_module": "1.5.16.00.0834"}
    return one


def verdict(one: Run, *wanted: Requirement) -> Verdict:
    return certify.overall(one, [certify.judge(one, requirement, {}) for requirement in wanted])


def finding(one: Run, waived: Mapping[str, str] | None = None) -> Finding:
    return certify.judge(one, NEEDED, waived or {})


class VerdictTest(unittest.TestCase):
    def test_of_a_requirement(self) -> None:
        for statuses, verdict in ((("pass", "pass"), Verdict.PASS), (("pass", "fail"), Verdict.FAIL),
                                  (("pass", "skip"), Verdict.INCOMPLETE), ((), Verdict.INCOMPLETE),
                                  (("pass", "error"), Verdict.INCOMPLETE),
                                  (("skip", "fail"), Verdict.FAIL), (("pass", "xfail"), Verdict.FAIL)):
            with self.subTest(statuses):
                one = native(**{f"case{i}": status for i, status in enumerate(statuses)})
                self.assertIs(finding(one).verdict, verdict)

    def test_waiver(self) -> None:
        one = native(a="pass", b="xfail")
        name = "why xfail"
        found = finding(one, {name: "agreed with the vendor"})
        self.assertIs(found.verdict, Verdict.PASS)
        self.assertIn("waived: agreed with the vendor", found.remarks[0])
        self.assertIs(finding(one, {"L9": "another one"}).verdict, Verdict.FAIL)

    def test_overall(self) -> None:
        one = native(a="pass")
        both = [certify.judge(one, requirement, {}) for requirement in (NEEDED, OTHER)]
        self.assertIs(certify.overall(one, both), Verdict.PASS)
        one.boots = [Boot(on="bochs")]
        self.assertIs(certify.overall(one, both), Verdict.INCOMPLETE)
        one = native(a="skip")
        self.assertIs(certify.overall(one, [finding(one)]), Verdict.INCOMPLETE)
        one = native(a="pass")
        one.deaths = ["panicked"]
        self.assertIs(certify.overall(one, [finding(one)]), Verdict.FAIL)

    def test_a_known_issue_counts_where_it_is_mandatory(self) -> None:
        optional = Requirement("X1", "no kernel does", "host-wide", ("a_test:b",))
        must = Requirement("H1", "a must", "hardware", ("a_test:a",))
        self.assertIs(verdict(native(a="pass", b="xfail"), must, optional), Verdict.PASS)
        self.assertIs(verdict(native(a="xfail", b="pass"), must, optional), Verdict.FAIL)
        self.assertIs(verdict(native(a="pass", b="fail"), must, optional), Verdict.FAIL)
        self.assertIs(verdict(native(a="pass", b="fail"), must), Verdict.FAIL)

    def test_hardware_must_be_hardware(self) -> None:
        """A virtual machine or softtdx, whatever --on said."""
        told_by: tuple[dict[str, str | None], ...] = (
            {"virtual": "this is a virtual machine"}, {"tdx_module": "1.5.9999.0"}, {"virtual": None})
        for told in told_by:
            with self.subTest(told):
                one = native(a="pass")
                one.environment = {**one.environment, **told}
                self.assertIs(verdict(one, NEEDED), Verdict.INCOMPLETE)
                self.assertTrue(certify.not_hardware(one))
        self.assertEqual(certify.not_hardware(native(a="pass")), "")

    def test_warnings_that_could_not_come(self) -> None:
        one = native(a="pass")
        one.environment = {**one.environment, "warnings": "used up"}
        self.assertIs(verdict(one, NEEDED), Verdict.INCOMPLETE)
        data = certify.certificate(one, False, certify.Rules([NEEDED], {}))
        self.assertIn("WARN_ONCE", " ".join(data["problems"]))

    def test_an_emulated_certificate_says_so(self) -> None:
        one = native(a="pass")
        one.boots = [Boot(on="bochs")]
        page = certify.page(certify.certificate(one, False, certify.own_rules()))
        self.assertIn("EMULATED HOST", page)
        self.assertNotIn("<h1>PASS", page)


class DossierTest(unittest.TestCase):
    """The facts that a vendor hands over beside the verdict."""

    def data(self, waived: Mapping[str, str], **environment: str | bool) -> Json:
        one = native(a="pass", b="xfail", c="skip", d="skip")
        one.environment = {**one.environment, **environment}
        for _, case in one.cases(Status.XFAIL):
            case.reason = "L1: an endless prefault"
        for _, case in one.cases(Status.SKIP):
            case.reason = "needs a <module>"
        return certify.certificate(one, False, certify.Rules([NEEDED], waived))

    def test_findings_name_their_fix(self) -> None:
        found = self.data({"L1": "agreed"})["findings"]
        self.assertEqual([(one["id"], one["cases"], one["waived"]) for one in found],
                         [("L1", ["a_test:b"], "agreed")])
        self.assertIn("355323a4dc94", found[0]["kernels"])

    def test_what_could_not_run(self) -> None:
        data = self.data({})
        self.assertEqual(data["not_run"], [
            {"reason": "needs a <module>", "cases": ["a_test:c", "a_test:d"]}])
        page = certify.page(data)
        self.assertIn("needs a &lt;module&gt;", page)
        self.assertIn("Reload MMU on", page)

    def test_a_rehearsal_says_so_on_each_page(self) -> None:
        data = self.data({"L1": "agreed"}, rehearsal=True)
        self.assertEqual((data["stamp"], data["emulated"]), ("REHEARSAL", True))
        self.assertNotEqual(data["verdict"], "PASS")
        self.assertRegex(certify.page(data), r'@top-center \{ content: "REHEARSAL')
        self.assertNotIn("@top-center", certify.page(self.data({})))


class RulesTest(unittest.TestCase):
    def test_without(self) -> None:
        one = Requirement("H1", "a must", "hardware", ("a_test:*",), ("a_test:legacy_*",))
        self.assertTrue(one.names("a_test:x"))
        self.assertFalse(one.names("a_test:legacy_x"))

    def test_round_trip(self) -> None:
        rules = certify.own_rules()
        again = certify.Rules.from_json(json.loads(json.dumps(rules.to_json())))
        self.assertEqual(list(certify.differences(again, rules)), [])

    def test_differences(self) -> None:
        changed = Requirement("H1", "a must", "hardware", ("a_test:less",))
        there = certify.Rules([changed, OTHER], {"L1": "agreed"})
        here = certify.Rules([NEEDED, Requirement("N1", "new", "kmod", ("c_test:*",))], {"L3": "known"})
        self.assertEqual(list(certify.differences(there, here)), [
            "waived there, not here: L1 (agreed)", "waived here, not there: L3",
            "requirement H1 is another one here", "requirement E1 is none here",
            "requirement N1 is not there"])


class EvidenceTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.results = self.folder / "results"
        shutil.copytree(SAMPLE, self.results)
        environment = {"kernel": "7.2", "identity": {"host name": "secret-host"}}
        (self.results / "environment.json").write_text(json.dumps(environment))
        (self.results / "dmesg.default.txt").write_text("secret-host says hello\n")
        self.out = self.folder / "out"

    def main(self, *arguments: str | Path) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            return certify.main([str(argument) for argument in arguments]), out.getvalue()

    def certify(self, *arguments: str | Path) -> Path:
        code, text = self.main(self.results, "--out", self.out, "--no-pdf", *arguments)
        self.assertIn(code, (1, 4), text)
        return self.out / evidence.ARCHIVE

    def rewrite(self, archive: Path, change: Mapping[str, bytes | None]) -> None:
        """Put other content into the archive, or take a member out of it."""
        with tarfile.open(archive) as tar:
            content = {member.name: tar.extractfile(member).read()      # type: ignore[union-attr]
                       for member in tar.getmembers()}
        with tarfile.open(archive, "w:gz") as tar:
            for name, data in {**content, **change}.items():
                if data is not None:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))

    def test_verify(self) -> None:
        archive = self.certify()
        code, text = self.main("--verify", archive)
        self.assertEqual(code, 0, text)
        self.assertIn("emulated host", text)
        self.assertIn("not signed", text)

    def test_rules_go_with_the_evidence(self) -> None:
        """A vendor's waiver is no forgery, and is reported."""
        rules = certify.own_rules()
        vendor = certify.Rules(rules.requirements, {"L1": "agreed with the vendor"})
        with mock.patch.object(certify, "own_rules", return_value=vendor):
            archive = self.certify()
        code, text = self.main("--verify", archive)
        self.assertEqual(code, 0, text)
        self.assertIn("waived there, not here: L1 (agreed with the vendor)", text)

    def test_rules_cannot_be_exchanged(self) -> None:
        archive = self.certify()
        self.rewrite(archive, {certify.RULES: b'{"requirements": [], "waivers": {}}'})
        code, text = self.main("--verify", archive)
        self.assertEqual(code, 3)
        self.assertIn("changed since", text)

    def test_never_overwritten(self) -> None:
        self.certify()
        code, text = self.main(self.results, "--out", self.out, "--no-pdf")
        self.assertEqual(code, 3)
        self.assertIn("has a certificate already", text)

    def test_tampered(self) -> None:
        archive = self.certify()
        original = archive.read_bytes()
        changes: list[tuple[dict[str, bytes | None], str]] = [
            ({"certificate.json": b"{}"}, "changed since"),
            ({"results/plan.json": None}, "added or missing"),
            ({"results/more": b"x"}, "added or missing"),
            ({"../escape": b"x"}, "it has ../escape")]
        for change, words in changes:
            with self.subTest(words):
                archive.write_bytes(original)
                self.rewrite(archive, change)
                code, text = self.main("--verify", archive)
                self.assertEqual(code, 3)
                self.assertIn(words, text)

    def test_a_verdict_that_the_evidence_does_not_bear(self) -> None:
        archive = self.certify()
        data = json.loads((self.out / "certificate.json").read_text())
        forged = json.dumps(data | {"verdict": "PASS", "emulated": False}).encode()
        with evidence.unpacked(archive) as folder:
            manifest = (folder / evidence.MANIFEST).read_text()
        own = evidence.sha256(self.out / "certificate.json")
        path = self.folder / "forged"
        path.write_bytes(forged)
        self.rewrite(archive, {"certificate.json": forged, evidence.MANIFEST: manifest.replace(
            own, evidence.sha256(path)).encode()})
        code, text = self.main("--verify", archive)
        self.assertEqual(code, 1)
        self.assertIn("NOT GENUINE", text)

    def test_cut_or_foreign(self) -> None:
        archive = self.certify()
        archive.write_bytes(archive.read_bytes()[:200])
        self.assertIn("was cut", self.main("--verify", archive)[1])
        archive.write_bytes(gzip.compress(b"something else"))
        self.assertEqual(self.main("--verify", archive)[0], 3)
        self.assertEqual(self.main(self.folder, "--out", self.folder / "x")[0], 3)

    def test_anonymous(self) -> None:
        archive = self.certify("--anonymous")
        with evidence.unpacked(archive) as folder:
            for path in folder.rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"secret-host", path.read_bytes(), path)
        self.assertEqual(self.main("--verify", archive)[0], 0)

    @unittest.skipUnless(shutil.which("weasyprint"), "needs weasyprint")
    def test_pdf(self) -> None:
        code, text = self.main(self.results, "--out", self.out)
        self.assertIn(code, (1, 4), text)
        self.assertTrue((self.out / "certificate.pdf").read_bytes().startswith(b"%PDF-"))

    @unittest.skipUnless(shutil.which("ssh-keygen"), "needs ssh-keygen")
    def test_signature(self) -> None:
        key = self.folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        archive = self.certify("--sign", key)
        signers = self.folder / "signers"
        public = key.with_suffix(".pub").read_text()
        signers.write_text(f"tester@localhost {public}")
        check = ("--verify", archive, "--signers", signers, "--signer", "tester@localhost")
        self.assertIn("signed by tester@localhost", self.main(*check)[1])
        signers.write_text(f"another@localhost {public}")
        code, text = self.main(*check)
        self.assertEqual(code, 3, text)
        self.assertIn("cannot check the signature", text)


if __name__ == "__main__":
    unittest.main()
