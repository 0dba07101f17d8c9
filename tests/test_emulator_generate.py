import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from emulator_client import MODEL, client, generate, page_request, png, text_of, upload
from emulator_process import Emulator, running_emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("generate")) as emulator:
        yield emulator


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


def test_an_answer_is_a_page_of_the_image_that_was_sent(api: httpx2.Client) -> None:
    response = generate(api, page_request(3)).json()
    page = json.loads(text_of(response))
    digest = hashlib.sha256(png(3)).hexdigest()
    assert list(page) == ["page_date_raw", "quadrants", "comments_raw", "oddities"]
    assert [quadrant["position"] for quadrant in page["quadrants"]] == [
        "top_left",
        "top_right",
        "bottom_left",
        "bottom_right",
    ]
    assert digest[:12] in page["quadrants"][0]["entries"][0]["raw_text"]
    assert page["comments_raw"] == f"sha256 {digest}"
    assert response["candidates"][0]["finishReason"] == "STOP"
    assert response["modelVersion"] == "emulator-quick"


@pytest.mark.parametrize(
    ("resolution", "tokens"),
    [(None, 1120), ("LOW", 280), ("MEDIUM", 560), ("HIGH", 1120), ("ULTRA_HIGH", 2240)],
)
def test_tokens_are_counted(api: httpx2.Client, resolution: str | None, tokens: int) -> None:
    config = {"responseMimeType": "application/json"}
    if resolution:
        config["mediaResolution"] = f"MEDIA_RESOLUTION_{resolution}"
    instruction = {"parts": [{"text": "x" * 401}]}
    request = page_request(1, generationConfig=config, systemInstruction=instruction)
    response = generate(api, request).json()
    text = 103  # 401 characters and "Transcribe.", at 4 a token
    answer = -(-len(text_of(response)) // 4)
    assert response["usageMetadata"] == {
        "promptTokenCount": text + tokens,
        "candidatesTokenCount": answer,
        "totalTokenCount": text + tokens + answer,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": text},
            {"modality": "IMAGE", "tokenCount": tokens},
        ],
    }


def test_a_part_s_own_resolution_counts_before_the_request_s(api: httpx2.Client) -> None:
    request = page_request(1)
    request["contents"][0]["parts"][1]["mediaResolution"] = {"level": "MEDIA_RESOLUTION_LOW"}
    details = generate(api, request).json()["usageMetadata"]["promptTokensDetails"]
    assert details[1] == {"modality": "IMAGE", "tokenCount": 280}


def test_an_image_may_be_an_uploaded_file(api: httpx2.Client) -> None:
    file = upload(api, png(4), "image/png")
    part = {"fileData": {"fileUri": file["uri"], "mimeType": "image/png"}}
    response = generate(api, {"contents": [{"parts": [part]}]}).json()
    assert hashlib.sha256(png(4)).hexdigest()[:12] in text_of(response)
    api.delete(f"/v1beta/{file['name']}")
    assert generate(api, {"contents": [{"parts": [part]}]}).status_code == 403


def test_a_prompt_without_an_image_is_answered(api: httpx2.Client) -> None:
    response = generate(api, {"contents": [{"parts": [{"text": "Hello"}]}]}).json()
    assert text_of(response) == "no image in the request"
    assert response["candidates"][0]["finishReason"] == "STOP"


def test_an_answer_ends_at_the_token_limit(api: httpx2.Client) -> None:
    config = {"responseMimeType": "application/json", "maxOutputTokens": 10}
    response = generate(api, page_request(1, generationConfig=config)).json()
    assert response["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert len(text_of(response)) == 40
    assert response["usageMetadata"]["candidatesTokenCount"] == 10


def test_thinking_and_text_share_the_token_limit(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(answer_with_thoughts="all")
    config = {"responseMimeType": "application/json", "maxOutputTokens": 40}
    usage = generate(api, page_request(1, generationConfig=config)).json()["usageMetadata"]
    emulator.faults(answer_with_thoughts=None)
    assert usage["thoughtsTokenCount"] > 0
    assert usage["thoughtsTokenCount"] + usage["candidatesTokenCount"] == 40


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        ("gemini-3.1-pro-preview", {"maxOutputTokens": 65_537}, "maxOutputTokens value of 65537"),
        ("gemini-3.1-pro-preview", {"maxOutputTokens": 0}, "maxOutputTokens value of 0"),
        (
            "gemini-3.1-pro-preview",
            {"thinkingConfig": {"thinkingLevel": "minimal"}},
            "Thinking level MINIMAL is not supported for this model.",
        ),
        (
            "gemini-2.5-flash",
            {"thinkingConfig": {"thinkingLevel": "low"}},
            "Thinking level is not supported for this model.",
        ),
        (
            "gemini-3.5-flash",
            {"thinkingConfig": {"thinkingLevel": "low", "thinkingBudget": 1}},
            "only one of thinking budget and thinking level",
        ),
    ],
)
def test_what_the_model_does_not_take_is_refused_and_not_billed(
    api: httpx2.Client, emulator: Emulator, model: str, config: dict[str, Any], message: str
) -> None:
    before = len(emulator.ledger()["answers"])
    path = f"/v1beta/models/{model}:generateContent"
    reply = api.post(path, json=page_request(1, generationConfig=config))
    assert reply.status_code == 400
    assert message in reply.json()["error"]["message"]
    assert len(emulator.ledger()["answers"]) == before


