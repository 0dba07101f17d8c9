"""What goes wrong on command: off until `--fault` or `POST /emulator/faults` switches it on."""

import threading
from collections.abc import Iterable
from typing import Any

from emulator.vertex_faults import VERTEX_FAULTS

# Kinds of value:
#   switch  true
#   times   how many times it happens; true = until switched off
#   rows    0-based rows of every batch: 3, "0,3" or "all" (true means all)
#   codes   "ROW:CODE", comma separated, gRPC codes: "0:13,4:7"; ROW may be "all", or "half", which
#           is every second row, the first one in
#   words   "ROW:WORD", comma separated: "0:SAFETY,4:SPII"; a WORD alone is for all rows
#   number  a number; beside it is said of what
#   text    a word
# Those of the Vertex door alone stand in vertex_faults.py; it has the others as well, where they
# make sense there.
FAULTS: dict[str, tuple[str, str]] = VERTEX_FAULTS | {
    # the result file of a batch, when it is written
    "lines_shuffled": ("switch", "lines, and the keys of their objects, in random order"),
    "line_missing": ("rows", "the row's line is left out"),
    "line_doubled": ("rows", "the row's line is there twice"),
    "line_unknown": ("switch", "one more line, with a key that was not sent"),
    "line_not_json": ("rows", "the row's line is cut in the middle (if it has a key)"),
    "line_key_in_metadata": ("rows", "the key is at metadata.key"),
    # rows that are not answered, and not billed
    "line_error": ("codes", 'the row ends as {"error": {"code": CODE}}, no message'),
    "line_status": ("codes", 'the row ends as {"status": {"code": CODE}}'),
    "line_error_text": ("rows", "the row's error is a plain text"),
    "line_status_text": ("rows", "the row's status is a plain text"),
    "line_error_in_response": ("rows", "the row's error is inside its response"),
    # answers, in batches and (with "all") in real time
    "answer_in_parts": ("rows", "the text comes in several parts, cut inside an escape too"),
    "answer_with_thoughts": ("rows", "a thought part first, a thoughtSignature alone last"),
    "answer_recitation": ("rows", "finishReason RECITATION, no parts"),
    "answer_max_tokens": ("rows", "finishReason MAX_TOKENS, half of the text"),
    "answer_thinks_to_the_ceiling": ("rows", "maxOutputTokens of thinking, billed, and no text"),
    "answer_thinking_in_total": ("rows", "thinking is in totalTokenCount alone"),
    "answer_no_usage": ("rows", "no usageMetadata"),
    "answer_other_model": ("rows", "modelVersion gemini-2.5-flash, whichever was asked"),
    "answer_blocked": ("rows", "promptFeedback.blockReason, no candidates"),
    "answer_not_json": ("rows", "prose instead of JSON"),
    "answer_three_blocks": ("rows", "the last of the four quadrants is missing"),
    "answer_u2028": ("rows", "U+2028 and U+0085 inside the texts, not escaped"),
    "answer_new_field": ("rows", "fields that no client knows"),
    "answer_finish": ("words", "this finishReason, no parts"),
    # a whole page, in an envelope that is spoilt
    "answer_stray_end": ("rows", 'the page, and after it ."\\n}'),
    "answer_fenced": ("rows", "a sentence, and the page in a fenced block"),
    "answer_bom": ("rows", "a byte order mark before the page"),
    "answer_list_of_one": ("rows", "the page as the only item of a list"),
    "answer_twice": ("rows", "the page, and the same page once more"),
    "answer_null_part": ("rows", "a part with null for its text beside the one with text"),
    "answer_null_lists": ("rows", "null for each entries and oddities that is empty"),
    "answer_null_words": ("rows", 'the words "null", "None", "N/A" for null'),
    "answer_other_letters": ("rows", "High, TOP_LEFT, top-right for high, top_left, top_right"),
    "answer_half_character": ("rows", "half of a character, and NUL, in each row's text"),
    # what looks like a page and is none
    "answer_two_pages": ("rows", "the page, and another one"),
    "answer_row_1000": ("rows", "a row numbered 1000"),
    "answer_long_number": ("rows", "a row's number has 5,000 digits"),
    "answer_endless_list": ("rows", "a thousand [ where the blocks are due"),
    # batches
    "succeeded_before_file": (
        "number",
        "gets of each batch that show SUCCEEDED without its output",
    ),
    "cancelled_before_succeeded": (
        "number",
        "gets of each batch that show CANCELLED, though it has run; then SUCCEEDED and its file",
    ),
    "batch_partially_succeeded": ("switch", "PARTIALLY_SUCCEEDED in place of SUCCEEDED"),
    "file_while_running": (
        "number",
        "RUNNING after so many rows, for good, with a responsesFile that holds them",
    ),
    "file_short": (
        "number",
        "downloads of each result file that hold the first half of its lines; its metadata too",
    ),
    "batch_failed": ("switch", "FAILED when it should start"),
    "batch_expired": ("switch", "EXPIRED when it should start"),
    "batch_cancelled_before": ("switch", "CANCELLED when it should start"),
    "batch_cancelled_after": ("number", "cancelled after so many rows: SUCCEEDED, the rest code 1"),
    "batch_state": ("text", "it stays in this state instead of RUNNING"),
    "batch_stays_pending": ("switch", "it never starts"),
    "batch_stays_running": ("number", "it stops after so many rows, and stays RUNNING"),
    # creating a batch; "after" means that it was carried out
    "create_503_after": ("times", "created, answered with 503"),
    "create_503_before": ("times", "not created, 503"),
    "create_timeout_after": ("times", "created, no answer for hold_seconds"),
    "create_cut_after": ("times", "created, connection cut"),
    "create_cut_before": ("times", "not created, connection cut"),
    "create_429": ("times", "not created, quota exceeded"),
    "create_400": ("times", "not created, invalid argument"),
    "create_name_number": ("times", "created, and its name in the answer is a number"),
    "create_file_expired": ("times", "the input file is gone: 403"),
    "hold_seconds": (
        "number",
        "how long create_timeout_after holds the connection; 600 unless set",
    ),
    "listing_lag": ("number", "a new batch is missing from the first so many listings"),
    "listing_null": ("times", 'the listing is {"operations": null}'),
    "listing_metadata_null": ("switch", "one more batch in the listing, of which metadata is null"),
    # the other calls
    "upload_500": ("times", "a chunk is thrown away and answered with 500"),
    "upload_cut": ("times", "a chunk is thrown away, connection cut"),
    "upload_no_address": ("times", "the first answer is {} without the upload's address"),
    "upload_no_file": ("times", "stored, and the last answer is {} without the file"),
    "upload_error_200": ("times", "not stored; the last answer is an error with status 200"),
    "upload_refuses_jsonl": ("times", "application/jsonl is an unsupported type: 400"),
    "storage_429": ("times", "an upload would exceed the 20 GB of stored files: 429"),
    "download_cut": ("times", "half of the announced bytes, then the connection is cut"),
    "download_byte": ("times", "one letter of a text is another one"),
    "download_404": ("times", "404"),
    "download_403": ("times", "403"),
    "download_400": ("times", "400"),
    "results_size_0": ("switch", "a result file's metadata: sizeBytes 0, no digest"),
    "results_get_400": ("switch", "a result file's metadata: 400, its name is too long"),
    "get_503": ("times", "batches.get answers 503"),
    "generate_503": ("times", "not answered, 503"),
    "generate_429": ("times", "not answered, quota exceeded"),
    "generate_cut_after": ("times", "answered and billed, connection cut"),
    "place_400": ("times", "generate and create: 400, the place is not supported"),
    "schema_400": ("times", "generate and create: 400, the response schema is too complex"),
    "spending_429": ("times", "generate and create: 429, the monthly spend cap is reached"),
    "all_503": ("times", "any call answers 503"),
    # between the API and its client: any call, which is not carried out
    "html_200": ("times", "a log-in page with status 200, as captive portals send it"),
    "string_200": ("times", "a JSON string with status 200"),
    "redirect": ("text", "a redirect to the same path at this address"),
    "between_only": ("text", "these three on calls alone whose path ends so: :generateContent"),
}
EVER = -1  # a count that does not run out


