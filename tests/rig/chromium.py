"""A real Chromium, spoken to through two pipes (the DevTools protocol, one JSON text after another, each ended by a zero byte)."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rig.machine import need_tool
from tests.rig.waiting import PATIENCE, until


class ChromiumFixture:
    """One page of one browser."""

    def __init__(self, hears: int, says: int) -> None:
        self._hears, self._says, self._left, self._number, self._session = hears, says, b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers; what it tells meanwhile is passed over."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters} | (
            {"sessionId": self._session} if self._session else {}
        )
        os.write(self._hears, json.dumps(said).encode() + b"\0")
        ends = time.monotonic() + PATIENCE
        while True:
            answer = self._next(ends)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._says], [], [], max(0.0, ends - time.monotonic()))
            assert ready, "the browser says nothing"
            came = os.read(self._says, 1 << 20)
            assert came, "the browser is gone"
            self._left += came
        text, _, self._left = self._left.partition(b"\0")
        said: dict[str, Any] = json.loads(text)
        return said

    def ask(self, script: str) -> Any:
        """What a script finds on the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, (script, found.get("exceptionDetails"))
        return found["result"].get("value")

    def go(self, url: str) -> None:
        """To another page, until it is there."""
        self.call("Page.navigate", url=url)
        until(lambda: self.ask("document.readyState") == "complete" and self.ask("location.href") != "about:blank")

    def send(self, path: str, **fields: str) -> None:
        """Fills in the form that leads to ``path`` and sends it, until another page is there."""
        self.ask("window.before = true")
        typed = json.dumps({name.replace("_", "-"): text for name, text in fields.items()})
        self.ask(
            f"(() => {{ const form = document.querySelector('form[action=\"{path}\"]');"
            f"for (const [name, text] of Object.entries({typed})) form.elements[name].value = text;"
            "form.requestSubmit(); })()"
        )
        until(lambda: self.ask("!window.before && document.readyState === 'complete'"), lambda: f"nothing followed: {self.text()}")

    def text(self) -> str:
        """What a person reads of the page."""
        return str(self.ask("document.body.innerText"))

    def look(self, width: int, *, dark: bool = False) -> None:
        """How wide the window is, and which colours its person likes."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self, file: Path) -> None:
        """The whole page as PNG."""
        shown = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shown["data"]))


@contextmanager
def chromium(home: Path) -> Iterator[ChromiumFixture]:
    """Starts one with a profile in ``home``, and ends it."""
    program = need_tool("chromium")
    hears, to_it = os.pipe()
    from_it, says = os.pipe()
    flags = f"--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --user-data-dir={home}"
    script = f"exec {program} {flags} --remote-debugging-pipe about:blank 3<&{hears} 4>&{says}"
    process = subprocess.Popen(
        ["/bin/bash", "-c", script], pass_fds=(hears, says), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(hears)
    os.close(says)
    try:
        yield ChromiumFixture(to_it, from_it)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(to_it)
        os.close(from_it)
