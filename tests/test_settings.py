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
    ],
)
def test_a_value_without_sense_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Problem, match=name):
        settings.load()


def test_a_missing_key_says_where_it_goes() -> None:
    with pytest.raises(Problem, match=r"GEMINI_API_KEY: is not set\. Put your key into \.env"):
        settings.api_key()


def test_the_example_names_every_setting() -> None:
    example = (Path(__file__).parents[1] / ".env.example").read_text()
    for name in SETTINGS:
        assert f"{name}=" in example
