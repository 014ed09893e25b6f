"""The routes of the page. Whatever takes time runs in the worker's thread; errors are one line of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from schuss.errors import SchussError, UsageError
from schuss.web.security import Guard, TooLarge
from schuss.web.session import Session
from schuss.web.site import MAIN, PLAY, Gone, Site
from schuss.web.stream import to_json
from schuss.web.tables import table_of
from schuss.web.worker import Busy

STATIC = Path(str(files("schuss.web") / "static"))
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
MOST_OPEN = 200  # layers that can be asked to be open
COLLAPSE: dict[str, bool | str] = {"true": True, "false": False, "auto": "auto"}

Endpoint = Callable[[Request], Awaitable[Response]]


def build(site: Site, token: str, framed: bool = False) -> Guard:
    """The page as an ASGI application, guarded by the token. framed: other pages on loopback may show it in a frame."""
    return Guard(Starlette(routes=_Routes(site).all()), token, framed=framed)


def answer(value: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(to_json(value), status, media_type="application/json")


def _careful(endpoint: Endpoint) -> Endpoint:
    """Errors as answers: 400 for what is wrong with a message, 503 where too much was asked for.

    A page that asks for numbers of a playground that ended meanwhile made no mistake: it is told that there are none.
    """

    async def careful(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Busy as error:
            return answer({"error": str(error)}, 503)
        except ClientDisconnect:
            return answer({"error": "gone"}, 400)
        except TooLarge:
            return answer({"error": "the message is too large"}, 413)
        except Gone as error:
            return Response(status_code=204) if request.method == "GET" else answer({"error": str(error)}, 400)
        except (SchussError, IndexError) as error:
            return answer({"error": " ".join(str(error).split())}, 400)
        except Exception as error:  # a mistake of ours: the page says so, and the server goes on
            text = f"the page failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return answer({"error": text}, 500)

    return careful


class _Routes:
    def __init__(self, site: Site) -> None:
        self.site = site
        self.static = _static_files()

    def all(self) -> list[Route]:
        """Every route of the page."""
        get: list[tuple[str, Endpoint]] = [
            ("/", self.index),
            ("/static/{name}", self.file),
            ("/events", self.events),
            ("/graph.svg", self.graph_svg),
            ("/graph.json", self.graph_json),
            ("/function", self.function),
            ("/example", self.example),
            ("/dependence", self.dependence),
        ]
        post = [("/control", self.control), ("/predict", self.predict), ("/landscape", self.landscape)]
        post += [("/play", self.play), ("/moved", self.moved)]
        routes = [Route(path, _careful(endpoint), methods=["GET"]) for path, endpoint in get]
        return routes + [Route(path, _careful(endpoint), methods=["POST"]) for path, endpoint in post]

    async def _computed(self, job: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(self.site.worker.submit(job))

    async def _explained(self, job: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(self.site.explaining.submit(job))

    def _session(self, request: Request) -> Session:
        return self.site.session(_of(request))

    async def index(self, request: Request) -> Response:
        """The page. That of a playground that has ended is the main one's."""
        if _of(request) == PLAY and self.site.playing is None:
            return RedirectResponse("./")
        return self._file("index.html")

    async def file(self, request: Request) -> Response:
        """A file of the page: one of those that are there, whatever the name tries."""
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        path = self.static.get(name)
        if path is None:
            return Response("not found", 404)
        return FileResponse(path, media_type=TYPES.get(path.suffix))

    async def events(self, request: Request) -> Response:
        """The stream."""
        return StreamingResponse(self.site.hub.stream(), media_type="text/event-stream")

    async def graph_svg(self, request: Request) -> Response:
        """The graph of one example, as a picture."""
        of, question = _of(request), _question(request)
        picture = await self._computed(lambda: self.site.graph(of, *question, numbers=False).svg)
        return Response(picture, media_type="image/svg+xml")

    async def graph_json(self, request: Request) -> Response:
        """The numbers of the graph, or of one of its operations."""
        of, question, name = _of(request), _question(request), request.query_params.get("op")
        return answer(await self._computed(lambda: _numbers(self.site.graph(of, *question, numbers=True), name)))

    async def function(self, request: Request) -> Response:
        """The function, where it can be drawn; a playground that has ended meanwhile has none, which is no error."""
        if _of(request) == PLAY and self.site.playing is None:
            return answer({"kind": "none", "why": "the playground is not open"})
        return answer(await self._computed(self._session(request).subject.function))

    async def example(self, request: Request) -> Response:
        """One example of the data."""
        name, index, _ = _question(request)
        return answer(self._session(request).subject.sample(name, index))

    async def control(self, request: Request) -> Response:
        """Steer the run."""
        message = await _message(request)
        self._session(request).control(_text(message, "do"), message.get("value"))
        return answer({"ok": True})

    async def dependence(self, request: Request) -> Response:
        """How a table's model depends on a column, or two."""
        query, table = request.query_params, table_of(self._session(request))
        columns = [query[name] for name in ("column", "with") if name in query]
        output = _whole(query.get("output", "0"), "output")
        return answer(await self._explained(lambda: table.dependence(columns, output)))

    async def moved(self, request: Request) -> Response:
        """Which columns of a row moved a table's model."""
        message, table = await _message(request), table_of(self._session(request))
        output = _whole(message.get("output", 0), "output")
        return answer(await self._explained(lambda: table.moved(message.get("row"), output)))

    async def predict(self, request: Request) -> Response:
        """What the network makes of one row."""
        message = await _message(request)
        if "row" in message:
            table = table_of(self._session(request))
            return answer(await self._computed(lambda: table.answer(message["row"])))
        values = message.get("x")
        if not isinstance(values, list) or not all(_is_number(v) for v in values):
            raise UsageError("x must be a list of numbers")
        drawn, session = message.get("drawn") is True, self._session(request)
        return answer(await self._computed(lambda: session.subject.predict(values, drawn)))

    async def landscape(self, request: Request) -> Response:
        """Start the fine surface in place of one that is being computed; {"cancel": true} ends that and starts none."""
        message, session = await _message(request), self._session(request)
        if "cancel" in message:
            if message["cancel"] is not True or len(message) > 1:
                raise UsageError("cancel must be true, and stand alone")
            session.cancel_landscape()
            return answer({"ok": True})
        size, rows = (_whole(message.get(k, v), k) for k, v in (("size", 51), ("rows", 10_000)))
        await self._computed(lambda: session.compute_landscape(size, rows))
        return answer({"ok": True})

    async def play(self, request: Request) -> Response:
        """Start the playground, or end it."""
        message = await _message(request)
        await asyncio.wrap_future(self.site.player.submit(lambda: self.site.play(message)))
        return answer({"ok": True})


