"""The bucket of the Vertex door: Cloud Storage's JSON API, by bare HTTP and by Google's library."""

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import google_crc32c
import httpx2
import pytest

from emulator_process import Emulator, running_emulator
from emulator_vertex import BUCKET, PROJECT, bearer, client, credentials, names, put, read

OBJECTS = f"/storage/v1/b/{BUCKET}/o"
UPLOADS = f"/upload{OBJECTS}"
CHUNK = 256 * 1024


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("bucket")) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    for name in running.faults():
        running.faults(**{name: None})


@pytest.fixture(scope="module")
def api(running: Emulator) -> Iterator[httpx2.Client]:
    with client(running) as api:
        yield api


def multipart(
    api: httpx2.Client, metadata: dict[str, Any], content: bytes, **query: Any
) -> httpx2.Response:
    body = (
        b"--==mark==\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
        + json.dumps(metadata).encode()
        + b"\r\n--==mark==\r\ncontent-type: text/plain\r\n\r\n"
        + content
        + b"\r\n--==mark==--"
    )
    headers = {"content-type": 'multipart/related; boundary="==mark=="'}
    params = {"uploadType": "multipart", **query}
    return api.post(UPLOADS, params=params, content=body, headers=headers)


def open_session(api: httpx2.Client, name: str, **query: Any) -> httpx2.Response:
    params = {"uploadType": "resumable", **query}
    headers = {"x-upload-content-type": "application/jsonl"}
    return api.post(UPLOADS, params=params, json={"name": name}, headers=headers)


def send(api: httpx2.Client, url: str, content: bytes, range_: str) -> httpx2.Response:
    return api.put(url, content=content, headers={"content-range": f"bytes {range_}"})


def sums(content: bytes) -> dict[str, str]:
    crc32c = google_crc32c.value(content).to_bytes(4, "big")
    md5 = hashlib.md5(content).digest()
    return {
        "crc32c": base64.b64encode(crc32c).decode(),
        "md5Hash": base64.b64encode(md5).decode(),
    }


# Uploads


def test_an_upload_in_one_request(api: httpx2.Client) -> None:
    content = b"\r\n--==mark\r\n\0\xff" * 3
    stored = multipart(api, {"name": "a folder/über ?#%2F.txt", "metadata": {"a": "b"}}, content)
    shown = stored.json()
    assert shown["name"] == "a folder/über ?#%2F.txt"
    assert shown["size"] == str(len(content))
    assert shown["contentType"] == "text/plain"
    assert shown["metadata"] == {"a": "b"}
    assert shown.items() >= sums(content).items()
    assert read(api, shown["name"]).content == content
    place = f"{OBJECTS}/a%20folder%2F%C3%BCber%20%3F%23%252F.txt"
    assert api.get(place).json() == shown


def test_a_checksum_that_does_not_agree_is_refused(api: httpx2.Client) -> None:
    for wrong in ({"crc32c": "AAAAAA=="}, {"md5Hash": sums(b"other")["md5Hash"]}):
        assert multipart(api, {"name": "sums/x"} | wrong, b"content").status_code == 400
    assert names(api, "sums/") == []
    assert multipart(api, {"name": "sums/x"} | sums(b"content"), b"content").status_code == 200


def test_a_new_generation_takes_the_place_of_the_old_one(api: httpx2.Client) -> None:
    first = put(api, "g/x", b"one").json()
    second = put(api, "g/x", b"two!").json()
    assert int(second["generation"]) > int(first["generation"])
    assert read(api, "g/x").content == b"two!"
    old = api.get(f"{OBJECTS}/g%2Fx", params={"generation": first["generation"]})
    assert old.status_code == 404
    assert names(api, "g/") == ["g/x"]


def test_if_generation_match(api: httpx2.Client) -> None:
    first = put(api, "m/x", b"one", ifGenerationMatch=0)
    assert first.status_code == 200
    refused = put(api, "m/x", b"two", ifGenerationMatch=0)
    assert refused.status_code == 412
    assert refused.json()["error"]["errors"][0]["reason"] == "conditionNotMet"
    assert open_session(api, "m/x", ifGenerationMatch=0).status_code == 412
    there = first.json()["generation"]
    assert put(api, "m/x", b"two", ifGenerationMatch=int(there) + 1).status_code == 412
    assert put(api, "m/x", b"two", ifGenerationMatch=there).status_code == 200
    assert api.delete(f"{OBJECTS}/m%2Fx", params={"ifGenerationMatch": there}).status_code == 412
    assert read(api, "m/x").content == b"two"


