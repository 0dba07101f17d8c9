"""The emulator's page reader: one scanned playlist form in, what is written on it out, offline.

PP-OCRv6 (small) reads every line of the form for itself; the form's own grid says where the lines
are, so no text detector is needed. A demonstration, not a rival to Gemini: on real handwriting it
gets some three characters in ten wrong.
"""

import math
import re
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from . import form

MODEL_VERSION = "emulator-ppocrv6-small"
MODEL_FILE = "models/PP-OCRv6_rec_small.onnx"  # within the rapidocr wheel

DARK = 160  # grey up to here is ink: a little lighter than the middle, so that thin rules stay
LINE_HEIGHT = 48  # px, the height the recogniser was trained on
SQUEEZE = 0.8  # handwriting is wide: this much narrower, it is read as well, and a sixth faster
WIDTH_STEP = 16  # px; widths are padded to it, so that the runtime sees few different shapes
BELOW = 9  # px under the rule that belong to a line's picture: the feet of g, p and y
MARGIN = 8  # px of paper left and right of the writing
RUN_ON = 60  # px of paper after which writing beyond a line's right end is another note
CORE = (8, 10)  # px off a line's top and above its rule where strokes of the neighbours reach in

# Black pixels in its core that make a cell written, not blank: on real pages blank cells have
# fewer (specks, a neighbour's tail), and a single digit or letter has more.
TEXT_INK, TYPE_INK, HOUR_INK, JOCK_INK, DATE_INK, COMMENT_INK = 500, 150, 220, 320, 400, 600

BLANK_WEIGHT = 0.3  # the network says "no character here" too readily for handwriting
HIGH, MEDIUM = 0.85, 0.65  # scores; a fifth, a third and half of the characters are wrong there
ILLEGIBLE = 0.45  # below it the text is little more than a guess
TYPE_SCORE = 0.4  # a circle's letter is one character: below it, better none than a wrong one
LAST_LATIN = 0x17F  # the model knows 18,708 characters, most of them Chinese
SYMBOLS = "→←↑↓⇒"

Recognise = Callable[[Image.Image], tuple[str, float]]  # a line's picture -> text, score 0 to 1


def load(threads: int = 1) -> Callable[[bytes], dict[str, Any]]:
    """Load the recogniser once; the function returned reads one image, and threads may call it.

    Each call computes on `threads` cores, so a caller with its own threads leaves it at 1.
    Raises FileNotFoundError where the rapidocr wheel with the model file is not installed.
    """
    recognise = _recogniser(_model_path(), threads)

    def read(png: bytes) -> dict[str, Any]:
        """Read one page: 1 bit or grey, upright, 2550 x 4200 px, any other size being scaled.

        Returns the page without `model_version` and `extracted_at`. A picture that is not the form
        gives a blank page with one oddity. Raises ValueError where `png` is not a readable PNG
        or WebP.
        """
        found = form.fit(_ink(png))
        if found is None:
            oddity = "The grid of the printed form was not found; nothing was read."
            return _page(None, [_quadrant(position) for position in form.POSITIONS], None, [oddity])
        return _read_form(found, recognise)

    return read


def _model_path() -> Path:
    spec = find_spec("rapidocr")  # finds the package without importing it and its dependencies
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / MODEL_FILE).is_file():
            return path
    raise FileNotFoundError(f"rapidocr: no {MODEL_FILE}. Install scripts/emulator/requirements.txt")


def _recogniser(model: Path, threads: int) -> Recognise:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; the warnings are about graph details
    options.enable_mem_pattern = False  # plans memory by shape, and every line has its own width
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    listed = session.get_modelmeta().custom_metadata_map["character"].split("\n")
    alphabet = ["", *listed, " "]  # class 0 is CTC's blank, the last one a space
    classes = np.array([i for i, char in enumerate(alphabet) if _is_wanted(char)])
    letters = [alphabet[i] for i in classes]

    def recognise(line: Image.Image) -> tuple[str, float]:
        # One line a call: on a CPU a batch is no faster a line, and costs padding and memory.
        grey = np.asarray(line, np.float32) / 127.5 - 1
        (scores,) = session.run(None, {"x": np.broadcast_to(grey, (1, 3, *grey.shape))})
        return _decode(scores[0][:, classes], letters)

    return recognise


def _is_wanted(char: str) -> bool:
    if len(char) != 1:
        return not char
    return ord(char) < 127 or char in SYMBOLS or (char.isalpha() and ord(char) <= LAST_LATIN)


def _decode(scores: NDArray[np.float32], letters: list[str]) -> tuple[str, float]:
    """CTC, greedily: (steps, classes) -> text and the mean score of its characters, 0 for none."""
    weighted = scores.copy()
    weighted[:, 0] *= BLANK_WEIGHT
    best = weighted.argmax(1)
    steps = np.flatnonzero((best != 0) & (np.diff(best, prepend=0) != 0))
    if not len(steps):
        return "", 0.0
    text = "".join(letters[i] for i in best[steps])
    return " ".join(text.split()), float(scores[steps, best[steps]].mean())


