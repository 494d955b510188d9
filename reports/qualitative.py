"""Figures of images: what each method finds (Fig. 4), maps behind prompts (Fig. 6), masks of decoders (Fig. 7).

Drawn from the score maps that cells keep of a few test images, and from copies of those images and their masks in the
work folder. Where maps or images are missing, as in records copied from another machine, the caption says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from scipy import ndimage

from benchmark.errors import DataError
from benchmark.records import IMAGES_FOLDER, Outcome, SuiteResult, map_files
from reports.origin import marked_title
from reports.style import plain

MAX_IMAGES = 6
MAX_METHODS = 11
CORRECT, MISSED, FALSE = "#e02020", "#ffd400", "#2878ff"
"""Boxes as in the paper's Fig. 4: red correct, yellow missed, blue false."""
NEAR = 3.0
CLOSE_UP = 0.36
NOTE_WIDTH = 5.2  # inches that the demonstration's line needs
EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Picture:
    """A test image with its mask and each method's map: (H, W) uint8 arrays."""

    dataset: str
    id: str
    image: np.ndarray
    mask: np.ndarray
    """bool."""
    maps: dict[str, np.ndarray]
    parts: dict[str, dict[str, np.ndarray]]
    """Further maps by method and name, such as ``background``."""
    level: int
    """A map's code above it is foreground."""


def pictures(result: SuiteResult, root: Path | None, limit: int = MAX_IMAGES) -> list[Picture]:
    """Test images of which at least one method's map and the image itself are kept; datasets take turns.

    The images that the suite names come first, else those with targets.
    """
    found = []
    for dataset in result.suite["datasets"]:
        outcomes = [outcome for outcome in result.outcomes
                    if outcome.key.dataset == dataset["name"] and outcome.record and outcome.folder]
        own = _pictures(dataset["name"], outcomes, root)
        named = list(result.suite.get("images", {}).get(dataset["name"], ()))
        own.sort(key=lambda picture: (named.index(picture.id) if picture.id in named else len(named),
                                      not picture.mask.any()))
        found.append(own)
    turns = [group[place] for place in range(max(map(len, found), default=0)) for group in found if place < len(group)]
    return turns[:limit]


def draw(name: str, result: SuiteResult, root: Path | None) -> tuple[Figure | None, str]:
    """The figure and its caption, or None and the reason why it cannot be drawn."""
    shown = pictures(result, root, MAX_IMAGES if name == "qualitative" else 4)
    if not shown:
        return None, ("Not drawn: no score maps are kept beside these records. A cell that is run keeps those of a few "
                      "test images; they and the images stay in its work folder.")
    titles = {method["name"]: plain(marked_title(method)) for method in result.suite["methods"]
              if any(method["name"] in picture.maps for picture in shown)}
    titles = dict(list(titles.items())[:MAX_METHODS])
    return FIGURES[name](shown, titles), CAPTIONS[name]


def boxes_of(prediction: np.ndarray, mask: np.ndarray) -> list[tuple[str, tuple[int, int, int, int]]]:
    """(colour, half-open box row0, column0, row1, column1) of every target and of every false detection.

    A target is found when a detection's centroid is nearer than three pixels, as in the tables but for rivals.
    """
    found = []
    targets, detections = (_components(one) for one in (mask, prediction))
    answered = set()
    for centre, box in targets:
        near = [index for index, (other, _) in enumerate(detections) if np.hypot(*np.subtract(centre, other)) < NEAR]
        answered |= set(near)
        found.append((CORRECT if near else MISSED, box))
    found += [(FALSE, box) for index, (_, box) in enumerate(detections) if index not in answered]
    return found


def _components(mask: np.ndarray) -> list[tuple[tuple[float, float], tuple[int, int, int, int]]]:
    labels, count = ndimage.label(mask, structure=EIGHT)
    centres = ndimage.center_of_mass(mask, labels, range(1, count + 1))
    return [(centre, (rows.start, columns.start, rows.stop, columns.stop))
            for centre, (rows, columns) in zip(centres, ndimage.find_objects(labels), strict=True)]


