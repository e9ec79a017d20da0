"""Partners that hear and acknowledge, in a process of their own: ``python -m tests.bench.receivers HOME ISO...`` for a node in HOME.

The first line that it prints is where each listens, as JSON; it ends with its input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.trust.keys import KeyRing
from tests.rig.boxes import box_of
from tests.rig.counterpart import Counterpart
from tests.rig.machine import REPO
from tests.rig.node import START
from tests.rig.shipped import shipped


@contextmanager
def receivers(home: Path, isos: Iterable[str]) -> Iterator[dict[str, str]]:
    """The address of each partner, as long as the block goes on."""
    command = [sys.executable, "-m", "tests.bench.receivers", str(home), *isos]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPO) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def main() -> None:
    home, isos = Path(sys.argv[1]), sys.argv[2:]
    (ours,) = KeyRing(home / "keys").all("gateway")
    others = KeyRing(home / "others")
    ends = {iso: Counterpart(box_of(shipped(iso), others.all(iso.lower())[0], ours, lambda: START)) for iso in isos}
    print(json.dumps({iso: end.url for iso, end in ends.items()}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
