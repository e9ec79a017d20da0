"""An application on a port of its own on loopback, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any

import uvicorn

#: Seconds an application may take to come up, or to end.
PATIENCE = 30.0
#: For clients that speak plain HTTP on loopback: no authority is read in, and none is trusted.
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def listening(application: Any, around: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext) -> Iterator[str]:
    """Serves ``application`` from a thread and gives its URL. ``around`` is entered in the same event loop, while it serves."""
    server = uvicorn.Server(
        uvicorn.Config(application, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2)
    )
    failed: list[BaseException] = []
    # Said to be TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)

        async def run() -> None:
            async with around():
                await server.serve([listener])

        def work() -> None:
            try:
                asyncio.run(run())
            except BaseException as problem:  # noqa: BLE001 - raised again in the thread that waits
                failed.append(problem)

        thread = threading.Thread(target=work, name="listening", daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        try:
            if failed:
                raise failed[0]
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