def _pictures(dataset: str, outcomes: list[Outcome], root: Path | None) -> list[Picture]:
    maps: dict[str, dict[str, Path]] = {}
    fingerprints = set()
    for outcome in outcomes:
        data = outcome.record.provenance.get("data", {})
        fingerprints.add(data.get("tested", data.get("fingerprint", "")))
        for name, path in map_files(Path(outcome.folder)).items():
            maps.setdefault(name, {}).setdefault(outcome.key.method, path)
    found = []
    for name, paths in maps.items():
        copies = [Path(root) / IMAGES_FOLDER / fingerprint for fingerprint in sorted(fingerprints)] if root else []
        folder = next((copy for copy in copies if (copy / f"{name}.mask.png").is_file()), None)
        if folder is None:
            continue
        parts = {method: {part.name.split(".")[-2]: _read(part) for part in sorted(path.parent.glob(f"{name}.*.png"))}
                 for method, path in paths.items()}
        threshold = outcomes[0].record.config.get("evaluation", {}).get("threshold", 0.5)
        found.append(Picture(dataset, name, _read(folder / f"{name}.png"), _read(folder / f"{name}.mask.png") > 127,
                             {method: _read(path) for method, path in paths.items()}, parts, int(255 * threshold)))
    return found


def _read(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return np.asarray(image.convert("L"))
    except Exception as error:  # Pillow's decoders raise half a dozen types
        raise DataError(f"{path}: not a whole PNG; remove it, or run its cell again") from error


def _qualitative(shown: list[Picture], titles: dict[str, str]) -> Figure:
    heads = ["Image", *titles.values(), "Ground truth"]
    figure, axes = _grid(len(shown), heads, legend=True)
    for row, picture in zip(axes, shown, strict=True):
        row[0].set_ylabel(plain(picture.id), fontsize=5)
        _show(row[0], picture.image, picture)
        for axis, method in zip(row[1:-1], titles, strict=True):
            if method not in picture.maps:
                _absent(axis)
                continue
            prediction = picture.maps[method] > picture.level
            _show(axis, np.where(prediction, 255, 0), picture)
            for colour, box in boxes_of(prediction, picture.mask)[:40]:
                _box(axis, box, colour)
            _close_up(axis, prediction * 255, picture)
        _show(row[-1], picture.mask * 255, picture)
        _close_up(row[-1], picture.mask * 255, picture)
    for place, (colour, text) in enumerate(((CORRECT, "correct"), (MISSED, "missed"), (FALSE, "false"))):
        shade = "#b39500" if colour == MISSED else colour  # their yellow is too light for a word
        figure.text(0.5 + 0.8 * (place - 1) / figure.get_figwidth(), 0.004, f"■ {text}", color=shade, fontsize=6.5,
                    ha="center", va="bottom")
    return figure


def _prompts(shown: list[Picture], titles: dict[str, str]) -> Figure:
    # Two columns a method: what its prompts make of the background, and the score that comes of it.
    heads = ["Image", *(f"{title}: {what}" for title in titles.values() for what in ("background", "score")),
             "Ground truth"]
    figure, axes = _grid(len(shown), heads)
    for row, picture in zip(axes, shown, strict=True):
        _show(row[0], picture.image, picture)
        for place, method in enumerate(titles):
            parts = picture.parts.get(method, {})
            for axis, values in zip(row[1 + 2 * place: 3 + 2 * place],
                                    (parts.get("background"), picture.maps.get(method)), strict=True):
                if values is None:
                    _absent(axis)
                else:
                    _show(axis, values, picture, "magma")
        _show(row[-1], picture.mask * 255, picture)
    return figure


def _decoders(shown: list[Picture], titles: dict[str, str]) -> Figure:
    figure, axes = _grid(len(shown), ["Image", *titles.values(), "Ground truth"])
    for row, picture in zip(axes, shown, strict=True):
        _show(row[0], picture.image, picture)
        for axis, method in zip(row[1:-1], titles, strict=True):
            if method not in picture.maps:
                _absent(axis)
                continue
            _show(axis, picture.maps[method], picture, "magma")
            axis.contour(picture.mask, levels=[0.5], colors="#56d364", linewidths=0.5)
            _close_up(axis, picture.maps[method], picture, "magma")
        _show(row[-1], picture.mask * 255, picture)
        _close_up(row[-1], picture.mask * 255, picture)
    return figure


def _grid(rows: int, heads: list[str], *, legend: bool = False) -> tuple[Figure, Any]:
    side = min(1.35, 10.2 / len(heads), 5.7 / rows)  # with its caption on one page
    bottom = 0.2 if legend else 0.04
    own, height = side * len(heads) + 0.15, side * rows + 0.36 + bottom
    width = max(own, NOTE_WIDTH)
    spare = (width - own) / 2
    figure, axes = plt.subplots(rows, len(heads), figsize=(width, height), squeeze=False)
    figure.subplots_adjust(left=(0.13 + spare) / width, right=1 - (0.02 + spare) / width,
                           bottom=bottom / height, top=1 - 0.36 / height,
                           wspace=0.03, hspace=0.03)
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=6.5, pad=2)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


