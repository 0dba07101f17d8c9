"""Caching's calls through the SDK, played from cassettes."""

import json
from pathlib import Path

import pytest

import recording
from flowsheets.gemini import calls, developer
from flowsheets.gemini.client import ApiProblem
from flowsheets.page.request import prompt
from recording import MODEL, Api, page, write_requests

api = recording.api

PROMPT = "\n\n".join([prompt()] * 5)  # above the model's minimum of 4,096 tokens
SECONDS = 3600
NAME = "flowsheet prompt"


def test_create_cache(api: Api) -> None:
    name = developer.create_cache(MODEL, PROMPT, SECONDS, NAME).name
    assert name.startswith("cachedContents/")
    (sent,) = api.sent("/cachedContents")
    assert sent["systemInstruction"]["parts"] == [{"text": PROMPT}]
    assert sent["model"] == f"models/{MODEL}"
    assert sent["ttl"] == "3600s"
    developer.delete_cache(name)


def test_a_prompt_below_the_minimum_is_refused(api: Api) -> None:
    with pytest.raises(ApiProblem) as caught:
        developer.create_cache(MODEL, "Transcribe.", SECONDS, NAME)
    assert caught.value.code == 400
    assert not caught.value.key_refused
    assert not caught.value.unclear
    assert len(api.cassette.requests) == 1


def test_a_caches_life_is_made_longer_and_one_of_its_name_is_found_and_removed(api: Api) -> None:
    kept = developer.create_cache(MODEL, PROMPT, SECONDS, NAME)
    assert kept.tokens > 4096
    developer.renew_cache(kept.name, 2 * SECONDS)
    assert [r.method for r in api.cassette.requests][-1] == "PATCH"
    developer.delete_caches("another name")
    developer.renew_cache(kept.name, SECONDS)  # it is still there
    developer.delete_caches(NAME)
    with pytest.raises(ApiProblem) as caught:
        developer.renew_cache(kept.name, SECONDS)
    assert caught.value.code in (403, 404)


def test_delete_cache(api: Api) -> None:
    name = developer.create_cache(MODEL, PROMPT, SECONDS, NAME).name
    developer.delete_cache(name)
    developer.delete_cache(name)  # gone already
    deletes = [r.path for r in api.cassette.requests if r.method == "DELETE"]
    assert deletes == [f"/v1beta/{name}"] * 2


def test_generate_with_a_cached_prompt(api: Api) -> None:
    name = developer.create_cache(MODEL, PROMPT, SECONDS, NAME).name
    answer = json.loads(calls.generate(MODEL, page(0, name)))
    developer.delete_cache(name)
    assert answer["candidates"][0]["content"]["parts"]
    assert answer["usageMetadata"]["cachedContentTokenCount"] > 4096
    (sent,) = api.sent(":generateContent")
    assert sent == page(0, name)
    assert "systemInstruction" not in sent


def test_a_batch_with_a_cached_prompt(api: Api, tmp_path: Path) -> None:
    name = developer.create_cache(
        MODEL, PROMPT, 48 * SECONDS, NAME
    ).name  # for as long as a batch may take
    requests = write_requests(tmp_path / "requests.jsonl", 2, name)
    file = developer.upload(requests, "sdk-cached")
    batch_id = developer.create(MODEL, file, "sdk-cached")["name"]
    results = tmp_path / "responses.jsonl"
    api.fetch(batch_id, results)
    developer.delete_cache(name)
    lines = [json.loads(line) for line in results.read_bytes().split(b"\n") if line]
    assert sorted(line["key"] for line in lines) == ["page-0", "page-1"]
    for line in lines:
        assert line["response"]["usageMetadata"]["cachedContentTokenCount"] > 4096
