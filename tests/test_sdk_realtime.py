"""Real-time calls through the SDK, played from cassettes."""

import json

import pytest

import recording
from flowsheets.gemini import calls
from flowsheets.gemini.client import ApiProblem
from recording import MODEL, Api, page

api = recording.api


def test_generate(api: Api) -> None:
    request = page(0)
    answer = json.loads(calls.generate(MODEL, request))
    assert answer["candidates"][0]["content"]["parts"]
    assert answer["usageMetadata"]["totalTokenCount"] > 0
    # What a batch's line holds, and nothing of the SDK's own beside it
    assert api.sent(f"/v1beta/models/{MODEL}:generateContent") == [page(0)]
    assert request == page(0)


def test_generate_with_a_wrong_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "wrong")
    with pytest.raises(ApiProblem) as caught:
        calls.generate(MODEL, page(0))
    assert caught.value.key_refused
    assert not caught.value.unclear
    assert caught.value.code == 400
    assert len(api.cassette.requests) == 1


def test_generate_with_an_unknown_model(api: Api) -> None:
    with pytest.raises(ApiProblem) as caught:
        calls.generate("no-such-model", page(0))
    assert caught.value.code == 404
    assert not caught.value.key_refused
    assert len(api.cassette.requests) == 1
