"""Settings: the environment, then .env, then the default."""

import os
from pathlib import Path

import pytest

from flowsheets import settings
from flowsheets.errors import Problem
from station import SETTINGS, TOP, Station


def test_every_setting_has_its_default() -> None:
    config = settings.load()
    assert config.model == "gemini-3.1-pro-preview"
    assert config.media_resolution == "high"
    assert (config.scans_root, config.data_root) == (Path.cwd() / "scans", Path.cwd())
    assert (config.render_concurrency, config.process_concurrency) == (4, 4)
    assert (config.max_attempts, config.submit_grace, config.batch_pages) == (3, 300, 1000)
    assert (config.max_output_tokens, config.thinking) == (32768, None)


def test_a_tilde_is_the_home_folder_and_every_folder_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA_ROOT", "~/data of mine")
    monkeypatch.setenv("SCANS_ROOT", "some/scans")
    config = settings.load()
    assert config.data_root == tmp_path / "data of mine"
    assert config.scans_root == Path.cwd() / "some/scans"
    monkeypatch.setenv("DATA_ROOT", "~nobody-of-this-name/data")
    with pytest.raises(Problem, match="DATA_ROOT: '~nobody"):
        settings.load()


def test_paths_in_jobs_db_are_absolute(station: Station) -> None:
    station.scan(1)
    station.data.mkdir()
    relative = {
        "SCANS_ROOT": os.path.relpath(station.scans, TOP),
        "DATA_ROOT": os.path.relpath(station.data, TOP),
    }
    station.good("discover", **relative)
    station.good("render", **relative)
    path = Path(station.rows()[0]["image_path"])
    assert (path.is_absolute(), path.resolve()) == (True, station.png(1).resolve())


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


@pytest.fixture
def dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where .env is; what it sets is taken back after the test."""
    monkeypatch.setattr("flowsheets.settings.TOP", tmp_path)
    monkeypatch.setenv("GEMINI_API_KEY", "")
    monkeypatch.delenv("GEMINI_API_KEY")
    return tmp_path / ".env"


@pytest.mark.parametrize("left", ["", "  "])
def test_an_empty_key_in_the_environment_does_not_hide_the_one_in_dotenv(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    dotenv.write_text("GEMINI_API_KEY=from-file\n")
    monkeypatch.setenv("GEMINI_API_KEY", left)
    assert settings.api_key() == "from-file"


def test_an_empty_setting_in_the_environment_still_wins(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv.write_text("MAX_USD=5\n")
    monkeypatch.setenv("MAX_USD", "")  # this once without the limit
    assert settings.load().max_usd is None


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_a_dotenv_in_another_encoding_is_one_clear_line(dotenv: Path, encoding: str) -> None:
    dotenv.write_bytes("# Schlüssel\nGEMINI_API_KEY=abc\n".encode(encoding))
    for read in (settings.load, settings.api_key):
        with pytest.raises(Problem, match=r"\.env: is not UTF-8 text\. Save it as UTF-8"):
            read()


def test_the_first_line_of_a_dotenv_with_a_byte_order_mark_counts(dotenv: Path) -> None:
    dotenv.write_bytes("GEMINI_API_KEY=abc\n".encode("utf-8-sig"))
    assert settings.api_key() == "abc"


@pytest.mark.parametrize(("mode", "warns"), [(0o644, True), (0o640, True), (0o600, False)])
def test_a_key_that_others_can_read_is_one_warning(
    dotenv: Path, capsys: pytest.CaptureFixture[str], mode: int, warns: bool
) -> None:
    dotenv.write_text("GEMINI_API_KEY=abc\n")
    dotenv.chmod(mode)
    settings.api_key()
    settings.api_key()
    said = capsys.readouterr().err
    assert said.count("chmod 600") == warns
    assert "abc" not in said.replace(str(dotenv), "")


def test_a_dotenv_without_a_key_may_be_read_by_all(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dotenv.write_text("GEMINI_API_KEY=\n")
    dotenv.chmod(0o644)
    monkeypatch.setenv("GEMINI_API_KEY", "abc")
    settings.api_key()
    assert capsys.readouterr().err == ""


def test_the_example_names_every_setting() -> None:
    example = (Path(__file__).parents[1] / ".env.example").read_text()
    for name in SETTINGS:
        assert f"{name}=" in example
