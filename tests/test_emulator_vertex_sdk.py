"""The Vertex door by google-genai, with a service account's file: a walk, and the SDK's traps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials
from pydantic import ValidationError

from emulator_client import MODEL
from emulator_process import Emulator, running_emulator, wait_for
from emulator_vertex import (
    BUCKET,
    PROJECT,
    SCOPES,
    client,
    create,
    key_file,
    lines_of,
    names,
    page_lines,
    put_image,
    read,
    until,
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("sdk")) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as bucket:
        yield bucket


def connected(emulator: Emulator, credentials: Any) -> genai.Client:
    options = types.HttpOptions(base_url=emulator.url, api_version="v1")
    return genai.Client(
        vertexai=True,
        project=PROJECT,
        location="global",
        credentials=credentials,
        http_options=options,
    )


@pytest.fixture
def api(emulator: Emulator, tmp_path: Path) -> genai.Client:
    path = key_file(emulator, tmp_path / "key.json")
    account = service_account.Credentials.from_service_account_file(path, scopes=SCOPES)  # type: ignore[no-untyped-call]
    return connected(emulator, account)


def test_a_job_by_the_sdk(api: genai.Client, bucket: httpx2.Client) -> None:
    create(bucket, page_lines(bucket, 2), "by-the-sdk").raise_for_status()
    place = f"gs://{BUCKET}/by-the-sdk"
    config = types.CreateBatchJobConfig(display_name="sdk-1", dest=f"{place}/own")
    made = api.batches.create(model=MODEL, src=f"{place}/requests.jsonl", config=config)
    assert made.state == types.JobState.JOB_STATE_PENDING
    name = made.name or ""
    listing = types.ListBatchJobsConfig(filter='displayName="sdk-1"')
    assert [job.name for job in api.batches.list(config=listing)] == [name]
    none = types.ListBatchJobsConfig(filter='displayName="sdk-2"')
    assert list(api.batches.list(config=none)) == []
    job = wait_for(lambda: (found := api.batches.get(name=name)).done and found)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    assert job.completion_stats.successful_count == 2
    folder = job.output_info.gcs_output_directory.removeprefix(f"gs://{BUCKET}/")
    assert folder.startswith("by-the-sdk/own/prediction-model-")
    found = lines_of(read(bucket, path).content for path in names(bucket, folder))
    assert {line["key"] for line in found} == {"k-0", "k-1"}
    with pytest.raises(errors.ClientError) as refused:
        api.batches.cancel(name=name)
    assert (refused.value.code, refused.value.status) == (400, "FAILED_PRECONDITION")
    assert api.batches.delete(name=name).done
    with pytest.raises(errors.ClientError):
        api.batches.get(name=name)


def test_generate_content_by_the_sdk(api: genai.Client, bucket: httpx2.Client) -> None:
    image = types.Part.from_uri(file_uri=put_image(bucket, 3), mime_type="image/png")
    page = types.Content(role="user", parts=[image, types.Part.from_text(text="Transcribe.")])
    response = api.models.generate_content(model=MODEL, contents=page)
    assert "image " in (response.text or "")
    with pytest.raises(errors.ClientError) as refused:
        api.models.generate_content(model="no-such-model", contents="x")
    assert refused.value.code == 404


def test_details_of_an_error_are_more_than_the_sdk_can_read(
    api: genai.Client, bucket: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(job_failed=8, job_error_details=True)
    name = create(bucket, page_lines(bucket, 1), "details", "details").json()["name"]
    until(bucket, name)
    emulator.faults(job_failed=None, job_error_details=None)
    with pytest.raises(ValidationError):
        api.batches.get(name=name)
    with pytest.raises(ValidationError):
        list(api.batches.list())
    bucket.delete(f"/v1/{name}")


def test_a_token_made_by_hand_is_refused(emulator: Emulator) -> None:
    by_hand = connected(emulator, Credentials(token="x"))  # type: ignore[no-untyped-call]
    with pytest.raises(errors.ClientError) as refused:
        list(by_hand.batches.list())
    assert (refused.value.code, refused.value.status) == (401, "UNAUTHENTICATED")
