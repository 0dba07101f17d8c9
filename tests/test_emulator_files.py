import base64
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from emulator_client import client, create, send, start_upload, upload
from emulator_process import Emulator, environment, running_emulator, wait_for

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("files")) as emulator:
        yield emulator


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


def test_a_file_has_the_fields_google_gives_it(api: httpx2.Client, emulator: Emulator) -> None:
    file = upload(api, b"{}\n", displayName="requests.jsonl")
    file_id = file["name"].removeprefix("files/")
    assert len(file_id) == 12
    digest = hashlib.sha256(b"{}\n").hexdigest()
    assert file | {"createTime": "", "updateTime": "", "expirationTime": ""} == {
        "name": f"files/{file_id}",
        "displayName": "requests.jsonl",
        "mimeType": "application/jsonl",
        "sizeBytes": "3",
        "createTime": "",
        "updateTime": "",
        "expirationTime": "",
        "sha256Hash": base64.b64encode(digest.encode()).decode(),
        "uri": f"{emulator.url}/v1beta/files/{file_id}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }
    assert api.get(f"/v1beta/{file['name']}").json() == file
    assert api.get(f"/v1/{file['name']}").json() == file


def test_an_upload_in_chunks_of_8_mib_keeps_memory_flat(
    api: httpx2.Client, emulator: Emulator
) -> None:
    chunk = bytes(range(256)) * (8 * MIB // 256)
    size = 12 * len(chunk) + 5
    before = _peak_memory(emulator)
    url = start_upload(api, size, "text/plain").headers["x-goog-upload-url"]
    for number in range(12):
        reply = send(api, url, chunk, number * len(chunk), command="upload")
        assert reply.headers["x-goog-upload-status"] == "active"
    reply = send(api, url, b"12345", 12 * len(chunk))
    assert reply.headers["x-goog-upload-status"] == "final"
    digest = hashlib.sha256(chunk * 12 + b"12345").hexdigest()
    assert reply.json()["file"]["sizeBytes"] == str(size)
    assert base64.b64decode(reply.json()["file"]["sha256Hash"]) == digest.encode()
    assert _peak_memory(emulator) - before < 20 * MIB


def _peak_memory(emulator: Emulator) -> int:
    for line in Path(f"/proc/{emulator.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def test_an_upload_goes_on_where_a_cut_left_it(api: httpx2.Client, emulator: Emulator) -> None:
    url = start_upload(api, 10, "text/plain").headers["x-goog-upload-url"]
    send(api, url, b"01234", command="upload")
    emulator.faults(upload_cut=1)
    with pytest.raises(httpx2.TransportError):
        send(api, url, b"56789", 5)
    received = send(api, url, b"", command="query").headers["x-goog-upload-size-received"]
    assert received == "5"
    file = send(api, url, b"56789", int(received)).json()["file"]
    digest = hashlib.sha256(b"0123456789").hexdigest()
    assert base64.b64decode(file["sha256Hash"]) == digest.encode()


def test_a_chunk_sent_again_is_not_doubled(api: httpx2.Client) -> None:
    url = start_upload(api, 4, "text/plain").headers["x-goog-upload-url"]
    for _ in range(2):
        send(api, url, b"ab", 0, command="upload")
    assert send(api, url, b"cd", 2).json()["file"]["sizeBytes"] == "4"


@pytest.mark.parametrize("data", [b"abc", b"abcde"])
def test_a_file_of_another_size_than_announced_is_refused(api: httpx2.Client, data: bytes) -> None:
    url = start_upload(api, 4, "text/plain").headers["x-goog-upload-url"]
    reply = send(api, url, data)
    assert (reply.status_code, reply.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_mime_type_that_is_none_is_refused_as_recorded(api: httpx2.Client) -> None:
    url = start_upload(api, 1, "jsonl").headers["x-goog-upload-url"]
    reply = send(api, url, b"x")
    assert reply.status_code == 400
    assert reply.headers["x-goog-upload-status"] == "final"
    assert reply.json() == {
        "error": {
            "code": 400,
            "message": "Unsupported MIME type: jsonl",
            "status": "INVALID_ARGUMENT",
        }
    }


def test_a_name_can_be_chosen_and_only_once(api: httpx2.Client) -> None:
    assert upload(api, b"x", name="files/my-batch-1")["name"] == "files/my-batch-1"
    taken = start_upload(api, 1, "text/plain", name="files/my-batch-1")
    assert (taken.status_code, taken.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert start_upload(api, 1, "text/plain", name="files/No Name").status_code == 400
    assert api.delete("/v1beta/files/my-batch-1").json() == {}
    assert upload(api, b"x", name="files/my-batch-1")["sizeBytes"] == "1"


def test_a_deleted_file_is_refused_as_recorded(api: httpx2.Client) -> None:
    name = upload(api, b"x")["name"]
    api.delete(f"/v1beta/{name}")
    gone = api.get(f"/v1beta/{name}")
    file_id = name.removeprefix("files/")
    assert gone.status_code == 403
    assert gone.json() == {
        "error": {
            "code": 403,
            "status": "PERMISSION_DENIED",
            "message": f"You do not have permission to access the File {file_id} "
            "or it may not exist.",
        }
    }


def test_an_uploaded_file_cannot_be_downloaded(api: httpx2.Client) -> None:
    name = upload(api, b"x")["name"]
    assert api.get(f"/v1beta/{name}:download?alt=media").status_code == 400


def test_files_are_listed_newest_first_in_pages(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        assert api.get("/v1beta/files").json() == {}
        names = [upload(api, b"x")["name"] for _ in range(5)]
        listed, token = [], ""
        while True:
            page = api.get("/v1beta/files", params={"pageSize": 2, "pageToken": token}).json()
            listed += [file["name"] for file in page["files"]]
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert listed == names[::-1]


def test_a_file_is_gone_after_48_hours(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--still") as emulator, client(emulator) as api:
        name = upload(api, b"x")["name"]
        emulator.advance(48 * 3600 - 1)
        assert api.get(f"/v1beta/{name}").status_code == 200
        emulator.advance(1)
        assert api.get(f"/v1beta/{name}").status_code == 403
        assert create(api, name).status_code == 403
        emulator.restart()
        assert api.get("/v1beta/files").json() == {}


def test_a_file_in_processing_cannot_be_used(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--processing-seconds", "60") as emulator,
        client(emulator) as api,
    ):
        file = upload(api, b"x")
        assert file["state"] == "PROCESSING"
        refused = create(api, file["name"])
        assert (refused.status_code, refused.json()["error"]["status"]) == (
            400,
            "FAILED_PRECONDITION",
        )
        emulator.advance(60)
        assert api.get(f"/v1beta/{file['name']}").json()["state"] == "ACTIVE"


def test_an_upload_survives_a_kill(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        url = start_upload(api, 4, "text/plain").headers["x-goog-upload-url"]
        send(api, url, b"ab", command="upload")
        emulator.kill()
        emulator.restart()
        file = send(api, url, b"cd", 2).json()["file"]
        emulator.kill()
        emulator.restart()
        assert api.get(f"/v1beta/{file['name']}").json() == file


def test_a_call_without_a_key_is_refused(emulator: Emulator) -> None:
    reply = httpx2.get(f"{emulator.url}/v1beta/files", trust_env=False)
    assert (reply.status_code, reply.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert "unregistered callers" in reply.json()["error"]["message"]
    in_query = httpx2.get(f"{emulator.url}/v1beta/files?key=k", trust_env=False)
    assert in_query.status_code == 200


def test_a_wrong_key_is_refused(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--key", "right") as emulator:
        url = f"{emulator.url}/v1beta/files"
        wrong = httpx2.get(url, headers={"x-goog-api-key": "no"}, trust_env=False)
        assert wrong.status_code == 400
        error = wrong.json()["error"]
        assert error["message"] == "API key not valid. Please pass a valid API key."
        assert error["details"][0]["reason"] == "API_KEY_INVALID"
        right = httpx2.get(url, headers={"x-goog-api-key": "right"}, trust_env=False)
        assert right.json() == {}


def test_two_emulators_do_not_share_their_state(tmp_path: Path) -> None:
    with running_emulator(tmp_path), pytest.raises(RuntimeError), running_emulator(tmp_path):
        pass


def test_a_start_that_cannot_be_is_one_line(tmp_path: Path, emulator: Emulator) -> None:
    (tmp_path / "file").touch()
    wrong: list[list[str]] = [
        ["--data", str(tmp_path / "a"), "--port", str(emulator.port)],
        ["--data", str(emulator.data), "--port", "0"],
        ["--data", str(tmp_path / "file"), "--port", "0"],
        ["--data", str(tmp_path / "a"), "--port", "0", "--fault", "no_such_fault"],
        ["--data", str(tmp_path / "a"), "--port", "0", "--fault", "get_503=often"],
    ]
    for options in wrong:
        command = [sys.executable, "-m", "emulator", "--reader", "quick", *options]
        done = subprocess.run(command, capture_output=True, text=True, env=environment())
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("Error: ")


def test_an_end_is_prompt_though_a_client_waits(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--fault", "create_timeout_after") as emulator,
        client(emulator) as api,
    ):
        line = b'{"request": {"contents": [{"parts": [{"text": "x"}]}]}}\n'
        name = upload(api, line)["name"]

        def wait_in_vain() -> None:
            with pytest.raises(httpx2.TransportError):
                create(api, name)

        waiting = threading.Thread(target=wait_in_vain)
        waiting.start()
        wait_for(lambda: emulator.ledger()["batches"])  # created, and not yet answered
        assert emulator.stop() == 0  # in a tenth of the ten minutes that the answer would take
        waiting.join()