def _ink(png: bytes) -> form.Ink:
    """The page's black pixels at the form's size; a page longer than the form is cut below."""
    try:
        with Image.open(BytesIO(png), formats=["PNG", "WEBP"]) as file:
            image: Image.Image = file.copy()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image: {error}") from error
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    size = (form.PAGE_WIDTH, form.PAGE_HEIGHT)
    if image.size != size:
        scale = form.PAGE_WIDTH / image.width
        image = image.crop((0, 0, image.width, min(image.height, math.ceil(size[1] / scale))))
        height = max(min(round(image.height * scale), size[1]), 1)
        page = Image.new("L", size, "white")
        page.paste(image.convert("L").resize((size[0], height), Image.Resampling.BILINEAR))
        image = page
    if image.mode != "1":
        image = image.convert("L").point(lambda grey: 255 if grey > DARK else 0)
    return ~np.asarray(image, bool)


def _read_form(page: form.Form, recognise: Recognise) -> dict[str, Any]:
    def read(line: form.Line, least_ink: int) -> tuple[str, float] | None:
        picture = _picture(page.ink, line, least_ink)
        return None if picture is None else recognise(picture)

    def text(line: form.Line, least_ink: int) -> str | None:
        return (read(line, least_ink) or ("", 0.0))[0] or None

    quadrants = []
    for block, position in enumerate(form.POSITIONS):
        quadrant = _quadrant(position)
        quadrant["hour_raw"] = text(page.hour(block), HOUR_INK)
        quadrant["jock_raw"] = text(page.jock(block), JOCK_INK)
        for row in range(form.ROWS):
            if written := read(page.text(block, row), TEXT_INK):
                circle = read(page.type_circle(block, row), TYPE_INK)
                quadrant["entries"].append(_entry(row, *written, circle and _type(*circle)))
        quadrants.append(quadrant)
    lines = [text(line, COMMENT_INK) for line in page.comments()]
    comments = "\n".join(line for line in lines if line) or None
    return _page(text(page.date(), DATE_INK), quadrants, comments, [])


def _picture(ink: form.Ink, line: form.Line, least_ink: int) -> Image.Image | None:
    """A line's writing, `LINE_HEIGHT` px high, black on white; None where the line is blank.

    The rule is left out of the decision only: strokes cross it, and reading gets worse without it.
    """
    left, limit = max(line.left, 0), min(line.limit, form.PAGE_WIDTH)
    core = ink[max(line.rule - line.above + CORE[0], 0) : line.rule - CORE[1], left:limit]
    written = np.flatnonzero(core.any(0))
    if core[:, : line.right - left].sum() < least_ink:
        return None
    gaps = np.flatnonzero((np.diff(written) > RUN_ON) & (written[1:] >= line.right - left))
    last = written[gaps[0]] if len(gaps) else written[-1]
    left, right = max(left + written[0] - MARGIN, 0), min(left + last + MARGIN, form.PAGE_WIDTH)
    cut = ink[max(line.rule - line.above, 0) : line.rule + BELOW, left:right]
    width = max(round(cut.shape[1] * LINE_HEIGHT / cut.shape[0] * SQUEEZE), 1)
    picture = Image.new("L", (-(-width // WIDTH_STEP) * WIDTH_STEP, LINE_HEIGHT), "white")
    grey = Image.fromarray(~cut).convert("L")
    picture.paste(grey.resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR))
    return picture


def _page(
    date: str | None, quadrants: list[dict[str, Any]], comments: str | None, oddities: list[str]
) -> dict[str, Any]:
    return {
        "page_date_raw": date,
        "quadrants": quadrants,
        "comments_raw": comments,
        "oddities": oddities,
    }


def _quadrant(position: str) -> dict[str, Any]:
    return {
        "position": position,
        "hour_raw": None,
        "jock_raw": None,
        "entries": [],
        "oddities": [],
    }


def _entry(row: int, text: str, score: float, type_raw: str | None) -> dict[str, Any]:
    return {
        "row_index": row,
        "raw_text": text,
        "type_raw": type_raw,
        "confidence": "high" if score >= HIGH else "medium" if score >= MEDIUM else "low",
        "notes": "illegible" if score < ILLEGIBLE else None,
        "oddities": [],
    }


def _type(text: str, score: float) -> str | None:
    """The plate type in a circle, or None where what was read is none of the form's types."""
    word = re.sub(r"[^A-Z0-9]", "", text.upper())  # the drawn circle is read as ( ) or @
    if score < TYPE_SCORE:
        return None
    if word in ("O", "0"):
        return "O"
    if re.fullmatch(r"S[TFHL4AI1]*D?L?", word) and len(word) > 1:  # how a hasty "Std" is read
        return "Std"
    return word if word in ("H", "M", "L", "R") else None
