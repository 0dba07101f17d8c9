"""What a page draws: its images, where each of them lies, and whether there is anything else.

Only what decides about images is read: a content stream can be written so that reading all of it
takes any time and memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pikepdf
from pikepdf.settings import set_qpdf_limits
from PIL import Image, ImageDraw

from flowsheets.page import pdf
from flowsheets.page.pdf import NoPageImage

# A scan's content is one line; with the recognised text of a full page under it, some 300 kB.
MAX_CONTENT_BYTES = 2_000_000
# A form in a form in a form …, each drawn many times: no scanner does, a damaged file may for ever.
_MAX_INSTRUCTIONS = 200_000
_MAX_FORMS = 500
_DEEPEST_FORM = 8

# Images of far fewer pixels than the largest (a spacer, a white base, a logo) are no scan.
_SMALL = 1 / 20

_COVERAGE_SIDE = 400  # the visible page as a raster, to see how much of it images cover

_PAINT = {"f", "F", "f*", "B", "B*", "b", "b*", "S", "s", "sh"}
_PATH = {"m", "l", "c", "v", "y", "h"}
_TEXT = {"Tj", "TJ", "'", '"'}
_INVISIBLE_TEXT = (3, 7)  # as text recognition lays it under a scan
_STATE = {"q", "Q", "cm", "gs", "Tr", "re", "W", "W*", "n", "BDC", "BMC", "EMC"}
_OPERATORS = " ".join({*_PAINT, *_PATH, *_TEXT, *_STATE, "Do", "BI", "ID", "EI"})

Point = tuple[float, float]


@dataclass(frozen=True)
class Drawn:
    """An image that a page draws; `matrix` takes the unit square to the page's plane, in units."""

    image: pikepdf.Stream | pikepdf.PdfInlineImage
    matrix: pikepdf.Matrix

    @property
    def size(self) -> tuple[int, int]:
        """Pixels: width, height. 0 where the image does not say."""
        if isinstance(self.image, pikepdf.PdfInlineImage):
            return self.image.width, self.image.height
        return int(self.image.get("/Width", 0)), int(self.image.get("/Height", 0))

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]

    @property
    def corners(self) -> list[Point]:
        """Where its corners lie on the page's plane, one after the other."""
        return [self.matrix.transform(corner) for corner in ((0, 0), (1, 0), (1, 1), (0, 1))]

    @property
    def pixels_a_unit(self) -> float:
        """How finely it is drawn, in its finer direction; the unit is 1/72 inch for most pages."""
        m = self.matrix
        wide, high = (m.a**2 + m.b**2) ** 0.5, (m.c**2 + m.d**2) ** 0.5
        if not wide or not high:
            raise NoPageImage("no_size", "the image is drawn without any size")
        return float(max(self.size[0] / wide, self.size[1] / high))


@dataclass
class Content:
    """What a page draws that can be seen."""

    images: list[Drawn] = field(default_factory=list)
    others: bool = False  # text, lines, a clip, a layer …: the images alone are not the page

    def main(self) -> list[Drawn]:
        """The images without those of far fewer pixels than the largest."""
        largest = max((drawn.pixels for drawn in self.images), default=0)
        return [drawn for drawn in self.images if drawn.pixels >= largest * _SMALL]


@dataclass(frozen=True)
class _State:
    """Of the graphics state, what decides about images."""

    matrix: pikepdf.Matrix
    text_is_seen: bool = True


def of(document: pikepdf.Pdf, page: pikepdf.Page) -> Content:
    """Read what a page of the document draws.

    Raises `NoPageImage` where it is more than any scanner writes.
    """
    reader = _Reader(pdf.visible(page), _hidden_layers(document))
    resources = pdf.inherited(page, "/Resources")
    reader.read(page, resources, _State(pikepdf.Matrix()), _DEEPEST_FORM)
    if any(_is_seen(note) for note in _items(page.obj.get("/Annots"))):
        reader.content.others = True
    return reader.content


def covered(images: list[Drawn], box: pikepdf.Rectangle) -> float:
    """The share of the visible page that the images cover together, 0 to 1."""
    if len(images) == 1:
        return _seen_area(images[0], box) / (box.width * box.height)
    side = _COVERAGE_SIDE
    raster = Image.new("L", (side, side))
    pen = ImageDraw.Draw(raster)
    for drawn in images:
        corners = [
            ((x - box.llx) / box.width * side, (y - box.lly) / box.height * side)
            for x, y in drawn.corners
        ]
        pen.polygon([_within(corner, side) for corner in corners], fill=255)
    return raster.histogram()[255] / side**2


def beyond(drawn: Drawn, box: pikepdf.Rectangle) -> float:
    """How much of the image lies outside the visible page, 0 to 1; by its upright frame."""
    xs, ys = zip(*drawn.corners, strict=True)
    frame = (max(xs) - min(xs)) * (max(ys) - min(ys))
    return 1 - _seen_area(drawn, box) / frame if frame else 1


