"""Who may talk to the page: this machine alone, by its token, in messages of a sensible size.

A page from the internet, opened in the same browser, can send requests to loopback too; it does not know the token
and sends its own Origin. A name that was rebound to 127.0.0.1 arrives with a foreign Host. Source: OWASP, Cross-Site
Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LARGEST = 1 << 20  # bytes of a request's body
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-src 'self'",  # the page asks with a hidden frame whether the server is there
        "frame-ancestors 'self'",
    )
)
NOTEBOOKS = (
    " http://localhost:* http://127.0.0.1:*"  # whose pages may show the page in a frame, where that is asked for
)
Headers = tuple[tuple[bytes, bytes], ...]
HEADERS: Headers = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),  # the address holds the token
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def new_token() -> str:
    """128 random bits for the address."""
    return secrets.token_urlsafe(16)


class Guard:
    """Lets an ASGI request through to `app`, its path without the token, or answers it here.

    404 for a wrong token, 403 for a foreign Host or Origin, 415 for a body that is not JSON, 413 for one too large.
    """

    def __init__(self, app: Any, token: str, largest: int = LARGEST, framed: bool = False) -> None:
        self.app, self.largest = app, largest
        self._token = token.encode()
        policy = (b"content-security-policy", (POLICY + NOTEBOOKS).encode())
        self._headers = (policy, *HEADERS[1:]) if framed else HEADERS

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # no WebSockets here
            return
        headers = dict(scope["headers"])
        refused = self._refused(scope, headers)
        if refused is not None:
            await _answer(send, *refused, self._headers)
            return
        try:
            await self.app(_without_token(scope), self._limited(receive), _with_headers(send, self._headers))
        except TooLarge:
            await _answer(send, 413, "the message is too large", self._headers)

    def _refused(self, scope: Any, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """(status, text) if the request is none of ours."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not _is_loopback(host):
            return 403, "this page answers to loopback names only"
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower() != f"http://{host}":
            return 403, "requests from other pages are not answered"
        first, _, _ = scope["path"].lstrip("/").partition("/")
        if not hmac.compare_digest(first.encode("utf-8", "surrogateescape"), self._token):
            return 404, "not found"
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                return 415, "a message must be application/json"
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length[:12]) > self.largest:
                return 413, "the message is too large"
        return None

    def _limited(self, receive: Any) -> Any:
        """`receive` that counts a body's bytes, whatever its header said."""
        seen = 0

        async def limited() -> Any:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.largest:
                raise TooLarge
            return message

        return limited


class TooLarge(Exception):
    """A body that grew beyond what its header said or is allowed."""


def _is_loopback(host: str) -> bool:
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name, port = host, ""
    return name in LOOPBACK and (not port or port.isdigit())


def _without_token(scope: Any) -> Any:
    path = scope["path"].lstrip("/").partition("/")[2]
    return {**scope, "path": f"/{path}", "raw_path": None, "root_path": ""}


def _with_headers(send: Any, extra: Headers) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return sending


async def _answer(send: Any, status: int, text: str, extra: Headers) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
