"""The mountain, drawn: the loss over a plane through the weights, and the real descent on it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from schuss.analysis.landscape import Landscape, landscape_data
from schuss.analysis.progress import Report
from schuss.constraints import Choice, check
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.viz import style
from schuss.viz.style import SEQUENTIAL, YELLOW, outlined

LOG_FROM = 8.0  # a ratio of the largest to the smallest loss from which heights are logarithms
LEVELS = 22
ELEVATION = 36.0  # degrees above the surface's base from which it is seen
CORNERS = (-55.0, 35.0, 125.0, 215.0)  # azimuths, degrees: over a corner of the base, so that both axes are read


def landscape(
    run: Any,
    kind: Literal["contour", "surface"] = "contour",
    *,
    ax: Any = None,
    around: Literal["path", "random"] = "path",
    size: int = 21,
    rows: int | None = 1000,
    seed: int = 0,
    threads: int | None = None,
    progress: Report = None,
) -> Any:
    """The loss around the run's path, as contours or as a surface, with the real descent on it. Returns the axes.

    run   what fit(..., record=True) returned, or a Landscape that was computed before
    ax    axes to draw on; for a surface of projection="3d"

    The other arguments and the errors are landscape_data's. Heights are logarithms where losses span more than a factor
    of 8. On the surface the path has the height of the losses at the visited weights themselves; where the plane holds
    little of their variance that is off the surface.
    """
    check("landscape", {"kind": Choice(("contour", "surface"))}, {"kind": kind})
    style.pyplot()
    if kind == "surface" and ax is not None and getattr(ax, "name", "") != "3d":
        raise UsageError("landscape: a surface needs axes with projection='3d'")
    land = run
    if not isinstance(run, Landscape):
        options: dict[str, Any] = {"size": size, "rows": rows, "seed": seed, "threads": threads, "progress": progress}
        land = landscape_data(run, around=around, **options)
    if kind == "contour":
        ax = style.new_axes(ax, (7.2, 5.8), "compressed")
        contour(land, ax)
    else:
        ax = style.new_axes(ax, (7.6, 6.4), projection="3d")
        surface(land, ax)
    ax.set_title(_title(land), fontsize=11)
    return ax


def _title(land: Landscape) -> str:
    around = "around the path" if land.shares else "around the last weights"
    held = ""
    if land.explained is not None:
        share = f"{land.explained * 100:.3g} %" if land.explained >= 0.0005 else "less than 0.1 %"
        held = f"\nthe plane holds {share} of the variance of the visited weights"
    return f"loss {around}, {land.rows:,} rows{held}"


class Heights:
    """Losses as heights: themselves, or their logarithms where they span orders of magnitude."""

    def __init__(self, land: Landscape) -> None:
        every = np.concatenate([land.loss.ravel(), land.path_loss])
        every = every[np.isfinite(every)]
        self.low, self.high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
        self.log = self.low > 0 and self.high / self.low > LOG_FROM
        if self.high <= self.low:
            self.high = self.low + (abs(self.low) or 1.0)

    def __call__(self, loss: Any) -> Array:
        """Heights of losses; what is not finite is as high as the highest."""
        given = np.nan_to_num(np.asarray(loss, np.float64), nan=self.high, posinf=self.high, neginf=self.low)
        return np.log10(np.maximum(given, self.low)) if self.log else given

    @property
    def levels(self) -> Array:
        """Evenly spaced heights from the lowest to the highest."""
        low, high = self(np.array([self.low, self.high]))
        result: Array = np.linspace(low, high, LEVELS)
        return result

    def ticks(self) -> tuple[list[float], list[str]]:
        """Heights to mark, and the losses they stand for."""
        if not self.log:
            from matplotlib.ticker import MaxNLocator

            values = [float(v) for v in MaxNLocator(5).tick_values(self.low, self.high)]
        else:
            steps = (1,) if self.high / self.low > 1e4 else (1, 3) if self.high / self.low > 30 else (1, 2, 5)
            decades = range(int(np.floor(np.log10(self.low))), int(np.ceil(np.log10(self.high))) + 1)
            values = [s * 10.0**d for d in decades for s in steps]
        values = [v for v in values if self.low <= v <= self.high]
        return [float(self(v)) for v in values], [f"{v:.4g}" for v in values]


def axis_names(land: Landscape) -> tuple[str, str]:
    """What the axes are, with the share of the variance along them."""
    if land.shares is None:
        return "random direction 1, filter-normalised", "random direction 2, filter-normalised"
    shares = [f"{s * 100:.3g} %" if s >= 0.0005 else "< 0.1 %" for s in land.shares]
    return f"1st principal component ({shares[0]} of variance)", f"2nd principal component ({shares[1]})"


def contour(land: Landscape, ax: Any) -> list[Any]:
    """Filled contours of the loss, and the path seen from above; what was drawn of the path."""
    heights = Heights(land)
    shown = ax.contourf(land.a, land.b, heights(land.loss), heights.levels, cmap=SEQUENTIAL, extend="neither")
    lines = ax.contour(land.a, land.b, heights(land.loss), heights.levels[::2], colors="white", linewidths=0.4)
    lines.set_alpha(0.45)
    at, names = heights.ticks()
    bar = ax.figure.colorbar(shown, ax=ax, ticks=at, pad=0.02, fraction=0.05)
    bar.ax.set_yticklabels(names)
    bar.ax.minorticks_off()
    bar.set_label(land.loss_name)
    drawn = path_on(ax, (land.path[:, 0], land.path[:, 1]), land)
    ax.set_aspect("equal")
    ax.set(xlabel=axis_names(land)[0], ylabel=axis_names(land)[1])
    ax.set(xlim=(land.a[0], land.a[-1]), ylim=(land.b[0], land.b[-1]))
    if drawn:
        ax.legend(loc="best", fontsize=8, framealpha=0.75)
    return drawn


def surface(land: Landscape, ax: Any) -> None:
    """The loss as a surface, and the path at the height of its own losses."""
    heights = Heights(land)
    a, b = np.meshgrid(land.a, land.b)
    ax.computed_zorder = False
    z = heights(land.loss)
    ax.plot_surface(
        a, b, z, cmap=SEQUENTIAL, rcount=80, ccount=80, linewidth=0.15, edgecolor=(1, 1, 1, 0.25), antialiased=True,
        zorder=1,
    )  # fmt: skip
    lift = 0.012 * float(np.ptp(heights.levels))
    path_on(ax, (land.path[:, 0], land.path[:, 1], heights(land.path_loss) + lift), land)
    at, names = heights.ticks()
    ax.set_zticks(at, labels=names)
    ax.set_zlim(heights.levels[0], heights.levels[-1])
    first, second = (name.replace(" (", "\n(").replace(", ", ",\n") for name in axis_names(land))
    ax.set_xlabel(first, labelpad=18, fontsize=9)
    ax.set_ylabel(second, labelpad=18, fontsize=9)
    ax.set_zlabel(land.loss_name, labelpad=12, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.grid(False)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((0.5, 0.5, 0.5, 0.08))
    ax.view_init(ELEVATION, _azimuth(land, z))
    ax.set_box_aspect((1, 1, 0.72), zoom=0.93)
    if len(land.path):
        ax.legend(loc="upper left", fontsize=8, framealpha=0.75)


def _azimuth(land: Landscape, z: Array) -> float:
    """The corner over which the surface is seen: that of its low side, so that it hides nothing."""
    a, b = land.a - land.a.mean(), land.b - land.b.mean()
    slope = np.degrees(np.arctan2((z.T @ b).sum(), (z @ a).sum()))
    return max(CORNERS, key=lambda corner: -np.cos(np.radians(corner - slope)))


def path_on(ax: Any, at: tuple[Array, ...], land: Landscape, upto: int | None = None) -> list[Any]:
    """The path as a line with its moments, its start and its end; up to a moment if that is given. What was drawn."""
    if not len(land.path):
        return []
    stop = len(land.path) if upto is None else upto + 1
    part = [v[:stop] for v in at]
    drawn = ax.plot(
        *part, color="white", linewidth=1.8, marker="o", markersize=3.2, markeredgewidth=0, zorder=6,
        path_effects=outlined(3.4), label="_path",
    )  # fmt: skip
    ends = [(0, "o", 8, "start"), (stop - 1, "*", 14, "end" if stop == len(land.path) else "now")]
    for i, marker, size, name in ends:
        drawn += ax.plot(
            *(v[i : i + 1] for v in at), marker, color=YELLOW if marker == "*" else "white", markersize=size,
            markeredgecolor="black", zorder=8, label=f"{name}: loss {land.path_loss[i]:.3g}", linestyle="none",
        )  # fmt: skip
    return list(drawn)
