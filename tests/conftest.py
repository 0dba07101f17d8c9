"""Fixtures: a station's folder, an emulator, and an environment without this machine's settings."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as profiles
from sqlite_utils import Database

from emulator_process import Emulator, running_emulator
from flowsheets import settings
from flowsheets.jobs import database
from flowsheets.settings import Settings
from station import KEY, SETTINGS, THE_SDKS_OWN, Station

# On a machine that has much else to do, an example may take its time.
profiles.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
profiles.load_profile("patient")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, model or folder of whoever runs the tests reaches a test."""
    for name in (*SETTINGS, *THE_SDKS_OWN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("flowsheets.settings.TOP", Path("/nonexistent"))  # no .env


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """An empty station whose API cannot be reached."""
    (tmp_path / "scans").mkdir()
    return Station(tmp_path)


@pytest.fixture(scope="module")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("api"), "--key", KEY) as emulator:
        yield emulator


@pytest.fixture
def emulator(_emulator: Emulator) -> Iterator[Emulator]:
    """The emulator of the test's module, without any fault."""
    yield _emulator
    for name in _emulator.faults():
        _emulator.faults(**{name: None})


@pytest.fixture
def online(station: Station, emulator: Emulator) -> Station:
    """An empty station whose API is the emulator."""
    station.base_url = emulator.url
    return station


@pytest.fixture
def jobs_db(tmp_path: Path) -> Database:
    """An empty jobs.db."""
    return database.connect(tmp_path)


@pytest.fixture
def config(station: Station, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an empty station, whose grace is 600 s, and its key."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    station.data.mkdir()
    with patch.dict(os.environ, station.environment(SUBMIT_GRACE="600")):
        return settings.load()
