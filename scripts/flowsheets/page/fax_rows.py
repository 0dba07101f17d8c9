"""CCITT bitmaps that are not plain G4, read code by code to see whether all their rows are there.

G3 (ITU-T T.4), and G4 (T.6) of which each row begins at a byte. Other programs draw them, whatever
is damaged; nothing else says so. A second a page, for kinds that few scanners write.
"""

import re

from flowsheets.page.ccitt import Fax

# Codes of runs of 0 to 63 pixels, of 64 to 1728 in steps of 64, and of both colours from 1792 on:
# T.4, tables 2, 3a and 3b.
_WHITE = """
00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101
101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100
0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101 00010110 00010111
00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010 00001011 01010010
01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011
00110010 00110011 00110100
11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100
011001101 011010010 011010011 011010100 011010101 011010110 011010111 011011000 011011001
011011010 011011011 010011000 010011001 010011010 011000 010011011
"""
_BLACK = """
0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111
000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111
00000101000 00000010111 00000011000 000011001010 000011001011 000011001100 000011001101
000001101000 000001101001 000001101010 000001101011 000011010010 000011010011 000011010100
000011010101 000011010110 000011010111 000001101100 000001101101 000011011010 000011011011
000001010100 000001010101 000001010110 000001010111 000001100100 000001100101 000001010010
000001010011 000000100100 000000110111 000000111000 000000100111 000000101000 000001011000
000001011001 000000101011 000000101100 000001011010 000001100110 000001100111
0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101
0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 0000001110010
0000001110011 0000001110100 0000001110101 0000001110110 0000001110111 0000001010010 0000001010011
0000001010100 0000001010101 0000001011010 0000001011011 0000001100100 0000001100101
"""
_BOTH = """
00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101
000000010110 000000010111 000000011100 000000011101 000000011110 000000011111
"""


def _runs(codes: str) -> dict[str, int]:
    """Code -> pixels."""
    lengths = [*range(64), *range(64, 2561, 64)]
    return dict(zip((codes + _BOTH).split(), lengths, strict=True))


_RUNS = (_runs(_WHITE), _runs(_BLACK))
_LONGEST = 13  # bits of a code

# Modes of a row that is coded by the row above it (T.4, table 4); numbers are V, how far to the
# right of the change above.
_PASS, _HORIZONTAL = "P", "H"
_MODES: dict[str, int | str] = {
    "1": 0,
    "011": 1,
    "000011": 2,
    "0000011": 3,
    "010": -1,
    "000010": -2,
    "0000010": -3,
    "0001": _PASS,
    "001": _HORIZONTAL,
}
_END_OF_LINE = re.compile("0{11,}1")
_END = re.compile("(?:0{11,}1[01]?){2}|0*$")  # one alone begins a row


class _Unreadable(Exception):
    """The next bits are not a code, or leads beyond the row."""


def are_whole(bitmap: Fax) -> bool:
    """Whether each row of the bitmap can be read, and nothing but an end mark or zeros follows."""
    reader = _Reader(bitmap)
    above = [bitmap.width]
    try:
        for _ in range(bitmap.height):
            above = reader.row(above)
    except _Unreadable:
        return False
    return reader.is_at_the_end()


class _Reader:
    """The bits, and how far they are read. A row is the list of the pixels at which it changes."""

    def __init__(self, bitmap: Fax) -> None:
        self._bits = f"{int.from_bytes(bitmap.data):0{8 * len(bitmap.data)}b}"
        self._at = 0
        self._width = bitmap.width
        self._k = bitmap.k
        self._aligned = bitmap.aligned
        self._marked = bitmap.marked

    def row(self, above: list[int]) -> list[int]:
        """The next row, given the one above it."""
        if self._begin():
            return self._by_itself()
        return self._by_the_row_above(above)

    def is_at_the_end(self) -> bool:
        """Whether an end mark comes next, or nothing but zeros."""
        return _END.match(self._bits, self._at) is not None

    def _begin(self) -> bool:
        """Go to where the row begins; returns whether it is coded without the row above it."""
        if self._aligned and not self._marked:  # zeros to the byte are not those of a mark
            self._at += -self._at % 8
        end_of_line = _END_OF_LINE.match(self._bits, self._at) if self._k >= 0 else None
        if end_of_line:
            self._at = end_of_line.end()
        if self._k <= 0:
            return self._k == 0
        if not end_of_line:  # it carries the bit that says it
            raise _Unreadable
        self._at += 1
        return self._bits[self._at - 1 : self._at] == "1"

    def _by_itself(self) -> list[int]:
        changes = [self._run(0)]
        while changes[-1] < self._width:
            changes.append(changes[-1] + self._run(len(changes) % 2))
        return self._within(changes)

    def _by_the_row_above(self, above: list[int]) -> list[int]:
        ends = [*above, self._width, self._width, self._width]
        changes: list[int] = []
        at, next_above = -1, 0
        while at < self._width:
            color = len(changes) % 2
            while next_above > 0 and ends[next_above - 1] > at:
                next_above -= 1
            while ends[next_above] < self._width and (
                ends[next_above] <= at or next_above % 2 != color
            ):
                next_above += 1
            mode = self._code(_MODES)
            if mode == _PASS:
                at = ends[next_above + 1]
            elif mode == _HORIZONTAL:
                first = max(at, 0) + self._run(color)
                at = first + self._run(1 - color)
                changes += [first, at]
            else:
                if ends[next_above] + int(mode) < max(at, 0):
                    raise _Unreadable
                at = ends[next_above] + int(mode)
                changes.append(at)
        return self._within(changes)

    def _within(self, changes: list[int]) -> list[int]:
        if changes and changes[-1] > self._width:
            raise _Unreadable
        return changes

    def _run(self, color: int) -> int:
        total = 0
        while (pixels := int(self._code(_RUNS[color]))) >= 64:
            total += pixels
        return total + pixels

    def _code(self, table: dict[str, int] | dict[str, int | str]) -> int | str:
        for length in range(1, _LONGEST + 1):
            code = self._bits[self._at : self._at + length]
            if code in table:
                self._at += len(code)
                return table[code]
        raise _Unreadable
