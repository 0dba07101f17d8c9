"""A page that a person verified: its two files, whether it is complete, and who did it when.

The existing verifier saves `verifier/<PDF's name>-page<NN>.verified.json` under the data root, in
the result's shape, with `verified_by` where the reviewer was logged in. `….corrections.json` beside
it says in `status` whether that is a draft or complete.
"""

from datetime import datetime
from pathlib import Path

import orjson

from flowsheets import display, paths
from flowsheets.page import shapes
from flowsheets.paths import PageId

COMPLETE, DRAFT = "complete", "draft"
# The name of a reviewer, from the first of these that is filled.
NAMES = ("real_name", "dj_name", "username", "user_id", "reviewer_id")
NAME_LETTERS = 100  # of a reviewer's name that are shown

_SAVED, _CORRECTIONS = ".verified.json", ".corrections.json"


def folder(data_root: Path) -> Path:
    """The folder of the verifier's files."""
    return data_root / "verifier"


def file_name(page: PageId) -> str:
    """The name of a page's saved file; it has the PDF's name without its folder, so that two PDFs
    of one name share it.
    """
    stem = paths.page_name(page).rsplit("/", 2)[-2]
    return f"{stem}-page{page.page_number:02d}{_SAVED}"


def corrections(saved: Path) -> Path:
    """The file beside a saved page that has its status and its edits."""
    return saved.with_name(saved.name.replace(_SAVED, _CORRECTIONS))


def status(corrections: Path) -> str:
    """Draft where the file beside a saved page says so, or says nothing that can be read."""
    try:
        content = orjson.loads(corrections.read_bytes())
    except FileNotFoundError:
        return COMPLETE  # saved, with nothing to correct
    except (OSError, ValueError):
        return DRAFT
    said = content.get("status") if isinstance(content, dict) else None
    return COMPLETE if said == COMPLETE else DRAFT


def who(block: object) -> str | None:
    """The reviewer's name in a `verified_by` block."""
    fields = block if isinstance(block, dict) else {"username": block}
    for name in NAMES:
        if shown := display.shortened(str(fields.get(name) or ""), NAME_LETTERS):
            return shown
    return None


def when(block: object) -> datetime | None:
    """When the page was verified, by its `verified_by` block."""
    return shapes.moment(block.get("verified_at")) if isinstance(block, dict) else None
