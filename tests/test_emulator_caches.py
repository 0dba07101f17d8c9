from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emulator_client import (
    MODEL,
    client,
    create_batch,
    download,
    generate,
    page_request,
    result_lines,
    state,
    text_of,
    until,
)
from emulator_process import Emulator, running_emulator

PROMPT = "x" * 20_000  # 5,000 tokens


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("caches")) as emulator:
        yield emulator


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


def create_cache(api: httpx2.Client, text: str = PROMPT, **more: Any) -> httpx2.Response:
    instruction = {"parts": [{"text": text}]}
    body = {"model": f"models/{MODEL}", "systemInstruction": instruction, "ttl": "300s"} | more
    return api.post("/v1beta/cachedContents", json=body)


@pytest.mark.parametrize(
    ("model", "minimum"),
    [("gemini-3.1-pro-preview", 4096), ("gemini-3-flash", 1024)],
)
def test_a_small_cache_is_refused_in_google_s_words(
    api: httpx2.Client, model: str, minimum: int
) -> None:
    text = "x" * (minimum * 4 - 4)
    assert create_cache(api, text, model=f"models/{model}").json() == {
        "error": {
            "code": 400,
            "message": f"Cached content is too small. total_token_count={minimum - 1}, "
            f"min_total_token_count={minimum}",
            "status": "INVALID_ARGUMENT",
        }
    }
    assert create_cache(api, text + "xxxx", model=f"models/{model}").status_code == 200


def test_the_minimum_can_be_set(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--cache-minimum", "0") as emulator,
        client(emulator) as api,
    ):
        assert create_cache(api, "short").status_code == 200


def test_cached_tokens_are_counted_apart_and_in_the_prompt(api: httpx2.Client) -> None:
    name = create_cache(api).json()["name"]
    usage = generate(api, page_request(1, cachedContent=name)).json()["usageMetadata"]
    assert usage["cachedContentTokenCount"] == 5000
    assert usage["promptTokenCount"] == 5000 + 3 + 1120
    assert usage["cacheTokensDetails"] == [{"modality": "TEXT", "tokenCount": 5000}]
    assert usage["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 5003},
        {"modality": "IMAGE", "tokenCount": 1120},
    ]


def test_a_cache_is_shown_without_its_contents(api: httpx2.Client) -> None:
    cache = create_cache(api, displayName="prompt").json()
    assert list(cache) == [
        "name",
        "model",
        "displayName",
        "createTime",
        "updateTime",
        "expireTime",
        "usageMetadata",
    ]
    assert cache["usageMetadata"] == {"totalTokenCount": 5000}
    assert api.get(f"/v1beta/{cache['name']}").json() == cache
    listed = api.get("/v1beta/cachedContents").json()["cachedContents"]
    assert listed[0] == cache


def test_a_cache_ends_with_its_ttl_which_can_be_moved(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--still") as emulator, client(emulator) as api:
        name = create_cache(api).json()["name"]
        emulator.advance(299)
        moved = api.patch(f"/v1beta/{name}", json={"ttl": "1000s"})
        assert moved.json()["name"] == name
        emulator.advance(999)
        emulator.restart()
        assert generate(api, page_request(1, cachedContent=name)).status_code == 200
        emulator.advance(1)
        refused = generate(api, page_request(1, cachedContent=name))
        assert refused.status_code == 403
        assert refused.json()["error"]["status"] == "PERMISSION_DENIED"
        assert api.get(f"/v1beta/{name}").status_code == 403
        assert api.get("/v1beta/cachedContents").json() == {}


def test_a_cache_that_dies_before_its_row_runs_fails_the_row_unbilled(
    api: httpx2.Client, emulator: Emulator
) -> None:
    dead = create_cache(api).json()["name"]
    alive = create_cache(api).json()["name"]
    emulator.faults(batch_stays_pending=True)
    lines = [
        {"key": "dead", "request": page_request(1, cachedContent=dead)},
        {"key": "alive", "request": page_request(2, cachedContent=alive)},
    ]
    name = create_batch(api, lines)
    api.delete(f"/v1beta/{dead}")
    emulator.faults(batch_stays_pending=None)
    assert state(until(api, name)) == "SUCCEEDED"
    failed, served = result_lines(download(api, name))
    assert failed == {
        "key": "dead",
        "error": {"code": 7, "message": "The caller does not have permission"},
    }
    assert served["response"]["usageMetadata"]["cachedContentTokenCount"] == 5000
    bills = [bill["key"] for bill in emulator.ledger()["answers"] if bill["batch"] == name]
    assert bills == ["alive"]


def test_a_system_instruction_beside_a_cache_is_refused(api: httpx2.Client) -> None:
    name = create_cache(api).json()["name"]
    instruction = {"parts": [{"text": "too"}]}
    reply = generate(api, page_request(1, cachedContent=name, systemInstruction=instruction))
    assert reply.status_code == 400
    assert "CachedContent can not be used" in reply.json()["error"]["message"]


def test_a_cache_serves_its_own_model_alone(api: httpx2.Client) -> None:
    name = create_cache(api).json()["name"]
    other = "/v1beta/models/gemini-3.5-flash:generateContent"
    assert api.post(other, json=page_request(1, cachedContent=name)).status_code == 400


@pytest.mark.parametrize("change", [{"ttl": "soon"}, {"model": "models/gpt-9"}, {"colour": 1}])
def test_a_cache_that_is_not_as_it_should_be_is_refused(
    api: httpx2.Client, change: dict[str, Any]
) -> None:
    assert create_cache(api, **change).status_code in (400, 404)


def test_the_sdk_makes_uses_moves_and_deletes_a_cache(emulator: Emulator) -> None:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(api_version="v1beta", base_url=emulator.url)
    sdk = genai.Client(api_key="test-key", vertexai=False, http_options=options)
    config = types.CreateCachedContentConfig(
        system_instruction=PROMPT, ttl="300s", display_name="sdk"
    )
    cache = sdk.caches.create(model=MODEL, config=config)
    name = cache.name or ""
    assert cache.usage_metadata
    assert cache.usage_metadata.total_token_count == 5000
    used = types.GenerateContentConfig(cached_content=name)
    response = sdk.models.generate_content(model=MODEL, contents="hello", config=used)
    assert text_of(response.model_dump(exclude_none=True)) == "no image in the request"
    assert sdk.caches.get(name=name).display_name == "sdk"
    moved = sdk.caches.update(name=name, config=types.UpdateCachedContentConfig(ttl="600s"))
    assert moved.expire_time
    assert cache.expire_time
    assert moved.expire_time > cache.expire_time
    assert name in [listed.name for listed in sdk.caches.list()]
    sdk.caches.delete(name=name)
    with pytest.raises(genai.errors.ClientError):
        sdk.caches.get(name=name)