def _seen_area(drawn: Drawn, box: pikepdf.Rectangle) -> float:
    """Square units of the image's upright frame inside the visible page."""
    xs, ys = zip(*drawn.corners, strict=True)
    wide = min(max(xs), box.urx) - max(min(xs), box.llx)
    high = min(max(ys), box.ury) - max(min(ys), box.lly)
    return float(max(wide, 0) * max(high, 0))


class _Reader:
    """Reads a page's content and the forms in it, within limits for all of them together."""

    def __init__(self, box: pikepdf.Rectangle, hidden: set[tuple[int, int]]) -> None:
        self.content = Content()
        self._box = box
        self._hidden = hidden  # object numbers of the layers that are switched off
        self._bytes = MAX_CONTENT_BYTES
        self._instructions = _MAX_INSTRUCTIONS
        self._forms = _MAX_FORMS

    def read(
        self,
        owner: pikepdf.Page | pikepdf.Stream,
        resources: pikepdf.Object | None,
        state: _State,
        deepest: int,
    ) -> None:
        """Add what a page's or a form's content draws."""
        self._bytes -= _content_bytes(owner, self._bytes)
        instructions = pikepdf.parse_content_stream(owner, _OPERATORS)
        self._instructions -= len(instructions)
        if self._instructions < 0:
            raise _too_much()
        stack: list[_State] = []
        layers: list[bool] = []  # of each mark that is open, whether it hides what it encloses
        path: list[Iterable[pikepdf.Object] | None] = []  # rectangles; None for anything else
        for instruction in instructions:
            operands, operator = instruction.operands, str(instruction.operator)
            seen = not any(layers)
            if isinstance(instruction, pikepdf.ContentStreamInlineImage):
                self._add(Drawn(instruction.iimage, state.matrix), seen)
            elif operator == "q":
                stack.append(state)
            elif operator == "Q":
                state = stack.pop() if stack else state
            elif operator == "cm":
                moved = pikepdf.Matrix(*(float(str(number)) for number in operands))
                state = replace(state, matrix=moved @ state.matrix)
            elif operator == "Tr":
                state = replace(state, text_is_seen=int(operands[0]) not in _INVISIBLE_TEXT)
            elif operator in ("BDC", "BMC"):
                layers.append(operator == "BDC" and self._is_hidden_mark(operands, resources))
            elif operator == "EMC":
                layers = layers[:-1]
            elif operator == "re":
                path.append(operands)
            elif operator in _PATH:
                path.append(None)
            elif operator in ("W", "W*"):
                self.content.others |= not self._encloses_page(path, state.matrix)
            elif operator == "n":
                path = []
            elif operator in _PAINT:
                path = []
                self.content.others |= seen
            elif operator in _TEXT:
                self.content.others |= seen and state.text_is_seen
            elif operator == "gs":
                self.content.others |= _blends(_named(resources, "/ExtGState", operands[0]))
            elif operator == "Do":
                drawn = _named(resources, "/XObject", operands[0])
                self._draw(drawn, resources, state, deepest, seen)

    def _draw(
        self,
        drawn: pikepdf.Object | None,
        resources: pikepdf.Object | None,
        state: _State,
        deepest: int,
        seen: bool,
    ) -> None:
        if not isinstance(drawn, pikepdf.Stream):
            return
        if (layer := drawn.get("/OC")) is not None:
            self.content.others = True
            seen = seen and not self._is_hidden(layer)
        if drawn.get("/Subtype") == "/Image":
            self._add(Drawn(drawn, state.matrix), seen)
        elif drawn.get("/Subtype") == "/Form" and seen:
            self._forms -= 1
            if not deepest or self._forms < 0:
                raise _too_much()
            own = pikepdf.Matrix(drawn.get("/Matrix") or pikepdf.Matrix())
            box = drawn.get("/BBox")
            if box is not None:
                self.content.others |= not self._encloses_image_space(box, own @ state.matrix)
            inner = drawn.get("/Resources", resources)
            self.read(drawn, inner, replace(state, matrix=own @ state.matrix), deepest - 1)

    def _add(self, drawn: Drawn, seen: bool) -> None:
        """An image that is switched off or lies outside the page is not a part of it."""
        if seen and beyond(drawn, self._box) < 1:
            self.content.images.append(drawn)
        elif not seen:
            self.content.others = True

    def _is_hidden_mark(
        self, operands: Iterable[pikepdf.Object], resources: pikepdf.Object | None
    ) -> bool:
        tag, properties, *_ = [*operands, None, None]
        if str(tag) != "/OC":
            return False
        self.content.others = True
        layer = _named(resources, "/Properties", properties)
        return layer is not None and self._is_hidden(layer)

    def _is_hidden(self, layer: pikepdf.Object) -> bool:
        """A layer that is off; of a group of layers, all of them."""
        members = layer.get("/OCGs") if layer.get("/Type") == "/OCMD" else layer
        every = [members] if isinstance(members, pikepdf.Dictionary) else _items(members)
        return bool(every) and all(one.objgen in self._hidden for one in every)

    def _encloses_page(
        self, path: list[Iterable[pikepdf.Object] | None], matrix: pikepdf.Matrix
    ) -> bool:
        """Whether a clip is one rectangle around the whole page, as many writers set it."""
        if len(path) != 1 or path[0] is None:
            return False
        x, y, wide, high = (float(str(number)) for number in path[0])
        return _encloses([(x, y), (x + wide, y + high)], matrix, self._box)

    def _encloses_image_space(self, box: pikepdf.Object, matrix: pikepdf.Matrix) -> bool:
        x, y, right, top = (float(str(number)) for number in _items(box))
        return _encloses([(x, y), (right, top)], matrix, self._box)