class Faults:
    """The faults that are on. `settings` are words of a command line: NAME or NAME=VALUE."""

    def __init__(self, settings: Iterable[str] = ()) -> None:
        self.lock = threading.Lock()
        self.on: dict[str, Any] = {}
        for setting in settings:
            name, equals, value = setting.partition("=")
            self.set(name, value if equals else True)

    def set(self, name: str, value: Any) -> None:
        """Switches one fault on, or off with None or False.

        Raises ValueError for an unknown name or a wrong value.
        """
        if name not in FAULTS:
            raise ValueError(f"{name}: no such fault")
        with self.lock:
            if value is None or value is False:
                self.on.pop(name, None)
            else:
                self.on[name] = _parsed(name, value)

    def shown(self) -> dict[str, Any]:
        """Name -> value of every fault that is on; a count shows what is left of it."""
        with self.lock:
            return {name: _shown(value) for name, value in self.on.items()}

    def take(self, name: str) -> bool:
        """Whether this fault happens now; a count goes down by one."""
        with self.lock:
            left = self.on.get(name, 0)
            if left > 0:
                self.on[name] = left - 1
            if self.on.get(name) == 0:
                del self.on[name]
            return bool(left)

    def get(self, name: str) -> Any:
        """The value of a switch, number, text or count, None when off."""
        return self.on.get(name)

    def hits(self, name: str, row: int | None) -> bool:
        """Whether a fault with rows concerns this row.

        A call in real time has no row and is hit by "all" alone.
        """
        rows = self.on.get(name)
        return rows is not None and (rows == "all" or row in rows)

    def code(self, name: str, row: int) -> int | None:
        """The gRPC code that a fault with codes gives to this row."""
        codes: dict[int | str, int] = self.on.get(name, {})
        every_second = codes.get("half") if row % 2 == 0 else None
        return codes.get(row, codes.get("all", every_second))

    def word(self, name: str, row: int | None) -> str | None:
        """The word that a fault with words gives to this row; in real time, the one for all."""
        words: dict[int | str, str] = self.on.get(name, {})
        return words.get("all") if row is None else words.get(row, words.get("all"))