def _static_files() -> dict[str, Path]:
    """The files that are served, by name."""
    found = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}
    plotly = find_spec("plotly")
    if plotly is not None and plotly.origin is not None:
        script = Path(plotly.origin).parent / "package_data" / "plotly.min.js"
        found |= {script.name: script} if script.exists() else {}
    return found


async def _message(request: Request) -> dict[str, Any]:
    """The JSON object of a request. UsageError for anything else."""
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise UsageError("the message is not JSON") from None
    if not isinstance(found, dict):
        raise UsageError("the message must be a JSON object")
    return found


def _of(request: Request) -> str:
    """The session that is asked: the main one, or by of=play the playground."""
    return request.query_params.get("of", MAIN)


def _question(request: Request) -> tuple[str, int, dict[str, Any]]:
    """Which graph is asked for: the set, the example, and what is to be open."""
    query = request.query_params
    collapse = query.get("collapse", "auto")
    if collapse not in COLLAPSE:
        raise UsageError("collapse must be true, false or auto")
    choice: dict[str, Any] = {"collapse": COLLAPSE[collapse]}
    for key in ("open", "closed"):
        choice[key] = tuple([name for name in query.get(key, "").split(",") if name][:MOST_OPEN])
    return query.get("set", "train"), _whole(query.get("example", "0"), "example"), choice


def _text(message: dict[str, Any], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{key} must be a text")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e30


def _whole(value: Any, name: str) -> int:
    """A whole number from a query or message."""
    if isinstance(value, str) and len(value) < 12 and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise UsageError(f"{name} must be a whole number")
    return value


def _numbers(picture: Any, name: str | None) -> Any:
    found = picture.to_json(name)
    if name is None:
        return found
    if not found["ops"]:
        raise UsageError(f"there is no operation {name[:80]!r}")
    return {"op": found["ops"][0], "loss": found["loss"]}
