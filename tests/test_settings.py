"""Settings: the environment, then .env, then the default."""

from pathlib import Path

import pytest

from flowsheets import settings
from flowsheets.errors import Problem
from station import SETTINGS


def test_every_setting_has_its_default() -> None:
    config = settings.load()
    assert config.model == "gemini-3.1-pro-preview"
    assert config.media_resolution == "high"
    assert (config.scans_root, config.data_root) == (Path("scans").absolute(), Path.cwd())
    assert (config.render_concurrency, config.process_concurrency) == (4, 4)
    assert (config.max_attempts, config.submit_grace, config.batch_pages) == (3, 300, 1000)
    assert (config.max_output_tokens, config.thinking) == (32768, None)


def test_the_environment_wins_over_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GEMINI_MODEL=from-file\nMAX_ATTEMPTS=7\n")
    monkeypatch.setattr("flowsheets.settings.TOP", tmp_path)
    monkeypatch.setenv("GEMINI_MODEL", "from-environment")
    monkeypatch.setenv("MAX_ATTEMPTS", "")  # so that it is taken back after the test
    monkeypatch.delenv("MAX_ATTEMPTS")
    config = settings.load()
    assert (config.model, config.max_attempts) == ("from-environment", 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ATTEMPTS", "three"),
        ("MAX_ATTEMPTS", "0"),
        ("SUBMIT_GRACE", "-1"),
        ("RENDER_CONCURRENCY", "²"),
        ("GEMINI_MEDIA_RESOLUTION", "huge"),
        ("MAX_OUTPUT_TOKENS", "0"),
        ("MAX_OUTPUT_TOKENS", "32k"),
        ("GEMINI_THINKING", "much"),
    ],
)
def test_a_value_without_sense_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Problem, match=name):
        settings.load()


def test_a_word_that_is_unknown_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_THINKING", "off")
    with pytest.raises(Problem) as raised:
        settings.load()
    assert raised.value.message == (
        "GEMINI_THINKING: 'off' is unknown. Give minimal, low, medium or high, or unset it"
    )


def test_a_missing_key_says_where_it_goes() -> None:
    with pytest.raises(Problem, match=r"GEMINI_API_KEY: is not set\. Put your key into \.env"):
        settings.api_key()


def test_the_example_names_every_setting() -> None:
    example = (Path(__file__).parents[1] / ".env.example").read_text()
    for name in SETTINGS:
        assert f"{name}=" in example
