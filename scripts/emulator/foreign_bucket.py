"""A bucket at another server of Cloud Storage, for jobs to read from and write to: --bucket-url."""

from urllib.parse import quote

from emulator.buckets import Buckets, place_of
from emulator.refusals import no_object

SECONDS = 60


class ForeignBuckets:
    """What a job does with buckets, at the server of this address; it is sent no token."""

    def __init__(self, url: str) -> None:
        import httpx2  # a tenth of a second, for who asks for it

        self.late: dict[str, int] = {}  # of `Buckets`: not in this one's hands
        self._api = httpx2.Client(base_url=url, timeout=SECONDS, trust_env=False)

    def is_there(self, bucket: str) -> bool:
        return self._api.get(f"/storage/v1/b/{bucket}").is_success

    def read(self, uri: str) -> bytes:
        """The bytes of gs://BUCKET/NAME. Raises StorageError 404."""
        bucket, name = place_of(uri)
        place = f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        reply = self._api.get(place, params={"alt": "media"})
        if not reply.is_success:
            raise no_object(bucket, name)
        return reply.content

    def write(self, bucket: str, name: str, content: bytes, content_type: str) -> None:
        """An object of the emulator's own, over what was there."""
        self._api.post(
            f"/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            headers={"content-type": content_type},
            content=content,
        ).raise_for_status()


JobBuckets = Buckets | ForeignBuckets
