"""The page's server: uvicorn in a daemon thread, on loopback, silent, and with no say in the process's signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

from schuss.asking import called
from schuss.errors import UsageError
from schuss.web import check_installed
from schuss.web.security import new_token
from schuss.web.session import Session

ADDRESS = "127.0.0.1"
GRACE = 2.0  # seconds that open responses have to end


class Page:
    """A page that is served from `start` to `stop`.

    port  0: any that is free. UsageError if the port is taken or the extra is not installed.

    calm  numpy's matrix products run on one thread meanwhile: its others go on spinning after each, and would hold a
          core that the training needs. Not for a run that trains with numpy itself: its bits depend on the number
    framed  other pages of this machine, as a notebook's, may show it in a frame
    """

    def __init__(self, session: Session, port: int = 0, calm: bool = True, framed: bool = False) -> None:
        check_installed()
        import uvicorn
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

        from schuss.web.app import build
        from schuss.web.connections import Connection
        from schuss.web.site import Site

        self.site = Site(session)
        self.token = new_token()
        self._socket = _bound(port)
        self._limits = threadpool_limits(limits=1 if calm else None, user_api="blas")
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            build(self.site, self.token, framed),
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=32 << 10,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="schuss-page", daemon=True)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def start(self) -> Page:
        """Serve from now on."""
        self._thread.start()
        return self

    def relax(self) -> None:
        """numpy's products have all their threads again: nothing trains any more."""
        self._limits.restore_original_limits()

    @property
    def is_open(self) -> bool:
        """Whether it is served."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the streams, then the server and its thread."""
        self.site.close()
        self._server.should_exit = True
        loop = self.site.hub.loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self.site.hub.close)
        if self._thread.ident is not None:
            self._thread.join(GRACE)
        self._socket.close()
        self._limits.restore_original_limits()
        if self._folder is not None:
            self._folder.cleanup()

    def open(self) -> None:
        """Open the page in the browser, without waiting for it.

        The browser is given a file that goes on to the address: any user of the machine can read its command line, and
        the address holds the token. The folder and the file are this user's alone, and are removed by `stop`.
        """
        import webbrowser

        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="schuss-page-")
        file = Path(self._folder.name) / "page.html"
        file.touch(0o600)
        file.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={self.address}">\n')
        threading.Thread(target=webbrowser.open, args=(file.as_uri(),), name="schuss-page-browser", daemon=True).start()

    def _serve(self) -> None:
        async def serve() -> None:
            self.site.hub.loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())


def _bound(port: int) -> socket.socket:
    """A listening socket on loopback. UsageError if the port is not to be had."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((ADDRESS, port))
        made.listen(64)  # from now on who asks waits, until the server's loop runs
    except OSError as error:
        made.close()
        raise UsageError(
            f"port {port} cannot be used ({error.strerror}); leave {called('port')} out for a free one"
        ) from None
    return made


def on_a_desktop() -> bool:
    """Whether a browser can be opened for the person at this terminal."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("SSH_CONNECTION") or os.environ.get("CI"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
