"""Buckets and their objects, on disk: generations, preconditions and checksums as at Google."""

import base64
import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
from starlette.datastructures import QueryParams

from emulator.clock import Clock
from emulator.durable import write_whole
from emulator.refusals import condition_not_met, no_bucket, no_object, storage_invalid

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
LONGEST_NAME = 1024  # bytes of UTF-8 (documented)
BLOCK = 1024 * 1024
_UNFIT = re.compile("[\r\n\ud800-\udfff]")  # in an object's name

Record = dict[str, Any]


@dataclass(frozen=True)
class Conditions:
    """What must hold of the object that is there (None: no object) before a call is carried out."""

    generation: int | None = None  # 0: there must be none
    not_generation: int | None = None

    @classmethod
    def of(cls, query: QueryParams) -> "Conditions":
        """From the query. Raises StorageError 400 where a number is none."""
        return cls(
            _number(query, "ifGenerationMatch"),
            _number(query, "ifGenerationNotMatch"),
        )

    def check(self, record: Record | None) -> None:
        """Raises StorageError 412."""
        there = record["generation"] if record else 0
        if self.generation not in (None, there) or self.not_generation == there:
            raise condition_not_met()


class Buckets:
    """A folder each: bucket.json, and of an object GENERATION.bin, and GENERATION.json after it.

    Record: bucket, name, generation, size, contentType, metadata, crc32c, md5Hash (base64),
    timeCreated (ns).
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.lock = threading.Lock()
        self.last_generation = 0
        self.buckets: dict[str, Record] = {}
        self.objects: dict[tuple[str, str], Record] = {}  # (bucket, name) -> record
        self.late: dict[str, int] = {}  # prefix of names -> listings that do not show them yet
        folder.mkdir(exist_ok=True)
        for part in folder.glob("*.part"):
            part.unlink()
        for path in folder.glob("*/bucket.json"):
            self.buckets[path.parent.name] = json.loads(path.read_text())
            self._load(path.parent)

    def _load(self, folder: Path) -> None:
        """The objects of a bucket; what a kill left of an older or unfinished one is removed."""
        for path in sorted(folder.glob("[0-9]*.json"), key=lambda path: int(path.stem)):
            record = json.loads(path.read_text())
            self.last_generation = max(self.last_generation, record["generation"])
            older = self.objects.get((record["bucket"], record["name"]))
            self.objects[record["bucket"], record["name"]] = record
            if older:
                self._remove(older)
        for content in folder.glob("*.bin"):
            if not content.with_suffix(".json").exists():
                content.unlink()

    def make(self, name: str, **fields: Any) -> Record:
        """Makes a bucket; one that is already there stays as it is."""
        if not BUCKET_NAME.fullmatch(name):
            raise storage_invalid(f"Invalid bucket name: '{name}'")
        with self.lock:
            if name not in self.buckets:
                (self.folder / name).mkdir(exist_ok=True)
                record = {"name": name, "timeCreated": self.clock.now()} | fields
                write_whole(self.folder / name / "bucket.json", record)
                self.buckets[name] = record
            return self.buckets[name]

    def is_there(self, bucket: str) -> bool:
        return bucket in self.buckets

    def bucket(self, name: str) -> Record:
        """Raises StorageError 404."""
        if name not in self.buckets:
            raise no_bucket()
        return self.buckets[name]

    def find(self, bucket: str, name: str, generation: int | None = None) -> Record:
        """Raises StorageError 404, also for a generation that has been replaced."""
        self.bucket(bucket)
        record = self.objects.get((bucket, name))
        if not record or generation not in (None, record["generation"]):
            raise no_object(bucket, name)
        return record

    def check(self, bucket: str, name: str, conditions: Conditions) -> None:
        """Whether an object could be written. Raises StorageError 404 or 412."""
        self.bucket(bucket)
        conditions.check(self.objects.get((bucket, name)))

    def add(
        self, bucket: str, name: str, content: Path, conditions: Conditions, **fields: Any
    ) -> Record:
        """Moves `content` in under this name, where the conditions hold; returns its record.

        `fields` are contentType, metadata, and the checksums that the client expects. Of several
        at once under `ifGenerationMatch=0` one gets in. Raises StorageError 400, 404 or 412.
        """
        if not 0 < len(name.encode(errors="replace")) <= LONGEST_NAME or _UNFIT.search(name):
            raise storage_invalid(f"Invalid object name: '{name[:80]}'")
        sums = checksums(content)
        for kind, expected in sums.items():
            given = fields.get(kind) or expected
            if given != expected:
                label = {"crc32c": "CRC32C", "md5Hash": "MD5 hash"}[kind]
                raise storage_invalid(  # (reported)
                    f'Provided {label} "{given}" doesn\'t match calculated {label} "{expected}".'
                )
        with self.lock:
            self.check(bucket, name, conditions)
            now = self.clock.now()
            self.last_generation = max(now // 1000, self.last_generation + 1)
            record = {
                "bucket": bucket,
                "name": name,
                "generation": self.last_generation,
                "size": content.stat().st_size,
                "timeCreated": now,
                **fields,
                **sums,
            }
            os.replace(content, self.content(record))
            write_whole(self.content(record).with_suffix(".json"), record)
            older = self.objects.get((bucket, name))
            self.objects[bucket, name] = record
            if older:
                self._remove(older)
            return record

    def write(self, bucket: str, name: str, content: bytes, content_type: str) -> Record:
        """An object of the emulator's own, over what was there."""
        part = self.folder / f"own-{threading.get_ident()}.part"
        part.write_bytes(content)
        return self.add(bucket, name, part, Conditions(), contentType=content_type)

    def delete(self, record: Record, conditions: Conditions) -> None:
        """Raises StorageError 404 or 412."""
        with self.lock:
            place = record["bucket"], record["name"]
            there = self.objects.get(place)
            if not there:
                raise no_object(*place)
            conditions.check(there)
            del self.objects[place]
            self._remove(there)

    def names(self, bucket: str) -> list[str]:
        """Every object's name, in order. Raises StorageError 404."""
        self.bucket(bucket)
        with self.lock:
            mine = [name for owner, name in self.objects if owner == bucket]
        return sorted(mine, key=str.encode)

    def listed(self, bucket: str, prefix: str) -> list[str]:
        """The names under a prefix, but for those that a fault keeps back. Raises StorageError."""
        found = [name for name in self.names(bucket) if name.startswith(prefix)]
        for late, left in list(self.late.items()):
            shown = [name for name in found if not name.startswith(late)]
            if left and len(shown) < len(found):
                self.late[late] = left - 1
                found = shown
        return found

    def content(self, record: Record) -> Path:
        return self.folder / str(record["bucket"]) / f"{record['generation']}.bin"

    def read(self, uri: str) -> bytes:
        """The bytes of gs://BUCKET/NAME. Raises StorageError 404."""
        return self.content(self.find(*place_of(uri))).read_bytes()

    def _remove(self, record: Record) -> None:
        content = self.content(record)
        content.with_suffix(".json").unlink(missing_ok=True)
        content.unlink(missing_ok=True)


def place_of(uri: str) -> tuple[str, str]:
    """(bucket, name or prefix) of a gs:// URI. Raises StorageError 404 where it is none."""
    found = re.fullmatch(r"gs://([^/]+)/?(.*)", uri, re.DOTALL)
    if not found:
        raise no_object("", uri)
    return found[1], found[2]


def checksums(content: Path) -> dict[str, str]:
    """{"crc32c": ..., "md5Hash": ...}, base64 as Google writes them."""
    md5 = hashlib.md5(usedforsecurity=False)
    crc32c = 0
    with content.open("rb") as file:
        while block := file.read(BLOCK):
            md5.update(block)
            crc32c = google_crc32c.extend(crc32c, block)
    digests = {"crc32c": crc32c.to_bytes(4, "big"), "md5Hash": md5.digest()}
    return {kind: base64.b64encode(digest).decode() for kind, digest in digests.items()}


def _number(query: QueryParams, name: str) -> int | None:
    value = query.get(name)
    if value is not None and not value.isdigit():
        raise storage_invalid(f"Invalid value for {name}: {value}")
    return None if value is None else int(value)
