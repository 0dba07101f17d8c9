"""The settings of a comparison, by letter: what is given, and what makes no sense."""

import pytest

from flowsheets import settings
from flowsheets.batch import letters
from flowsheets.errors import Problem


def test_a_letter_s_words_win_over_the_environment_and_change_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GEMINI_THINKING", "high")
    monkeypatch.setenv("MAX_USD", "3")
    before = settings.load()
    a, b, c = letters.read(
        [
            "C=GEMINI_THINKING= WAY=Flex",
            "A=",
            "B=GEMINI_MODEL='models/gemini-x' MAX_OUTPUT_TOKENS=9",
        ]
    )
    assert [one.letter for one in (a, b, c)] == ["A", "B", "C"]
    assert [one.mode for one in (a, b, c)] == ["batch", "batch", "flex"]
    assert a.config == before
    assert (b.config.model, b.config.max_output_tokens, b.config.thinking) == (
        "gemini-x",
        9,
        "high",
    )
    assert c.config.thinking is None  # the model's own, as without the setting
    assert settings.load() == before


def test_what_a_comparison_s_file_says_is_the_setting_whatever_is_set_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, one = letters.read(["A=", "B=GEMINI_ANSWER=lean"])
    kept = {"letter": "B", "given": one.given, **one.facts}
    monkeypatch.setenv("GEMINI_MODEL", "another")
    assert letters.stated(kept, settings.load()).facts == one.facts


def test_png_and_webp_can_be_compared_and_an_older_file_says_neither() -> None:
    a, b = letters.read(["A=", "B=PAGE_ENCODING=webp"])
    assert (a.config.page_encoding, b.config.page_encoding) == ("png", "webp")
    assert a.facts["request"] != b.facts["request"]
    older = {"letter": "A", "given": {}, **a.facts}
    del older["page_encoding"]
    assert letters.stated(older, settings.load()).facts == a.facts


def test_without_a_letter_there_are_none() -> None:
    assert letters.read([]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["A="], "A: is alone"),
        (["B=GEMINI_THINKING=low", "C="], "A: is missing, and the others are compared with it"),
        (["A=", "B="], "B: is the same as A"),
        (["A=WAY=batch", "B="], "B: is the same as A"),
        (["A=GEMINI_THINKING=low", "B=", "C=GEMINI_THINKING=LOW"], "C: is the same as A"),
        (["A=", "B=THINKING=low"], "B: 'THINKING' changes no request. Give GEMINI_MODEL, "),
        (["A=", "B=MAX_USD=5"], "B: 'MAX_USD' changes no request"),
        (["A=", "B=GEMINI_API_KEY=x"], "B: 'GEMINI_API_KEY' changes no request"),
        (["A=", "B=low"], "B: 'low' is not NAME=VALUE"),
        (["A=", "B=GEMINI_THINKING=deep"], "B: GEMINI_THINKING: 'deep' is unknown. Give minimal, "),
        (["A=", "B=GEMINI_ANSWER=short"], "B: GEMINI_ANSWER: 'short' is unknown"),
        (["A=", "B=MAX_OUTPUT_TOKENS=0"], "B: MAX_OUTPUT_TOKENS: '0' is not a whole number"),
        (["A=", "B=WAY=post"], "B: WAY: 'post' is unknown. Give batch, realtime or flex"),
        (["A=", "B=GEMINI_MODEL=../x"], "B: GEMINI_MODEL: '../x' is not a model's name"),
        (["A=", "B=GEMINI_MODEL='a b'"], "B: GEMINI_MODEL: 'a b' is not a model's name"),
        (["A=", "B=GEMINI_THINKING='low"], 'B: "GEMINI_THINKING=\'low": No closing quotation'),
        (["A=", "B=WAY=flex WAY=flex"], "B: WAY is there twice"),
        (["A=", "I=WAY=flex"], "compare: 'I' is not a letter from A to H"),
    ],
)
def test_words_that_make_no_sense_are_one_line(words: list[str], said: str) -> None:
    with pytest.raises(Problem) as problem:
        letters.read(words)
    assert problem.value.message.startswith(said)
