"""matplotlib figures as inline SVG that follows the page: its colours, its fonts, its text size.

A figure is drawn in sentinel colours that no chart uses for their own sake; they become CSS variables here,
so one drawing serves the light and the dark scheme.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = "#010101"
AXIS = "#020202"
GRID = "#030303"
PRIMARY = "#040404"
SECONDARY = "#050505"
FAINT = "#060606"
BAD = "#070707"
PAPER = "#080808"
REST = "#090909"
RUNS = tuple(f"#0b0b{index:02x}" for index in range(8))
"""One for each of the runs that a page tells apart; `palette.css` says how they look."""
SCALE = tuple(f"#0c0c{index:02x}" for index in range(7))
"""From the best result to the worst; `scale.css` says how they look."""

_VARIABLES = {
    TEXT: "var(--chart-text, currentColor)",
    AXIS: "var(--chart-axis, currentColor)",
    GRID: "var(--chart-grid, #8884)",
    PRIMARY: "var(--chart-primary, #2b6f8f)",
    SECONDARY: "var(--chart-secondary, #8a8f98)",
    FAINT: "var(--chart-faint, #9ec3d3)",
    BAD: "var(--chart-bad, #b3372f)",
    PAPER: "var(--card, #ffffff)",
    REST: "var(--run-rest, #b9bcc2)",
    **{sentinel: f"var(--run-{index}, #2b6f8f)" for index, sentinel in enumerate(RUNS)},
    **{sentinel: f"var(--scale-{index}, #2b6f8f)" for index, sentinel in enumerate(SCALE)},
}
CLASS = "class:"
"""`line.set_gid(CLASS + "raw r3")` gives the line's element those classes in the page."""

FONT_SIZE = 11
_FONT = re.compile(r"font(?:-family)?:\s*([^;]*)")
_SIZE = re.compile(r"([\d.]+)px")
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@contextmanager
def drawing():
    """matplotlib's own defaults in place of a user's matplotlibrc, and text kept as text, while we draw."""
    import matplotlib
    from matplotlib import style

    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": "ftcore",
        "text.parse_math": False,
        "font.size": FONT_SIZE,
        "font.family": ["DejaVu Sans"],
    }
    with style.context("default"), matplotlib.rc_context(settings), warnings.catch_warnings():
        # The browser draws the text with its own fonts; that matplotlib's font lacks Han is of no matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def inline(figure: "Figure", label: str, seed: str) -> str:
    """The figure as one `<svg>` element for an HTML page; call it inside `drawing()`.

    `label` is what a screen reader says. `seed` makes the ids of two drawings on one page differ.
    """
    raw = io.BytesIO()
    figure.savefig(raw, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(raw.getvalue())
    view_box = root.get("viewBox", "")
    _strip(root)
    _own_ids(root, "c" + hashlib.sha256(seed.encode()).hexdigest()[:8] + "-")
    for element in root.iter():
        if "style" in element.attrib:
            element.set("style", _restyle(element.get("style", "")))
        if "d" in element.attrib:
            element.set("d", _short(element.get("d", "")))
    root.attrib = {"class": "chart", "role": "img", "aria-label": label, "viewBox": view_box}
    return ElementTree.tostring(root, encoding="unicode")


def _strip(root: ElementTree.Element) -> None:
    """Drop namespaces (HTML implies them), metadata, and the style sheet that would leak to the page."""
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): value for key, value in element.attrib.items()}
        if element.tag != "text" and not (element.text or "").strip():
            element.text = None
        element.tail = None
    for parent in root.iter():
        for child in [c for c in parent if c.tag == "defs" and not len(c)]:
            parent.remove(child)


def _own_ids(root: ElementTree.Element, prefix: str) -> None:
    """Keep only the ids that something refers to, and make those this drawing's own."""
    used: set[str] = set()

    def rename(name: str) -> str:
        used.add(name)
        return prefix + name

    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "href" and value.startswith("#"):
                element.set(key, "#" + rename(value[1:]))
            elif key != "id" and "url(#" in value:
                element.set(key, _renamed(value, rename))
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name and name.startswith(CLASS):
            element.set("class", name.removeprefix(CLASS))
        elif name in used:
            element.set("id", prefix + name)


def _renamed(value: str, rename: Callable[[str], str]) -> str:
    return _REFERENCE.sub(lambda match: f"url(#{rename(match[1])})", value)


def _short(path: str) -> str:
    """A path to a tenth of a unit, less than a pixel; what is round keeps more."""
    digits = 3 if "C" in path else 1
    return " ".join(_NUMBER.sub(lambda match: f"{float(match[0]):.{digits}f}", path).split())


def _restyle(declarations: str) -> str:
    """Sentinel colours become variables, and matplotlib's font gives way to the page's."""
    found = _FONT.search(declarations)
    if found:
        pixels = _SIZE.search(declarations)
        wanted = f"font-size: {pixels[1]}px" if pixels else ""
        declarations = _FONT.sub("", declarations)
        declarations = re.sub(r"font-size:[^;]*", "", declarations)
        declarations = "; ".join(part.strip() for part in [wanted, *declarations.split(";")] if part.strip())
    for sentinel, variable in _VARIABLES.items():
        declarations = declarations.replace(sentinel, variable)
    return declarations


def _local(name: str) -> str:
    return name.rpartition("}")[2]
