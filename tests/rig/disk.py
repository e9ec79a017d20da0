"""A disk that can be full: a small file system of its own where we may mount one, otherwise a quota on the files a process writes."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: Room for an installation and a large list, and little more.
SIZE = "48m"
_FILLER = "filler"


@contextlib.contextmanager
def small(folder: Path) -> Iterator[None]:
    """``folder`` lies on a small file system of its own, if this user may mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True, check=False)
    try:
        yield
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Small:
    """The file system that ``folder`` lies on."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILLER

    def fill(self, leave: int = 0) -> None:
        """Leaves so many bytes."""
        self.free()
        with self._file.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            room = os.statvfs(self._file.parent)
            left = room.f_bavail * room.f_frsize - leave
            while left > 0:
                left -= file.write(b"\0" * min(left, 1 << 20))
            while not leave:
                file.write(b"\0" * 512)

    def free(self) -> None:
        self._file.unlink(missing_ok=True)

    def full(self) -> bool:
        """Whether anybody has filled it, and nobody freed it since."""
        return self._file.exists()


class Quota:
    """What these processes may write: up to where their database's log is now, and so many bytes more."""

    def __init__(self, folder: Path, pids: tuple[int, ...]) -> None:
        self._log, self._pids = folder / "gateway.db-wal", pids

    def fill(self, leave: int = 0) -> None:
        size = self._log.stat().st_size if leave and self._log.exists() else 4096
        for pid in self._pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + leave, resource.RLIM_INFINITY))

    def free(self) -> None:
        for pid in self._pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def full(self) -> bool:
        """Whether any of these processes is bounded."""
        return any(resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY for pid in self._pids)


def here(folder: Path, *pids: int) -> Small | Quota:
    """The disk of an installation and of these processes (this one, where none is named)."""
    return Small(folder) if folder.is_mount() else Quota(folder, pids or (os.getpid(),))