def _encloses(diagonal: list[Point], matrix: pikepdf.Matrix, box: pikepdf.Rectangle) -> bool:
    (x0, y0), (x1, y1) = (matrix.transform(point) for point in diagonal)
    slack = max(box.width, box.height) / 100  # writers round
    upright = abs(matrix.b) + abs(matrix.c) < 1e-6 or abs(matrix.a) + abs(matrix.d) < 1e-6
    return (
        upright
        and min(x0, x1) <= box.llx + slack
        and max(x0, x1) >= box.urx - slack
        and min(y0, y1) <= box.lly + slack
        and max(y0, y1) >= box.ury - slack
    )


def _content_bytes(owner: pikepdf.Page | pikepdf.Stream, limit: int) -> int:
    """How long the content is, decoded. Raises `NoPageImage` beyond the limit."""
    contents = owner.obj.get("/Contents") if isinstance(owner, pikepdf.Page) else owner
    streams = [contents] if isinstance(contents, pikepdf.Stream) else _items(contents)
    total = 0
    for stream in streams:
        if isinstance(stream, pikepdf.Stream):
            total += _decoded_bytes(stream, limit)
        if total > limit:
            raise _too_much()
    return total


def _decoded_bytes(stream: pikepdf.Stream, limit: int) -> int:
    before = set_qpdf_limits(flate_max_memory=max(limit, 1), run_length_max_memory=max(limit, 1))
    try:
        return len(stream.read_bytes())
    except pikepdf.DataDecodingError as error:
        if "limit" in str(error):
            raise _too_much() from error
        raise NoPageImage("page_damaged", "the page's content is damaged") from error
    finally:
        set_qpdf_limits(**before)  # type: ignore[arg-type]


def _too_much() -> NoPageImage:
    return NoPageImage("too_large", "the page's content is larger than any scanner writes")


def _named(resources: pikepdf.Object | None, kind: str, name: object) -> pikepdf.Object | None:
    named = resources.get(kind) if resources is not None else None
    return named.get(str(name)) if isinstance(named, pikepdf.Dictionary) else None


def _blends(state: pikepdf.Object | None) -> bool:
    """Whether a graphics state makes images transparent or mixes them with what is below."""
    if not isinstance(state, pikepdf.Dictionary):
        return False
    return (
        state.get("/SMask", pikepdf.Name("/None")) != pikepdf.Name("/None")
        or float(str(state.get("/ca", 1))) < 1
        or state.get("/BM", pikepdf.Name.Normal) not in (pikepdf.Name.Normal, "/Compatible")
    )


def _is_seen(note: pikepdf.Object) -> bool:
    """Whether an annotation shows anything: links and pop-ups do not."""
    return isinstance(note, pikepdf.Dictionary) and note.get("/Subtype") not in ("/Link", "/Popup")


def _hidden_layers(document: pikepdf.Pdf) -> set[tuple[int, int]]:
    """Object numbers of the layers that the PDF opens with switched off."""
    layers = document.Root.get("/OCProperties")
    if not isinstance(layers, pikepdf.Dictionary):
        return set()
    opening = layers.get("/D") or pikepdf.Dictionary()
    off = {one.objgen for one in _items(opening.get("/OFF"))}
    if opening.get("/BaseState") == "/OFF":
        off = {one.objgen for one in _items(layers.get("/OCGs"))}
        off -= {one.objgen for one in _items(opening.get("/ON"))}
    return off


def _items(array: pikepdf.Object | None) -> list[pikepdf.Object]:
    return list(array) if isinstance(array, pikepdf.Array) else []


def _within(point: Point, side: int) -> Point:
    """A point far outside stays outside, and fits the raster's numbers."""
    return min(max(point[0], -side), 2 * side), min(max(point[1], -side), 2 * side)
