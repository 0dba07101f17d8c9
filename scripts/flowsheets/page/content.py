"""What a page draws: its images, where each of them lies, and whether there is anything else.

Only what decides about images is read: a content stream can be written so that reading all of it
takes any time and memory.
"""

from collections.abc import Callable, Iterable, Sequence
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

# Images of far fewer pixels than the largest (a spacer, a white base, a logo) are not a scan.
_SMALL = 1 / 20

_COVERAGE_SIDE = 400  # the visible page as a raster, to see how much of it images cover

_INVISIBLE_TEXT = (3, 7)  # as text recognition lays it under a scan

Point = tuple[float, float]
_Operands = Sequence[pikepdf.Object]
_Instructions = Sequence[pikepdf.ContentStreamInstruction | pikepdf.ContentStreamInlineImage]


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
    _Stream(reader, resources, _State(pikepdf.Matrix()), _DEEPEST_FORM).read(page)
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
    """What all content of a page has in common: what was found, and the limits."""

    def __init__(self, box: pikepdf.Rectangle, hidden: set[tuple[int, int]]) -> None:
        self.content = Content()
        self.box = box
        self._hidden = hidden  # object numbers of the layers that are switched off
        self._bytes = MAX_CONTENT_BYTES
        self._instructions = _MAX_INSTRUCTIONS
        self._forms = _MAX_FORMS

    def instructions(self, owner: pikepdf.Page | pikepdf.Stream) -> _Instructions:
        """A page's or a form's content, while there is room for it."""
        self._bytes -= _content_bytes(owner, self._bytes)
        found = pikepdf.parse_content_stream(owner, _OPERATORS)
        self._instructions -= len(found)
        if self._instructions < 0:
            raise _too_much()
        return found

    def count_form(self) -> None:
        self._forms -= 1
        if self._forms < 0:
            raise _too_much()

    def see(self, drawn: Drawn) -> None:
        """An image that lies outside the page is not a part of it."""
        if beyond(drawn, self.box) < 1:
            self.content.images.append(drawn)

    def is_hidden(self, layer: pikepdf.Object) -> bool:
        """A layer that is off; of a group of layers, all of them."""
        self.content.others = True
        members = layer.get("/OCGs") if layer.get("/Type") == "/OCMD" else layer
        every = [members] if isinstance(members, pikepdf.Dictionary) else _items(members)
        return bool(every) and all(one.objgen in self._hidden for one in every)


