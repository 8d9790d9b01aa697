# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import unittest

from testbed.machine.stream import Begin, Booted, Done, End, Event, File, GuestStream, Output

WHOLE = b"""\
@@boot 7.2.12
@@file environment
 cpus=2
@@endfile environment
@@begin a_test
KTAP version 1
ok 1 x

@@end a_test 0
@@done
"""


def events(data: bytes, piece: int = 1 << 20) -> list[Event]:
    stream = GuestStream()
    found: list[Event] = []
    for start in range(0, len(data), piece):
        found += stream.feed(data[start:start + piece])
    return found + list(stream.finish())


class GuestStreamTest(unittest.TestCase):
    def test_whole_run(self) -> None:
        self.assertEqual(events(WHOLE), [
            Booted("7.2.12"), File("environment", b"cpus=2\n"), Begin("a_test"),
            Output(b"KTAP version 1\n"), Output(b"ok 1 x\n"), End("a_test", 0), Done(),
        ])

    def test_pieces_of_any_size_give_the_same(self) -> None:
        for piece in (1, 2, 3, 7, 64):
            self.assertEqual(events(WHOLE, piece), events(WHOLE))

    def test_output_without_last_newline(self) -> None:
        self.assertEqual(
            events(b"@@begin t\nok 1 x\nhalf\n@@end t 137\n")[1:],
            [Output(b"ok 1 x\n"), Output(b"half\n"), End("t", 137)],
        )

    def test_empty_lines_of_the_test_are_kept(self) -> None:
        self.assertEqual(
            events(b"@@begin t\n\n\nx\n\n\n@@end t 0\n")[1:],
            [Output(b"\n"), Output(b"\n"), Output(b"x\n"), Output(b"\n"), End("t", 0)],
        )

    def test_markers_that_a_test_prints_are_output(self) -> None:
        lines = [b"@@done\n", b"@@end other 0\n", b"@@begin x\n", b"@@end t\n"]
        found = events(b"@@begin t\n" + b"".join(lines) + b"@@end t 0\n")
        self.assertEqual(found[1:-1], [Output(line) for line in lines])

    def test_bytes_that_are_not_text(self) -> None:
        found = events(b"\xff\xfe\n@@begin t\n\xff\0\n@@end \xff 0\n@@end t \xff\n")
        self.assertEqual(found, [
            Begin("t"), Output(b"\xff\0\n"), Output(b"@@end \xff 0\n"), End("t", -1),
        ])

    def test_broken_off_in_a_line(self) -> None:
        self.assertEqual(events(b"@@begin t\nok 1 x\nno")[1:], [Output(b"ok 1 x\n"), Output(b"no")])

    def test_broken_off_in_a_file(self) -> None:
        self.assertEqual(events(b"@@file dmesg\n a\n b\n c"), [File("dmesg", b"a\nb\n")])

    def test_file_without_end(self) -> None:
        found = events(b"@@file dmesg\n a\n@@begin t\n@@end t 0\n")
        self.assertEqual(found, [File("dmesg", b"a\n"), Begin("t"), End("t", 0)])

    def test_file_without_its_last_newline(self) -> None:
        for content in (b" 00ff", b" 00ff\n"):
            found = events(b"@@file x\n" + content + b"\n@@endfile x\n@@done\n")
            self.assertEqual(found, [File("x", content[1:].rstrip() + b"\n"), Done()])

    def test_file_with_markers_inside(self) -> None:
        found = events(b"@@file dmesg\n @@done\n \n@@endfile dmesg\n@@done\n")
        self.assertEqual(found, [File("dmesg", b"@@done\n\n"), Done()])

    def test_noise_between(self) -> None:
        self.assertEqual(events(b"login:\n\n@@begin\n@@done\n"), [Done()])

    def test_how_long_the_boot_took(self) -> None:
        self.assertEqual(events(b"@@done 12.34\n@@done never\n"), [Done(12.34), Done(0)])