def test_of_eight_at_once_one_wins(emulator: Emulator) -> None:
    token = bearer(emulator)
    codes: list[int] = []

    def race(number: int) -> None:
        with client(emulator, token) as own:
            codes.append(put(own, "race/x", f"{number}", ifGenerationMatch=0).status_code)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] + [412] * 7


def test_a_resumable_upload_in_chunks(api: httpx2.Client) -> None:
    content = os.urandom(2 * CHUNK + 17)
    total = len(content)
    session = open_session(api, "r/x", ifGenerationMatch=0)
    url = session.headers["location"]
    assert send(api, url, b"", f"*/{total}").status_code == 308
    first = send(api, url, content[:CHUNK], f"0-{CHUNK - 1}/{total}")
    assert (first.status_code, first.headers["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    asked = send(api, url, b"", f"*/{total}")
    assert (asked.status_code, asked.headers["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    ahead = send(api, url, content[2 * CHUNK :], f"{2 * CHUNK}-{total - 1}/{total}")
    assert (ahead.status_code, ahead.headers["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    assert send(api, url, content[CHUNK:-20], f"{CHUNK}-{total - 21}/{total}").status_code == 400
    assert names(api, "r/") == []
    last = send(api, url, content[CHUNK:], f"{CHUNK}-{total - 1}/{total}")
    assert last.json().items() >= {"name": "r/x", "contentType": "application/jsonl"}.items()
    assert read(api, "r/x").content == content
    again = send(api, url, content[CHUNK:], f"{CHUNK}-{total - 1}/{total}")
    assert (again.status_code, again.json()) == (200, last.json())
    assert send(api, url, b"", f"*/{total}").json() == last.json()


def test_a_resumable_upload_without_its_length_and_one_without_ranges(api: httpx2.Client) -> None:
    url = open_session(api, "r/open").headers["location"]
    assert send(api, url, b"x" * CHUNK, f"0-{CHUNK - 1}/*").status_code == 308
    assert send(api, url, b"", f"*/{CHUNK}").status_code == 200
    assert len(read(api, "r/open").content) == CHUNK
    url = open_session(api, "r/whole").headers["location"]
    assert api.put(url, content=b"all of it").status_code == 200
    assert read(api, "r/whole").content == b"all of it"
    url = open_session(api, "r/empty").headers["location"]
    assert send(api, url, b"", "*/0").status_code == 200
    assert read(api, "r/empty").content == b""
    url = open_session(api, "r/gone").headers["location"]
    assert api.delete(url).status_code == 499
    assert send(api, url, b"x", "0-0/1").status_code == 404


def test_of_two_sessions_for_one_name_the_second_is_refused_at_its_end(api: httpx2.Client) -> None:
    urls = [open_session(api, "r/two", ifGenerationMatch=0).headers["location"] for _ in "ab"]
    assert [send(api, url, b"x", "0-0/1").status_code for url in urls] == [200, 412]


# Listing


def test_a_listing_by_prefix_pages_and_delimiter(api: httpx2.Client) -> None:
    made = ["l/a", "l/b/1", "l/b/2", "l/c", "l/é", "l2"]
    for name in made:
        put(api, name, b"x")
    assert names(api, "l/") == made[:5]
    shown = api.get(OBJECTS, params={"prefix": "l/", "maxResults": 2}).json()
    seen = []
    while True:
        seen += [item["name"] for item in shown["items"]]
        if "nextPageToken" not in shown:
            break
        query = {"prefix": "l/", "maxResults": 2, "pageToken": shown["nextPageToken"]}
        shown = api.get(OBJECTS, params=query).json()
    assert seen == made[:5]
    folded = api.get(OBJECTS, params={"prefix": "l/", "delimiter": "/"}).json()
    assert folded["prefixes"] == ["l/b/"]
    assert [item["name"] for item in folded["items"]] == ["l/a", "l/c", "l/é"]
    assert api.get(OBJECTS, params={"prefix": "none/"}).json() == {"kind": "storage#objects"}
    assert api.get(OBJECTS, params={"pageToken": "zz"}).status_code == 400


# Download, delete, bucket


def test_a_download_has_range_generation_and_checksums(api: httpx2.Client) -> None:
    content = b"0123456789"
    stored = put(api, "d/x", content).json()
    whole = read(api, "d/x")
    assert whole.content == content
    assert whole.headers["x-goog-generation"] == stored["generation"]
    assert whole.headers["x-goog-hash"] == (
        f"crc32c={sums(content)['crc32c']},md5={sums(content)['md5Hash']}"
    )
    for range_, part in (("bytes=3-", b"3456789"), ("bytes=2-4", b"234"), ("bytes=-2", b"89")):
        reply = read(api, "d/x", range=range_)
        assert (reply.status_code, reply.content) == (206, part)
        assert reply.headers["x-goog-hash"] == whole.headers["x-goog-hash"]
        assert reply.headers["content-range"].endswith("/10")
    assert read(api, "d/x", range="bytes=10-").status_code == 416


def test_delete(api: httpx2.Client) -> None:
    put(api, "del/x", b"x")
    place = f"{OBJECTS}/del%2Fx"
    assert api.delete(place).status_code == 204
    for gone in (api.delete(place), api.get(place), read(api, "del/x")):
        assert gone.status_code == 404
        assert gone.json()["error"]["message"] == f"No such object: {BUCKET}/del/x"


def test_buckets(api: httpx2.Client) -> None:
    shown = api.get(f"/storage/v1/b/{BUCKET}").json()
    assert shown["softDeletePolicy"] == {"retentionDurationSeconds": "604800"}
    assert shown["projectNumber"] == "123456789012"
    missing = api.get("/storage/v1/b/no-such-bucket")
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "The specified bucket does not exist."
    for path in ("/storage/v1/b/no-such-bucket/o", "/storage/v1/b/no-such-bucket/o/x"):
        assert api.get(path).status_code == 404
    assert api.post("/upload/storage/v1/b/no-such-bucket/o?name=x").status_code == 404
    new = {"name": "another", "softDeletePolicy": {"retentionDurationSeconds": "0"}}
    made = api.post("/storage/v1/b", params={"project": PROJECT}, json=new).json()
    assert api.get("/storage/v1/b/another").json() == made
    assert made["softDeletePolicy"] == new["softDeletePolicy"]
    assert api.post("/storage/v1/b", json={"name": "../up"}).status_code == 400
    asked = ["storage.objects.create", "storage.objects.list"]
    place = f"/storage/v1/b/{BUCKET}/iam/testPermissions"
    assert api.get(place, params={"permissions": asked}).json()["permissions"] == asked


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 1025])
def test_a_name_that_no_object_can_have_is_refused(api: httpx2.Client, name: str) -> None:
    assert multipart(api, {"name": name}, b"x").status_code == 400


def test_kill_9_keeps_objects_sessions_and_preconditions(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        put(api, "k/x", b"old")
        put(api, "k/gone", b"x")
        api.delete(f"{OBJECTS}/k%2Fgone")
        kept = put(api, "k/x", b"new").json()
        almost = open_session(api, "k/almost").headers["location"]
        session = next((emulator.data / "bucket-uploads").glob("*.json"))
        before = session.read_text()
        stored = send(api, almost, b"x", "0-0/1").json()
        url = open_session(api, "k/session").headers["location"]
        send(api, url, b"a" * CHUNK, f"0-{CHUNK - 1}/{CHUNK + 1}")
        emulator.kill()
        session.write_text(before)  # the kill came between storing it and saying so
        (session.parent / "junk.part").write_bytes(b"x")
        emulator.start()
        assert api.get(f"{OBJECTS}/k%2Fx").json() == kept
        assert names(api) == ["k/almost", "k/x"]
        assert read(api, "k/x").content == b"new"
        assert put(api, "k/x", b"", ifGenerationMatch=0).status_code == 412
        assert send(api, url, b"b", f"{CHUNK}-{CHUNK}/{CHUNK + 1}").status_code == 200
        assert read(api, "k/session").content == b"a" * CHUNK + b"b"
        assert send(api, almost, b"x", "0-0/1").json() == stored
        assert not list(session.parent.glob("*.part"))


# Faults, as bare HTTP sees them


def test_an_upload_cut_after_it_was_stored_answers_412_on_the_second_try(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(object_cut_after=1)
    with pytest.raises(httpx2.TransportError):
        put(api, "cut/x", b"x", ifGenerationMatch=0)
    assert put(api, "cut/x", b"x", ifGenerationMatch=0).status_code == 412
    assert read(api, "cut/x").content == b"x"


def test_uploads_that_are_thrown_away(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(object_cut_before=1, object_503=None)
    with pytest.raises(httpx2.TransportError):
        put(api, "lost/x", b"x")
    emulator.faults(object_503=1)
    assert put(api, "lost/x", b"x").status_code == 503
    assert names(api, "lost/") == []
    url = open_session(api, "lost/x").headers["location"]
    emulator.faults(object_503=1, object_cut_before=1)
    assert send(api, url, b"x", "0-0/1").status_code == 503
    with pytest.raises(httpx2.TransportError):
        send(api, url, b"x", "0-0/1")
    assert send(api, url, b"x", "0-0/1").status_code == 200


def test_refusals_of_the_bucket(api: httpx2.Client, emulator: Emulator) -> None:
    put(api, "f/x", b"x")
    for fault, code in (("bucket_403", 403), ("bucket_503", 503), ("bearer_401", 401)):
        emulator.faults(**{fault: 3})
        assert api.get(OBJECTS).status_code == code
        assert read(api, "f/x").status_code == code
        assert api.delete(f"{OBJECTS}/f%2Fx").status_code == code
        assert api.get(OBJECTS).status_code == 200
    emulator.faults(bucket_403=1)
    assert put(api, "f/x", b"x").status_code == 403
    for fault, code in (("download_404", 404), ("download_403", 403)):
        emulator.faults(**{fault: 1})
        assert read(api, "f/x").status_code == code
        assert api.get(f"{OBJECTS}/f%2Fx").status_code == 200


# Google's own library


@pytest.fixture
def bucket(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    storage = import_module("google.cloud.storage")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    return storage.Client(project=PROJECT, credentials=credentials(emulator)).bucket(BUCKET)


def test_the_library_uploads_lists_downloads_and_deletes(bucket: Any, tmp_path: Path) -> None:
    assert bucket.exists()
    assert not bucket.client.bucket("no-such-bucket").exists()
    small, large = b"small", os.urandom(9_000_000)
    bucket.blob("lib/s").upload_from_string(small, if_generation_match=0)
    path = tmp_path / "large"
    path.write_bytes(large)
    bucket.blob("lib/l", chunk_size=4 * 1024 * 1024).upload_from_filename(
        path, content_type="application/jsonl", if_generation_match=0
    )
    found = list(bucket.list_blobs(prefix="lib/", page_size=1))
    assert [(blob.name, blob.size) for blob in found] == [("lib/l", 9_000_000), ("lib/s", 5)]
    assert found[0].crc32c == sums(large)["crc32c"]
    assert found[0].content_type == "application/jsonl"
    back = tmp_path / "back"
    bucket.blob("lib/l").download_to_filename(back)
    assert back.read_bytes() == large
    assert bucket.blob("lib/l").download_as_bytes(start=10, end=19) == large[10:20]
    refused = import_module("google.api_core.exceptions")
    with pytest.raises(refused.PreconditionFailed):
        bucket.blob("lib/s").upload_from_string(small, if_generation_match=0)
    bucket.blob("lib/l").delete()
    with pytest.raises(refused.NotFound):
        bucket.blob("lib/l").delete()
    with pytest.raises(refused.NotFound):
        bucket.blob("lib/l").download_as_bytes()


def test_the_library_meets_cuts_and_flipped_bytes(bucket: Any, emulator: Emulator) -> None:
    refused = import_module("google.api_core.exceptions")
    broken = import_module("google.cloud.storage.exceptions")
    emulator.faults(object_cut_after=1)
    with pytest.raises(refused.PreconditionFailed):
        bucket.blob("cuts/x").upload_from_string(b"stored", if_generation_match=0)
    assert bucket.blob("cuts/x").download_as_bytes() == b"stored"
    large = os.urandom(9_000_000)
    emulator.faults(object_cut_after=1)
    bucket.blob("cuts/l").upload_from_string(large, if_generation_match=0)
    emulator.faults(download_cut=1)
    assert bucket.blob("cuts/l").download_as_bytes() == large
    emulator.faults(download_byte=1)
    with pytest.raises(broken.DataCorruption):
        bucket.blob("cuts/l").download_as_bytes()