class _Stream:
    """One content stream, instruction by instruction: its graphics state, and what is open."""

    def __init__(
        self,
        reader: _Reader,
        resources: pikepdf.Object | None,
        state: _State,
        deepest: int,
    ) -> None:
        self._reader = reader
        self._resources = resources
        self._state = state
        self._deepest = deepest
        self._stack: list[_State] = []
        self._layers: list[bool] = []  # of each mark that is open, whether it hides its content
        self._path: list[_Operands | None] = []  # rectangles; None for anything else

    def read(self, owner: pikepdf.Page | pikepdf.Stream) -> None:
        """Add what the content of the page or form draws."""
        for instruction in self._reader.instructions(owner):
            if isinstance(instruction, pikepdf.ContentStreamInlineImage):
                self._image(instruction.iimage)
            else:
                _ACTIONS[str(instruction.operator)](self, list(instruction.operands))

    def save(self, _: _Operands) -> None:
        self._stack.append(self._state)

    def restore(self, _: _Operands) -> None:
        if self._stack:
            self._state = self._stack.pop()

    def move(self, operands: _Operands) -> None:
        moved = pikepdf.Matrix(*_numbers(operands))
        self._state = replace(self._state, matrix=moved @ self._state.matrix)

    def set_text_mode(self, operands: _Operands) -> None:
        seen = int(operands[0]) not in _INVISIBLE_TEXT
        self._state = replace(self._state, text_is_seen=seen)

    def set_blending(self, operands: _Operands) -> None:
        if _blends(_named(self._resources, "/ExtGState", operands[0])):
            self._reader.content.others = True

    def open_mark(self, _: _Operands) -> None:
        self._layers.append(False)

    def open_layer(self, operands: _Operands) -> None:
        tag, properties, *_ = [*operands, None, None]
        layer = _named(self._resources, "/Properties", properties) if str(tag) == "/OC" else None
        self._layers.append(layer is not None and self._reader.is_hidden(layer))

    def close_mark(self, _: _Operands) -> None:
        self._layers = self._layers[:-1]

    def add_rectangle(self, operands: _Operands) -> None:
        self._path.append(operands)

    def add_line(self, _: _Operands) -> None:
        self._path.append(None)

    def clip(self, _: _Operands) -> None:
        """Many writers clip to one rectangle around the whole page, which cuts nothing off."""
        one = self._path[0] if len(self._path) == 1 else None
        x, y, wide, high = _numbers(one) if one is not None else (0, 0, 0, 0)
        if not self._encloses_page((x, y), (x + wide, y + high)):
            self._reader.content.others = True

    def end_path(self, _: _Operands) -> None:
        self._path = []

    def paint(self, _: _Operands) -> None:
        self._path = []
        if self._is_seen():
            self._reader.content.others = True

    def show_text(self, _: _Operands) -> None:
        if self._is_seen() and self._state.text_is_seen:
            self._reader.content.others = True

    def draw(self, operands: _Operands) -> None:
        drawn = _named(self._resources, "/XObject", operands[0])
        if not isinstance(drawn, pikepdf.Stream):
            return
        layer = drawn.get("/OC")
        self._layers.append(layer is not None and self._reader.is_hidden(layer))
        if drawn.get("/Subtype") == "/Image":
            self._image(drawn)
        elif drawn.get("/Subtype") == "/Form" and self._is_seen():
            self._form(drawn)
        self._layers.pop()

    def _image(self, image: pikepdf.Stream | pikepdf.PdfInlineImage) -> None:
        if self._is_seen():
            self._reader.see(Drawn(image, self._state.matrix))

    def _form(self, form: pikepdf.Stream) -> None:
        if not self._deepest:
            raise _too_much()
        self._reader.count_form()
        own = pikepdf.Matrix(form.get("/Matrix") or pikepdf.Matrix())
        state = replace(self._state, matrix=own @ self._state.matrix)
        inner = _Stream(
            self._reader, form.get("/Resources", self._resources), state, self._deepest - 1
        )
        x, y, right, top = _numbers(_items(form.get("/BBox"))) or (0, 0, 0, 0)
        if not inner._encloses_page((x, y), (right, top)):
            self._reader.content.others = True
        inner.read(form)

    def _is_seen(self) -> bool:
        return not any(self._layers)

    def _encloses_page(self, corner: Point, opposite: Point) -> bool:
        return _encloses([corner, opposite], self._state.matrix, self._reader.box)


_ACTIONS: dict[str, Callable[[_Stream, _Operands], None]] = {
    "q": _Stream.save,
    "Q": _Stream.restore,
    "cm": _Stream.move,
    "Tr": _Stream.set_text_mode,
    "gs": _Stream.set_blending,
    "BMC": _Stream.open_mark,
    "BDC": _Stream.open_layer,
    "EMC": _Stream.close_mark,
    "re": _Stream.add_rectangle,
    **dict.fromkeys(("m", "l", "c", "v", "y", "h"), _Stream.add_line),
    **dict.fromkeys(("W", "W*"), _Stream.clip),
    "n": _Stream.end_path,
    **dict.fromkeys(("f", "F", "f*", "B", "B*", "b", "b*", "S", "s", "sh"), _Stream.paint),
    **dict.fromkeys(("Tj", "TJ", "'", '"'), _Stream.show_text),
    "Do": _Stream.draw,
}
_OPERATORS = " ".join([*_ACTIONS, "BI", "ID", "EI"])


def _numbers(operands: Iterable[pikepdf.Object]) -> list[float]:
    return [float(str(number)) for number in operands]


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
