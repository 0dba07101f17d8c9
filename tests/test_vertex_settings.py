"""Vertex AI's settings: what is missing or contradicts is one line before anything is built."""

import os
import subprocess
from pathlib import Path

import pytest

from emulator_process import Emulator
from flowsheets import settings
from flowsheets.errors import Problem
from flowsheets.gemini import client
from flowsheets.gemini.problem import Closed
from station import TOP, Station
from vertex_door import vertex_door


@pytest.mark.parametrize("yes", ["true", "True", "1", "yes", "on"])
def test_the_flag_asks_for_it(monkeypatch: pytest.MonkeyPatch, yes: str) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    assert settings.vertex() is None
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", yes)
    assert settings.vertex() == settings.Vertex("my-project", "global", "")
    monkeypatch.setenv("BATCH_BUCKET", "gs://bucket.of-mine/flow/sheets/")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
    wanted = settings.Vertex("my-project", "us-central1", "gs://bucket.of-mine/flow/sheets")
    assert settings.vertex() == wanted
    monkeypatch.setenv("BATCH_BUCKET", "gs://bucket.of-mine/flow-")
    assert settings.vertex() == settings.Vertex(
        "my-project", "us-central1", "gs://bucket.of-mine/flow-"
    )


@pytest.mark.parametrize("no", ["", "false", "0", "no", "Off"])
def test_without_it_nothing_else_is_looked_at(monkeypatch: pytest.MonkeyPatch, no: str) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", no)
    monkeypatch.setenv("BATCH_BUCKET", "nonsense")
    assert settings.vertex() is None


def test_the_flags_newer_name_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("GOOGLE_GENAI_USE_ENTERPRISE", "true")
    assert settings.vertex()
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "false")
    with pytest.raises(Problem, match=r"GOOGLE_GENAI_USE_ENTERPRISE.*Unset one of them"):
        settings.vertex()


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("GOOGLE_GENAI_USE_VERTEXAI", "maybe", "'maybe' is neither true nor false"),
        ("GOOGLE_CLOUD_PROJECT", "", "is not set, and Vertex AI is asked for"),
        ("GOOGLE_CLOUD_PROJECT", "my project", "'my project' cannot be one"),
        ("GOOGLE_CLOUD_PROJECT", "a/b", "'a/b' cannot be one"),
        ("GOOGLE_CLOUD_LOCATION", "../x", "cannot be one. Give global, or a region"),
        ("BATCH_BUCKET", "bucket/prefix", "cannot be one. Give gs://bucket/prefix"),
        ("BATCH_BUCKET", "gs://", "cannot be one"),
        ("BATCH_BUCKET", "gs://b/with blank", "cannot be one"),
        ("BATCH_BUCKET", "s3://bucket", "cannot be one"),
        ("BATCH_BUCKET", "", "is not set, and a batch on Vertex AI needs one"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json", "cannot be used"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line_and_claims_no_page(
    station: Station, emulator: Emulator, tmp_path: Path, name: str, value: str, what: str
) -> None:
    station.door = vertex_door(emulator)
    station.rendered(1)
    said = station.error("batch-submit", **{name: value})
    assert said.startswith(f"Error: {name}")
    assert what in said
    assert station.statuses() == ["rendered"]
    assert not (station.data / "batches").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"type": "service_account"}', '"x"', "\0", '{"type": ["a"]}']
)
def test_a_credentials_file_of_any_content_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "account.json"
    file.write_text(text)
    for path in (file, tmp_path):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        client._credentials_of.cache_clear()
        with pytest.raises(Closed, match=r"GOOGLE_APPLICATION_CREDENTIALS=.*cannot be used") as it:
            client.credentials()
        assert "\n" not in it.value.message


def test_real_time_needs_no_bucket(station: Station, emulator: Emulator, tmp_path: Path) -> None:
    station.door = vertex_door(emulator)
    station.rendered(1)
    assert "1 completed" in station.good("process", BATCH_BUCKET="")
    call = emulator.ledger()["requests"][-1]["path"]
    assert call.startswith("/v1/projects/example-project/locations/global/publishers/google/")


def test_the_developers_client_is_told_so_whatever_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_USE_ENTERPRISE", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    made = client.open_client()._api_client
    assert (made.vertexai, made.api_key) == (False, "a-key")


def test_vertex_ais_client_has_project_place_and_credentials_and_no_key(
    monkeypatch: pytest.MonkeyPatch, emulator: Emulator, tmp_path: Path
) -> None:
    for name, value in vertex_door(emulator).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "not-this-one")
    made = client.open_vertex("my-project", "us-central1")._api_client
    assert (made.vertexai, made.api_key, made.project) == (True, None, "my-project")
    assert made.location == "us-central1"
    assert made._credentials is client.credentials()


def test_the_address_is_its_own_or_else_the_other_doors(
    station: Station, emulator: Emulator, tmp_path: Path
) -> None:
    station.door = vertex_door(emulator)
    station.rendered(1)
    station.base_url = emulator.url
    assert "1 completed" in station.good("process", GOOGLE_VERTEX_BASE_URL="")


def test_a_place_that_does_not_serve_the_model_gives_the_pages_back(
    station: Station, emulator: Emulator, tmp_path: Path
) -> None:
    station.door = vertex_door(emulator)
    station.rendered(1)
    said = station.error("batch-submit", GOOGLE_CLOUD_LOCATION="us-central1")
    assert "does not exist" in said
    assert station.statuses() == ["rendered"]


@pytest.mark.parametrize(
    ("dotenv", "environment", "asked"),
    [
        ("", {}, False),
        ("GOOGLE_GENAI_USE_VERTEXAI=true", {}, True),
        ("export GOOGLE_GENAI_USE_VERTEXAI = '1'", {}, True),
        ("GOOGLE_GENAI_USE_ENTERPRISE=True  # new", {}, True),
        ("# GOOGLE_GENAI_USE_VERTEXAI=true", {}, False),
        ("GOOGLE_GENAI_USE_VERTEXAI=false", {}, False),
        ("", {"GOOGLE_GENAI_USE_VERTEXAI": "yes"}, True),
        ("GOOGLE_GENAI_USE_VERTEXAI=true", {"GOOGLE_GENAI_USE_VERTEXAI": ""}, False),
    ],
)
def test_make_installs_what_it_needs_where_the_flag_is_set(
    tmp_path: Path, dotenv: str, environment: dict[str, str], asked: bool
) -> None:
    (tmp_path / ".env").write_text(dotenv + "\n")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    said = subprocess.run(
        ["make", "-s", "-f", str(TOP / "Makefile"), "--eval=asked: ; @echo '$(asked)'", "asked"],
        cwd=tmp_path,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ("vertex-installed" in said) == asked