def _parsed(name: str, value: Any) -> Any:
    kind = FAULTS[name][0]
    try:
        if kind == "switch":
            return True
        if kind == "text":
            return str(value)
        if kind == "times":
            return EVER if value is True else _positive(value)
        if kind == "number":
            return float(value) if name == "hold_seconds" else _positive(value)
        if kind == "codes":
            pairs = (pair.split(":") for pair in str(value).split(","))
            return {row if row in ("all", "half") else int(row): int(code) for row, code in pairs}
        if kind == "words":
            return dict(_word(pair) for pair in str(value).split(","))
        if value is True or value == "all":
            return "all"
        return {int(row) for row in str(value).split(",")}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {value!r} is not a value of kind {kind}") from error


def _word(pair: str) -> tuple[int | str, str]:
    row, colon, word = pair.rpartition(":")
    return (int(row) if colon else "all"), word


def _positive(value: Any) -> int:
    number = int(value)
    if number < 0:
        raise ValueError(value)
    return number


def _shown(value: Any) -> Any:
    if value == EVER:
        return True
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: (isinstance(pair[0], str), pair[0]))
        alone = all(
            isinstance(said, str) for said in value.values()
        )  # words; codes name their rows
        return ",".join(
            f"{said}" if row == "all" and alone else f"{row}:{said}" for row, said in pairs
        )
    if isinstance(value, set):
        return ",".join(map(str, sorted(value)))
    return value
