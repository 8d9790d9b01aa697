# SPDX-License-Identifier: GPL-2.0-only
"""From an empty LAVA to one that runs this suite: the steps of docs/lab.md, with its numbers."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab import services
from lab.lavacli import Lava
from lab.services import run
from testbed.progress import say

WORKERS = ("one", "two")
ADMIN = "admin"
KEY = "/etc/lava-dispatcher/id_ssh"
# A worker finds its address by its route; here there is none.
WORKER_CONFIG = "dispatcher_ip: 127.0.0.1\n"
SSH_DEVICE = """\
{% extends 'ssh.jinja2' %}
{% set ssh_host = '127.0.0.1' %}
{% set ssh_identity_file = '@KEY@' %}
"""
# Each job builds the suite in a folder of its own, from the same sources; so does the next run.
FAST_BUILDS = """\
export PATH=/usr/lib/ccache:$PATH CCACHE_NOHASHDIR=1
export CCACHE_DIR=$HOME/.cache/kvm-tdx-selftests/ccache CCACHE_MAXSIZE=500M
"""
# See testbed/machine/qemu.py for the reasons.
QEMU_DEVICE = """\
{% extends 'qemu.jinja2' %}
{% set no_kvm = True %}
{% set memory = 4096 %}
{% set extra_options = ['-machine pc,max-ram-below-4g=2G', '-accel tcg,thread=multi',
                        '-cpu max,-erms', '-smp 2', '-no-reboot',
                        '-serial stdio', '-serial null'] %}
"""


def step(number: int, what: str) -> None:
    say(f"step {number}: {what}")


def administrator() -> str:
    """Create an administrator with a token for lavacli; return the password."""
    password, token = secrets.token_urlsafe(), secrets.token_urlsafe(48)
    run("lava-server", "manage", "users", "add", "--superuser", "--staff", "--passwd", password, ADMIN)
    run("lava-server", "manage", "tokens", "add", "--user", ADMIN, "--secret", token)
    run("lavacli", "identities", "add", "default", "--uri", "http://localhost/RPC2",
        "--username", ADMIN, "--token", token)
    return password


def start_workers(names: Sequence[str], lava: Lava) -> list[subprocess.Popen[bytes]]:
    """The worker of the unit; further ones get folders of their own."""
    daemons = []
    for name in names:
        lava("workers", "add", name)
        lava.with_file(WORKER_CONFIG, "workers", "config", "set", name)
        own = f"--name {name} --worker-dir /var/lib/lava/dispatcher/{name} --ping-interval 5"
        token = json.loads(lava("workers", "show", "--json", name)).get("token")
        settings = {"WORKER_NAME": own} | ({"TOKEN": f"--token {token}"} if token else {})
        daemons.append(services.start("lava-worker.service", settings, f"lava-worker-{name}"))
    for name in names:
        services.wait_for(f"worker {name}", partial(is_online, lava, name),
                          daemons)
    return daemons


def is_online(lava: Lava, name: str) -> bool:
    return bool(json.loads(lava("workers", "show", "--json", name))["state"] == "Online")


def add_devices(lava: Lava) -> None:
    """Two devices on each worker: ssh, which is the worker itself, and QEMU."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)
    Path("/root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(f"{KEY}.pub", "/root/.ssh/authorized_keys")
    Path("/run/sshd").mkdir(exist_ok=True)
    run("ssh-keygen", "-A")
    run("/usr/sbin/sshd", "-o", "ListenAddress=127.0.0.1")
    with Path("/root/.bashrc").open("a") as profile:
        profile.write(FAST_BUILDS)
    dictionaries = {"ssh": SSH_DEVICE.replace("@KEY@", KEY), "qemu": QEMU_DEVICE}
    for kind, dictionary in dictionaries.items():
        lava("device-types", "add", kind)
        for worker in WORKERS:
            name = f"{kind}-{worker}"
            lava("devices", "add", "--type", kind, "--worker", worker, name)
            lava("devices", "dict", "set", name, *in_file(dictionary, name))


def in_file(text: str, name: str) -> list[str]:
    """A file with this text, for lavacli."""
    path = Path("/tmp") / name
    path.write_text(text)
    return [str(path)]


def set_health_check(lava: Lava, kind: str, job: str) -> None:
    """The health check that LAVA runs on each device of a type first, and daily."""
    lava("device-types", "health-check", "set", kind, *in_file(job, f"health-{kind}"))


def activate(lava: Lava) -> list[str]:
    """Let LAVA use the devices; it runs their health checks first."""
    names = [device["hostname"] for device in json.loads(lava("devices", "list", "--json"))]
    for name in names:
        lava("devices", "update", "--health", "UNKNOWN", name)
    return names


@contextmanager
def maintenance(lava: Lava, device: str) -> Iterator[None]:
    """Keep LAVA from scheduling jobs on the device."""
    lava("devices", "update", "--health", "MAINTENANCE", device)
    try:
        yield
    finally:
        lava("devices", "update", "--health", "GOOD", device)
