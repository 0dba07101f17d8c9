"""make demo: everything, end to end, with no key."""

from pathlib import Path

import pytest

import demo
import in_process
from station import Station


def test_the_demo_takes_the_samples_from_scans_to_results_and_books(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(demo, "READER", "quick")
    mine = {"GEMINI_API_KEY": "my-own-key", "BATCH_PAGES": "1", "LIMIT": "1"}
    done = in_process.run("scripts/demo.py", env=station.environment(**mine))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "demo" / "results").rglob("page-*.json"))) == 10
    assert "batch: $" in done.stdout
    assert "Nothing was paid" in done.stdout
    assert "my-own-key" not in done.stdout
    assert not station.data.exists()
