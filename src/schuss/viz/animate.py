"""A run as a film: the network's function as it learns, or the descent on the mountain; GIF or MP4."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from schuss.analysis.approximation import Approximation, approximation_data
from schuss.analysis.landscape import Landscape, landscape_data
from schuss.analysis.progress import Report, counted
from schuss.analysis.runs import moments_of, spread
from schuss.asking import lacking
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.paths import atomic_write
from schuss.viz import style
from schuss.viz.approximation import curves, moment_name, regions
from schuss.viz.landscape import contour, path_on

SIZE = (6.4, 4.8)  # inches
DPI = 100
HELD = 1.0  # seconds for which the last picture stays
Draw = Callable[[int], Any]


def animate(
    run: Any,
    file: str | os.PathLike[str],
    data: Any = None,
    *,
    kind: Literal["auto", "approximation", "landscape"] = "auto",
    frames: int = 60,
    seconds: float = 6.0,
    points: int = 120,
    target: Callable[..., Any] | None = None,
    progress: Report = None,
) -> Path:
    """Write the run as a film and return its path: a GIF, or an MP4, by the name's ending.

    run      what fit(..., record=True) returned, or an Approximation or Landscape
    kind     "approximation": the network's function at moments of the run; "landscape": the path over the loss's
             contours; "auto": the first for one or two inputs, else the second
    frames   pictures at most, one a recorded moment; seconds: how long they last, the last one a second longer
    data, points, target  as for approximation_data

    UsageError for another ending, for a run without a record and for what approximation or landscape cannot draw;
    OSError if the file cannot be written (an old one stays).
    """
    path = Path(file)
    ending = path.suffix.lower()
    if ending not in (".gif", ".mp4"):
        raise UsageError(f"animate: the file must end in .gif or .mp4, got {path.name!r}")
    if frames < 2 or not seconds > 0:
        raise UsageError(f"animate: needs 2 or more frames and a time above 0, got {frames} and {seconds} s")
    style.pyplot()
    shown = run
    if not isinstance(run, (Approximation, Landscape)):
        moments_of(run, "animate")
        if kind == "landscape" or (kind == "auto" and _inputs(run) > 2):
            shown = landscape_data(run, progress=progress)
        else:
            shown = approximation_data(run, data, points=points, moments=frames, target=target)
    figure = _figure()
    count, draw = _mountain(figure, shown, frames) if isinstance(shown, Landscape) else _function(figure, shown)
    pictures = _pictures(figure, counted(range(count), count, progress, "animation"), draw)
    content = (_gif if ending == ".gif" else _mp4)(pictures, count / seconds)
    atomic_write(path, content)
    return path


def _inputs(run: Any) -> int:
    return int(sum(np.prod(t.shape[1:], dtype=int) for t in run.task.inputs))


def _figure() -> Any:
    """A figure of its own canvas, apart from pyplot's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _function(figure: Any, shown: Approximation) -> tuple[int, Draw]:
    """How many pictures, and what draws one: the function at a moment."""
    ax = figure.add_subplot()
    bar: list[Any] = []

    def draw(index: int) -> None:
        ax.cla()
        if len(shown.axes) == 1:
            curves(ax, shown, upto=index)
            ax.set_title(moment_name(shown, index), fontsize=10)
            ax.get_legend().set_loc("upper right")
            return
        image = regions(ax, shown, index)
        if image is not None and not bar:
            bar.append(figure.colorbar(image, ax=ax, label="output"))

    return len(shown.predictions), draw


def _mountain(figure: Any, land: Landscape, frames: int) -> tuple[int, Draw]:
    """Likewise the path up to a moment, over contours that are drawn once."""
    ax = figure.add_subplot()
    drawn = contour(land, ax)
    moments = spread(len(land.path), frames)

    def draw(index: int) -> None:
        while drawn:
            drawn.pop().remove()
        drawn.extend(path_on(ax, (land.path[:, 0], land.path[:, 1]), land, moments[index]))
        ax.legend(loc="upper right", fontsize=8, framealpha=0.75)

    return len(moments), draw


def _pictures(figure: Any, indices: Iterator[int], draw: Draw) -> Iterator[Array]:
    """uint8 [rows, columns, 3] for each, of even size, with the places of the axes that the first one has."""
    for index in indices:
        draw(index)
        figure.canvas.draw()
        if index == 0:
            figure.set_layout_engine("none")
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        yield np.ascontiguousarray(pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2])


def _gif(pictures: Iterator[Array], rate: float) -> bytes:
    from PIL import Image

    images = [Image.fromarray(p).quantize(256, dither=Image.Dither.NONE) for p in pictures]
    each = max(20, round(1000 / rate))  # milliseconds; many viewers slow down below 20
    times = [each] * (len(images) - 1) + [each + round(1000 * HELD)]
    file = io.BytesIO()
    images[0].save(file, format="GIF", save_all=True, append_images=images[1:], duration=times, loop=0)
    return file.getvalue()


def _mp4(pictures: Iterator[Array], rate: float) -> bytes:
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise UsageError(lacking("an MP4 needs", "imageio-ffmpeg", "viz") + " (or write a .gif)") from None
    first = last = next(pictures)
    with tempfile.TemporaryDirectory(prefix="schuss-") as folder:
        file = Path(folder) / "film.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(file), (first.shape[1], first.shape[0]), fps=rate, codec="libx264", quality=8, macro_block_size=2
        )
        writer.send(None)
        try:
            writer.send(first)
            for last in pictures:
                writer.send(last)
            for _ in range(round(HELD * rate)):
                writer.send(last)
        finally:
            writer.close()
        return file.read_bytes()
