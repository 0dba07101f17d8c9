"""What the importer of the Vertex door takes, and what fails the whole job with code 3."""

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.importer import DEEPEST, ImportFailed, Table

SIMPLE = {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}


def load(tmp_path: Path, *lines: Any) -> Table:
    """The lines (a text as it is), taken in. Raises ImportFailed."""
    path = tmp_path / "requests.jsonl"
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts))
    return Table(path)


def of(**more: Any) -> dict[str, Any]:
    """A line with more in its request."""
    return {"key": "k-1", "request": SIMPLE | more}


def nested(levels: int) -> dict[str, Any]:
    """A line whose deepest name is at this level; `request` is at 1, `config` at 2."""
    value: Any = 1
    for _ in range(levels - 2):
        value = {"a": value}
    return of(config=value)


def test_depth_is_counted_in_names_and_lists_do_not_count(tmp_path: Path) -> None:
    load(tmp_path, nested(DEEPEST))
    with pytest.raises(ImportFailed, match="15 levels"):
        load(tmp_path, nested(DEEPEST + 1))
    in_lists: Any = 1
    for _ in range(DEEPEST - 2):
        in_lists = [{"a": in_lists}]
    load(tmp_path, of(config=in_lists))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([of(tools=[{"googleSearch": {}}])], "Cannot store struct 'request.tools.googleSearch'"),
        ([of(config={})], "Cannot store struct 'request.config'"),
        ([of(schema={"$ref": "x"})], "Invalid field name"),
        ([of(schema={"page date": 1})], "Invalid field name"),
        ([of(schema={"page-date": 1})], "Invalid field name"),
        ([of(schema={"1990": 1})], "Invalid field name"),
        ([of(schema={"": 1})], "Invalid field name"),
        ([of(config={"a": 1}), of(config={"a": [1]})], "an array in one place"),
        ([of(config={"a": 1}), of(config=1)], "two types"),
        ([of(config={"a": 1}), of(config={"a": "1"})], "two types"),
        ([of(config={"a": True}), of(config={"a": 1})], "two types"),
        ([of(config=[{"a": 1}, {"a": "x"}])], "two types"),
        ([of(config={"a": [1, "x"]})], "two types"),
        ([of(config={"a": [[1]]})], "array of arrays"),
        ([of(config={"a": [1, None]})], "null"),
        ([of(config={"a": [1]}), of(config={"a": None})], "null"),
        ([of(contents=None)], "null"),
        ([of(safetySettings=None)], "null"),
        ([{"key": "k-1"}], "request"),
        ([{"key": "k-1", "request": None}], "request"),
        ([{"key": "k-1", "request": "x"}], "request"),
        ([{"key": "k-1", "request": {}}], "Cannot store struct 'request'"),
        ([{"metadata": {"key": "k-1"}, "request": SIMPLE}], "beside 'request'"),
        ([{"pages": [{"key": "k-1"}], "request": SIMPLE}], "beside 'request'"),
        ([{"a key": "k-1", "request": SIMPLE}], "Invalid field name"),
        ([of(), {"key": 1, "request": SIMPLE}], "two types"),
        (['{"key": "k-1", "request": '], "line 1"),
        ([of(), "surprise"], "line 2"),
        (["[1]"], "line 1"),
        (['{"request": {"a": NaN}}'], "NaN"),
        (['{"request": {"a": 1, "a": 2}}'], "Duplicate field name"),
        (['{"request": {"text": 1, "Text": 2}}'], "Duplicate field name"),
        (["\ufeff" + json.dumps(of())], "line 1"),
        ([], "no requests"),
        (["", "   "], "no requests"),
    ],
)
def test_the_whole_job_fails_for(tmp_path: Path, lines: list[Any], said: str) -> None:
    with pytest.raises(ImportFailed) as failed:
        load(tmp_path, *lines)
    assert str(failed.value).startswith("Failed to import data. Please check 'Prepare input'")
    assert said in str(failed.value)


@pytest.mark.parametrize(
    "lines",
    [
        [of(), of(config={"a": 1})],
        [of(config={"a": 1}), of(config={"a": 1.5})],
        [of(config={"a": None}), of(config={"a": "x"})],
        [of(config={"a": []}), of(config={"a": ["x"]})],
        [{"request": SIMPLE}],
        [{"custom_id": "x", "tags": ["a", "b"], "request": SIMPLE}],
    ],
)
def test_what_is_taken_in(tmp_path: Path, lines: list[Any]) -> None:
    table = load(tmp_path, *lines)
    assert [line.request for line in table.lines()] == [line["request"] for line in lines]


def test_more_lines_than_google_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.importer.MOST_LINES", 2)
    load(tmp_path, of(), of())
    with pytest.raises(ImportFailed, match="more than 2"):
        load(tmp_path, of(), of(), of())


@pytest.mark.parametrize(
    ("keys", "back"),
    [
        (["000000", "000001"], [0, 1]),
        (["1.50", "2"], [1.5, 2]),
        (["1e3"], [1000]),
        (["y", "n"], [True, False]),
        (["n"], [False]),
        (["k-0", "k-1"], ["k-0", "k-1"]),
        (["k-0", "1"], ["k-0", "1"]),
        (["y", "a"], ["y", "a"]),
        (["y", "1"], ["y", "1"]),
        (["1" * 40], ["1" * 40]),
    ],
)
def test_keys_that_look_like_something_else_come_back_as_that(
    tmp_path: Path, keys: list[str], back: list[Any]
) -> None:
    table = load(tmp_path, *({"key": key, "request": SIMPLE} for key in keys))
    got = [line.siblings["key"] for line in table.lines()]
    assert got == back
    assert [type(key) for key in got] == [type(key) for key in back]


def test_the_echo_has_other_order_whole_numbers_and_nulls(tmp_path: Path) -> None:
    table = load(
        tmp_path,
        of(generationConfig={"topP": 0.5, "temperature": 1.0}),
        of(labels={"a": "b"}, contents=[{"parts": [{"fileData": {"fileUri": "gs://b/x"}}]}]),
    )
    first, second = (table.echo(line.request) for line in table.lines())
    assert json.dumps(first) == (
        '{"contents": [{"parts": [{"fileData": null, "text": "a"}], "role": "user"}], '
        '"generationConfig": {"temperature": 1, "topP": 0.5}, "labels": null}'
    )
    assert second["contents"][0]["role"] is None
    assert second["contents"][0]["parts"][0] == {"fileData": {"fileUri": "gs://b/x"}, "text": None}
