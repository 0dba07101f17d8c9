"""What a batch on Vertex AI puts into its bucket: the images, and the requests that name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from flowsheets import files
from flowsheets.errors import Problem
from flowsheets.gemini.bucket import Bucket, Listing, New
from flowsheets.gemini.problem import ApiProblem
from flowsheets.gemini.rows import (
    KeyReader,
    Mismatch,
    Request,
    held_image,
    image_of,
    key_of,
    parts_of,
)

REQUESTS = "requests.jsonl"
KINDS = ("image/png", "image/webp")  # of images
IN_MEMORY = 32  # images that are read and sent together

Rows = list[tuple[int, Any]]  # (line from 0, {"key", "request"})


def put(place: Bucket, root: str, requests: Path, sent: Sequence[Request]) -> str:
    """Put the images and the requests below `root`; returns the requests' `gs://…`.

    What was put there is uploaded.jsonl, beside requests.jsonl, which keeps the images. What is in
    the bucket already stays. Raises `ApiProblem`, and `Problem` for a file here that is damaged.
    """
    from tqdm import tqdm

    folder = f"{root}/images/"
    pages = {one.number: one for one in sent}
    uploaded = requests.with_name("uploaded.jsonl")
    there = _listed(place, folder)
    bar = tqdm(total=len(sent), desc="upload", unit=" images", disable=None, leave=False)
    with bar, files.appearing(uploaded) as file:
        for rows in _some(requests):
            images = _images(rows, pages, requests)
            new = [one._replace(name=folder + one.name) for one in images]
            place.put_all(one for one in new if not there.has(one.name, one.content))
            for (_, row), image in zip(rows, new, strict=True):
                _name_image(row, f"gs://{place.name}/{image.name}")
                file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            bar.update(len(rows))
    with uploaded.open("rb") as content:
        place.put(f"{root}/{REQUESTS}", content, "application/jsonl")
    return f"gs://{place.name}/{root}/{REQUESTS}"


def image_name(one: Request, kind: str = "image/png") -> str:
    """The page's own name, fit for a URI; with its index, as PDFs in two folders may be alike."""
    pdf, _, number = one.page.rpartition("/page-")
    plain = re.sub("[^A-Za-z0-9._]+", "-", pdf.rpartition("/")[2])[:100]
    return f"{one.number:05d}-{plain}-page-{number}.{kind.rpartition('/')[2]}"


def key_reader(display_name: str, sent: Sequence[Request]) -> KeyReader:
    """Of a row: by its key and by its image, which must agree; one of them may be missing."""
    keys = {one.key for one in sent}
    folder = f"/{display_name}/images/"
    of_image = {image_name(one, kind): one.key for one in sent for kind in KINDS}

    def read(row: Any) -> str | None:
        key, uri = key_of(row), image_of(row)
        if uri is None:
            return key
        _, ours, name = uri.rpartition(folder)
        if not ours or name not in of_image:
            raise Mismatch(f"has an image that was not sent: {uri!r:.100}")
        if key in keys and key != of_image[name]:
            raise Mismatch(f"has the key {key} and the image of {of_image[name]}")
        return of_image[name] if key is None else key

    return read


def _listed(place: Bucket, prefix: str) -> Listing:
    """A bucket that is not there refuses the upload for good, as a 400 does."""
    try:
        return place.listed(prefix)
    except ApiProblem as problem:
        if problem.code != 404:
            raise
        what = f"the GCS bucket {place.name} is not there: Cloud Storage {problem.what}"
        raise ApiProblem(
            what, problem.fix, code=400, unclear=False, where=problem.where
        ) from problem


def _some(requests: Path) -> Iterator[Rows]:
    try:
        with requests.open("rb") as file:
            rows = ((number, orjson.loads(raw)) for number, raw in enumerate(file))
            while some := list(islice(rows, IN_MEMORY)):
                yield some
    except (OSError, ValueError) as error:
        raise _damaged(requests, error) from error


def _images(rows: Rows, pages: dict[int, Request], requests: Path) -> list[New]:
    """What each row holds, under its page's name."""
    try:
        held = [(pages[number], held_image(row)) for number, row in rows]
        return [New(image_name(page, one.kind), one.content, one.kind) for page, one in held]
    except (LookupError, ValueError) as error:
        raise _damaged(requests, error) from error


def _name_image(row: Any, uri: str) -> None:
    """Where it is, in place of the image itself; its resolution stays beside it."""
    for part in parts_of(row):
        if "inlineData" in part:
            part["fileData"] = {"fileUri": uri, "mimeType": part.pop("inlineData")["mimeType"]}


def _damaged(requests: Path, error: Exception) -> Problem:
    fix = f"Give its pages back: make batch-rescue ID={requests.parent.name}"
    return Problem(requests, f"cannot be read ({error})", fix)
