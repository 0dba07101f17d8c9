"""make demo: everything, end to end, with no key."""

from pathlib import Path

import click
import pytest

import demo
import in_process
from flowsheets.errors import Problem
from station import Station


def here(environment: dict[str, str], *words: str, shown: bool = True) -> str:
    """What demo._run runs by make, in this process; what make adds is shown by the other door."""
    done = Station(Path()).make(*words, **environment)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    click.echo(said if shown else "", nl=False)
    return said


@pytest.mark.parametrize("door", ["", "vertex"])
def test_the_demo_takes_the_samples_from_scans_to_results_and_books(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    monkeypatch.setattr(demo, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(demo, "READER", "quick")
    if door:
        monkeypatch.setattr(demo, "_run", here)
    mine = {"GEMINI_API_KEY": "my-own-key", "BATCH_PAGES": "1", "LIMIT": "1"}
    done = in_process.run("scripts/demo.py", "--door", door, env=station.environment(**mine))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "demo" / "results").rglob("page-*.json"))) == 10
    assert "batch: $" in done.stdout
    assert "Nothing was paid" in done.stdout
    assert "my-own-key" not in done.stdout
    assert not station.data.exists()


def test_a_dotenv_in_another_encoding_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowsheets.settings.TOP", tmp_path)
    (tmp_path / ".env").write_bytes("# Schlüssel\n".encode("latin-1"))
    with pytest.raises(Problem, match=r"\.env: is not UTF-8 text"):
        demo._environment("http://127.0.0.1:9", "")
