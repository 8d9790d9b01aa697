# SPDX-License-Identifier: GPL-2.0-only
"""LAVA's web pages for a browser on this machine, whose loopback is not that of LAVA.

A socket belongs to the network namespace that it was made in: one that listens on this
machine's loopback is handed down to the process inside, which connects it to LAVA.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial

WEB = ("127.0.0.1", 80)


def listener() -> socket.socket:
    """A port of this machine's loopback; child processes can inherit it."""
    made = socket.create_server(("127.0.0.1", 0))
    made.set_inheritable(True)
    return made


def url(port: socket.socket) -> str:
    return f"http://127.0.0.1:{port.getsockname()[1]}/"


def until_enter(port: socket.socket, prompt: str, target: tuple[str, int] = WEB) -> None:
    """Connect what comes at the port to the target, until the user presses Enter."""
    asyncio.run(serve(port, prompt, target))


async def serve(port: socket.socket, prompt: str, target: tuple[str, int]) -> None:
    async with await asyncio.start_server(partial(connect, target), sock=port):
        await asyncio.to_thread(input, prompt)


async def connect(target: tuple[str, int], reader: asyncio.StreamReader,
                  writer: asyncio.StreamWriter) -> None:
    """A connection from the browser."""
    try:
        answers, questions = await asyncio.open_connection(*target)
        await asyncio.gather(copy(reader, questions), copy(answers, writer))
    except OSError:     # either side hung up
        pass
    finally:
        writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