def _show(axis: Any, values: np.ndarray, picture: Picture, colours: str = "gray") -> None:
    height, width = picture.image.shape
    axis.imshow(values, cmap=colours, vmin=0, vmax=255, interpolation="nearest", aspect="auto",
                extent=(-0.5, width - 0.5, height - 0.5, -0.5))


def _absent(axis: Any) -> None:
    axis.text(0.5, 0.5, "–", ha="center", va="center", transform=axis.transAxes, color="#808080")


def _box(axis: Any, box: tuple[int, int, int, int], colour: str) -> None:
    margin = 4
    row0, column0, row1, column1 = box
    axis.add_patch(Rectangle((column0 - margin, row0 - margin), column1 - column0 + 2 * margin,
                             row1 - row0 + 2 * margin, fill=False, edgecolor=colour, linewidth=0.7))


def _close_up(axis: Any, values: np.ndarray, picture: Picture, colours: str = "gray") -> None:
    # Of the largest target, in the corner where it hides least of the others.
    targets = _components(picture.mask)
    if not targets:
        return
    height, width = picture.mask.shape
    (row, column), box = max(targets, key=lambda target: (target[1][2] - target[1][0]) * (target[1][3] - target[1][1]))
    half = max(8, box[2] - box[0], box[3] - box[1])
    top, left = (int(np.clip(place - half, 0, max(side - 2 * half, 0)))
                 for place, side in ((row, height), (column, width)))
    inset = axis.inset_axes([*_free_corner(picture.mask, CLOSE_UP), CLOSE_UP, CLOSE_UP])
    inset.imshow(values[top:top + 2 * half, left:left + 2 * half], cmap=colours, vmin=0, vmax=255,
                 interpolation="nearest", aspect="auto")
    inset.set_xticks([])
    inset.set_yticks([])
    inset.grid(False)
    for spine in inset.spines.values():
        spine.set_visible(True)
        spine.set(color="white", linewidth=0.8)


def _free_corner(mask: np.ndarray, share: float) -> tuple[float, float]:
    """Lower left corner, in shares of the axes, of the square ``share`` wide that covers fewest pixels of the mask."""
    height, width = (int(share * side) + 1 for side in mask.shape)
    hidden = {(0.0, 0.0): mask[-height:, :width], (1 - share, 0.0): mask[-height:, -width:],
              (0.0, 1 - share): mask[:height, :width], (1 - share, 1 - share): mask[:height, -width:]}
    return min(hidden, key=lambda corner: int(hidden[corner].sum()))


FIGURES = {"qualitative": _qualitative, "prompts": _prompts, "decoders": _decoders}
CAPTIONS = {
    "qualitative": "What each method finds in the same test images. Boxes: red correct, yellow missed, blue false; in "
                   "a corner a close-up of the largest target.",
    "prompts": "What the prompts make of the same scenes: the background map A(z) that the decoder reads from the "
               "prompts, scaled to its own range, and the score map that comes of it.",
    "decoders": "Score maps of the decoders on the same images, black 0 to yellow 1, the true outline in green; in a "
                "corner a close-up of the largest target.",
}
