"""A printed form filled in: a page's contents written where a disc jockey would write them."""

import random

from PIL import Image

from samples import form, pen
from samples.contents import Block, Mark, Page, Row
from samples.hands import HANDS, Fonts, Hand, write

CIRCLED_TYPES = ("H", "M", "L", "R", "X", "R⇒")  # the others are written without a circle
SMALL = 0.6  # of the hand's size: words put above the end of a row
REACHES = (100, 55, 8)  # px from the block to the points of an arrow in its margin
LIFT = 7  # px between a rule and the letters that stand on it


class Sheet:
    """One sheet being filled in, all its writing from one source of chance."""

    def __init__(self, blank: Image.Image, fonts: Fonts, rng: random.Random) -> None:
        self.image = blank.copy()
        self.fonts = fonts
        self.rng = rng

    def fill(self, page: Page) -> Image.Image:
        """Write everything on `page` and return the sheet's ink."""
        hand = HANDS[page.hand]
        if page.date:
            self._write(page.date, (form.DATE_START + 40, form.DATE_LINE - 8), hand, 590)
        for block in page.blocks:
            self._block(block)
        for text, (start, y) in zip(page.comments, form.COMMENT_LINES, strict=False):
            # The band's lines stand closer than the rows do, so people write smaller there.
            at = (max(start + 50, 390), y - 6)
            self._write(text, at, hand, form.COMMENT_END - at[0], scale=0.88)
        for mark in page.marks:
            self._mark(mark, hand)
        return self.image

    def _write(
        self,
        text: str,
        at: pen.Point,
        hand: Hand,
        room: float,
        scale: float = 1.0,
        angle: float = 0.0,
    ) -> float:
        return write(self.image, at, text, hand, self.fonts, self.rng, room, scale, angle)

    def _block(self, block: Block) -> None:
        hand, place = HANDS[block.hand], form.BLOCKS[block.position]
        if block.hour:
            start, end = place.hour
            self._write(block.hour, (start + 4, place.header - 8), hand, end - start + 4, 0.9)
        if block.jock:
            at = (place.jock[0] + self.rng.uniform(20, 80), place.header - 9)
            self._write(block.jock, at, hand, place.jock[1] - at[0], scale=1.12)
        for row in block.rows:
            self._row(row, HANDS[row.hand or block.hand], place)
        for after in block.ticks:
            x, y = place.type[1] + 12, place.rule(after) + 6
            pen.stroke(self.image, [(x, y + 14), (x + 62, y - 6)], hand.pen + 1, self.rng)
        for mark in block.marks:
            self._mark(mark, hand)

    def _row(self, row: Row, hand: Hand, place: form.Block) -> None:
        """One entry with its type and its marks."""
        tall = row.notes == "double_height"
        base = place.rule(row.at + 1) - 26 if tall else place.rule(row.at) - LIFT
        base += self.rng.gauss(0, 2.0)
        scale = row.scale * (1.5 if tall else self.rng.uniform(0.95, 1.04))
        x = place.text[0] + row.indent + self.rng.uniform(0, 30)
        if row.mark == "scribble":
            box = [(x, base - 36), (x + self.rng.uniform(90, 150), base + 2)]
            pen.scribble(self.image, box, hand.pen, self.rng)
            x = box[1][0] + 24
        end = self._text(row.text, (x, base), hand, place, scale, place.reach + row.runs)
        if row.notes == "crossed_out":
            middle = base - hand.size * 0.20
            path = [(x - 8, middle + 4), ((x + end) / 2, middle - 6), (end + 12, middle + 2)]
            pen.stroke(self.image, path, hand.pen, self.rng, shake=4)
        if row.over:
            width = self.fonts.load(hand.font, round(hand.size * SMALL)).getlength(row.over) * 1.1
            at = (min(end + 6, place.reach - width), base - 40)
            self._write(row.over, at, hand, width * 1.5, SMALL)
        if row.aside:
            at = (min(end + 24, 2340.0), base - 4)
            self._write(row.aside, at, hand, 2505 - at[0], scale=0.78)
        self._type(row.type, base - (place.pitch * 0.1 if tall else 0), hand, place)
        self._row_mark(row.mark, base, hand, place)

    def _text(
        self, text: str, at: pen.Point, hand: Hand, place: form.Block, scale: float, reach: int
    ) -> float:
        """Write the entry, in two columns where the hand keeps them; return x of its end."""
        x, y = at
        artist, _, track = text.partition("   ")
        if not (hand.tab and track):
            return x + self._write(text, at, hand, reach - x, scale)
        column = place.text[0] + hand.tab + self.rng.gauss(0, 9)
        end = x + self._write(artist, at, hand, hand.tab * 1.2, scale)
        start = max(column, end + 28)
        return start + self._write(track, (start, y), hand, reach - start, scale)

    def _type(self, type_: str, base: float, hand: Hand, place: form.Block) -> None:
        """The type, circled or not, in the middle of its rule."""
        if not type_:
            return
        letters = type_.rstrip("⇒")
        scale = 0.92
        width = self.fonts.load(hand.font, round(hand.size * scale)).getlength(letters)
        middle = sum(place.type) / 2 + self.rng.gauss(0, 7)
        rise = self.rng.uniform(2, 7) if type_ in CIRCLED_TYPES else 0
        self._write(letters, (middle - width / 2, base - rise), hand, 116, scale)
        if type_ in CIRCLED_TYPES:
            centre = (middle, base - rise - hand.size * scale * 0.30)
            rx, ry = max(30.0, width * 0.75) + self.rng.uniform(0, 7), self.rng.uniform(25, 31)
            pen.circle(self.image, centre, rx, ry, hand.pen, self.rng)
        if type_.endswith("⇒"):
            for dy in (-6, 6):
                path = [(middle + 38, base - 20 + dy), (middle + 74, base - 20 + dy)]
                pen.stroke(self.image, path, hand.pen - 1, self.rng, shake=1)
            head = [(middle + 62, base - 40), (middle + 88, base - 20), (middle + 62, base - 1)]
            pen.stroke(self.image, head[:2], hand.pen - 1, self.rng, shake=1)
            pen.stroke(self.image, head[1:], hand.pen - 1, self.rng, shake=1)

    def _row_mark(self, mark: str, base: float, hand: Hand, place: form.Block) -> None:
        """A mark in the margin beside the block, left of a left one, right of a right one."""
        edge, out = (place.type[0], -1) if place.is_left else (2440, 1)
        if mark == "arrow":
            path: list[pen.Point] = [(edge + out * far, base - far / 8 - 16) for far in REACHES]
            pen.arrow(self.image, path, hand.pen, self.rng)
        elif mark in ("check", "star"):
            spot = [(edge + out * 40.0, base - 18)]
            pen.MARKS[mark](self.image, spot, hand.pen, self.rng)

    def _mark(self, mark: Mark, hand: Hand) -> None:
        """A note or a drawing anywhere on the sheet."""
        own = HANDS[mark.hand] if mark.hand else hand
        if mark.kind == "note":
            x, y = mark.at[0]
            # An upright note may use the whole margin; a level one ends short of the sheet's edge.
            room = 1500 if abs(mark.angle) > 45 else form.SIZE[0] - 50 - x
            self._write(mark.text, (x, y), own, room, mark.scale, mark.angle)
        else:
            points = [(x, y) for x, y in mark.at]
            pen.MARKS[mark.kind](self.image, points, own.pen, self.rng)