@pytest.mark.parametrize(
    ("model", "level"),
    [("gemini-3.1-pro-preview", "low"), ("gemini-3.5-flash", "MINIMAL")],
)
def test_a_thinking_level_of_the_model_is_taken_in_any_letters(
    api: httpx2.Client, model: str, level: str
) -> None:
    config = {"thinkingConfig": {"thinkingLevel": level}}
    path = f"/v1beta/models/{model}:generateContent"
    assert api.post(path, json=page_request(1, generationConfig=config)).status_code == 200


def test_the_flex_tier_is_accepted_and_written_down(api: httpx2.Client, emulator: Emulator) -> None:
    reply = generate(api, page_request(5, serviceTier="flex"))
    assert reply.headers["x-gemini-service-tier"] == "flex"
    bill = emulator.ledger()["answers"][-1]
    assert (bill["mode"], bill["batch"], bill["key"]) == ("flex", None, None)
    assert bill["image_sha256"] == hashlib.sha256(png(5)).hexdigest()


def test_every_answer_is_in_the_ledger(api: httpx2.Client, emulator: Emulator) -> None:
    before = len(emulator.ledger()["answers"])
    response = generate(api, page_request(6)).json()
    bill = emulator.ledger()["answers"][-1]
    assert len(emulator.ledger()["answers"]) == before + 1
    assert (bill["mode"], bill["model"]) == ("realtime", MODEL)
    assert bill["usage"] == response["usageMetadata"]


def test_an_unknown_field_is_refused_in_google_s_words(
    api: httpx2.Client, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["answers"])
    config = {"cachedContent": "cachedContents/x", "mediaResolution": "MEDIA_RESOLUTION_LOW"}
    reply = generate(api, page_request(1, generationConfig=config))
    message = (
        "Invalid JSON payload received. Unknown name \"cachedContent\" at 'generation_config': "
        "Cannot find field."
    )
    assert reply.status_code == 400
    assert reply.json()["error"] == {
        "code": 400,
        "message": message,
        "status": "INVALID_ARGUMENT",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": "generation_config", "description": message}],
            }
        ],
    }
    assert len(emulator.ledger()["answers"]) == before


BAD_REQUESTS: list[dict[str, Any]] = [
    {},
    {"contents": [{"parts": [{"text": 3}]}]},
    {"contents": "hello"},
    {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]},
    page_request(1, generationConfig={"mediaResolution": "HIGH"}),
    page_request(1, serviceTier="cheap"),
]


@pytest.mark.parametrize("request_", BAD_REQUESTS)
def test_a_request_that_is_not_as_it_should_be_is_refused(
    api: httpx2.Client, request_: dict[str, Any]
) -> None:
    reply = generate(api, request_)
    assert (reply.status_code, reply.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_body_that_is_no_json_is_refused(api: httpx2.Client) -> None:
    reply = api.post(f"/v1beta/models/{MODEL}:generateContent", content=b"{nope")
    assert reply.status_code == 400


def test_models_are_known_by_their_names(api: httpx2.Client) -> None:
    assert api.get(f"/v1beta/models/{MODEL}").json()["name"] == f"models/{MODEL}"
    assert f"models/{MODEL}" in [
        model["name"] for model in api.get("/v1beta/models").json()["models"]
    ]
    unknown = api.post("/v1beta/models/gpt-9:generateContent", json=page_request(1))
    assert unknown.status_code == 404
    assert "is not supported for generateContent" in unknown.json()["error"]["message"]
    assert api.get("/v1beta/no/such/route").json()["error"]["status"] == "NOT_FOUND"


def test_the_sdk_gets_a_page(emulator: Emulator) -> None:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(api_version="v1beta", base_url=emulator.url)
    sdk = genai.Client(api_key="test-key", vertexai=False, http_options=options)
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        media_resolution=types.MediaResolution.MEDIA_RESOLUTION_HIGH,
        system_instruction="Read the sheet.",
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
        safety_settings=[
            types.SafetySetting(
                category=types.HarmCategory.HARM_CATEGORY_HARASSMENT,
                threshold=types.HarmBlockThreshold.OFF,
            )
        ],
        response_schema={"type": "OBJECT", "properties": {"page_date_raw": {"type": "STRING"}}},
    )
    image = types.Part.from_bytes(data=png(8), mime_type="image/png")
    response = sdk.models.generate_content(model=MODEL, contents=image, config=config)
    assert hashlib.sha256(png(8)).hexdigest() in (response.text or "")
    assert response.usage_metadata
    assert response.usage_metadata.prompt_token_count == 1124


def test_the_answer_does_not_depend_on_the_alphabet_of_base64(api: httpx2.Client) -> None:
    seed = next(seed for seed in range(99) if b"+" in base64.b64encode(png(seed)))
    data = base64.urlsafe_b64encode(png(seed)).decode()
    part = {"inline_data": {"mime_type": "image/png", "data": data}}
    response = generate(api, {"contents": [{"parts": [part]}]}).json()
    assert hashlib.sha256(png(seed)).hexdigest()[:12] in text_of(response)
