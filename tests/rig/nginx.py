"""nginx with the very configuration file that is shipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gateway.trust.keys import Key
from tests.rig.machine import REPO, need_tool
from tests.rig.waiting import until

#: From where nginx speaks to the nodes: whose word they take (AEO_PROXY).
PROXY = "127.0.0.2"


def start_nginx(home: Path, server: Key, nodes: Sequence[int], doors: Sequence[int]) -> subprocess.Popen[bytes]:
    """The file as it is; only what it includes is of this machine. ``doors`` are the ports for partners and for our own systems."""
    nginx = need_tool("nginx")
    home.mkdir(parents=True)
    shutil.copy(REPO / "docker" / "nginx" / "nginx.conf", home)
    upstream = " ".join(f"server 127.0.0.1:{port};" for port in nodes)
    (home / "nodes.conf").write_text(f"upstream gateway {{ {upstream} keepalive 32; }}\nproxy_bind {PROXY};\n")
    (home / "partners.listen").write_text(f"listen 127.0.0.1:{doors[0]} ssl;\n")
    (home / "inside.listen").write_text(f"listen 127.0.0.1:{doors[1]} ssl;\n")
    (home / "tls").mkdir()
    shutil.copy(server.folder / "certificate.pem", home / "tls" / "server.pem")
    shutil.copy(server.folder / "key.pem", home / "tls" / "server.key")
    run = home / "run"
    run.mkdir()
    process = start([nginx, "-p", str(run), "-c", str(home / "nginx.conf"), "-g", "daemon off;"], {}, home / "nginx.log")
    until((run / "nginx.pid").exists, lambda: f"nginx: {(home / 'nginx.log').read_text()}")
    return process


def start(command: list[str], own: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process with these variables and none of the gateway's that may be set here."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEO_")}
    with log.open("wb") as output:
        return subprocess.Popen(command, env=inherited | own, stdout=output, stderr=output, cwd=REPO)
