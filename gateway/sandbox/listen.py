"""An application on a port of its own on loopback, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any

from gateway.serving import Server, bind

#: Seconds an application may take to come up, or to end.
PATIENCE = 30.0
#: For clients that speak plain HTTP on loopback: no authority is read in, and none is trusted.
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def listening(application: Any, around: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext) -> Iterator[str]:
    """Serves ``application`` from a thread and gives its URL. ``around`` is entered in the same event loop, while it serves."""
    server, under_way = Server(application), threading.Event()
    failed: list[BaseException] = []
    with bind("127.0.0.1", 0) as listener:

        async def run() -> None:
            async with around():
                listener.listen()
                under_way.set()
                await server.serve(listener)

        def work() -> None:
            try:
                asyncio.run(run())
            except BaseException as problem:  # noqa: BLE001 - raised again in the thread that waits
                failed.append(problem)
            finally:
                under_way.set()

        thread = threading.Thread(target=work, name="listening", daemon=True)
        thread.start()
        under_way.wait(PATIENCE)
        try:
            if failed:
                raise failed[0]
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()
            thread.join(PATIENCE)
