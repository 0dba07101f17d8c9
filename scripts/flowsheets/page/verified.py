"""A page that a person verified: its two files, whether it is complete, and who did it when.

The existing verifier saves `verifier/<PDF's name>-page<NN>.verified.json` under the data root, in
the result's shape, with `verified_by` where the reviewer was logged in. `….corrections.json` beside
it says in `status` whether that is a draft or complete.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from flowsheets import display, files, paths
from flowsheets.page import corrections as edited
from flowsheets.page import shapes
from flowsheets.page.schema import POSITIONS
from flowsheets.page.shapes import KeptPage
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
    return saved.with_name(saved.name.removesuffix(_SAVED) + _CORRECTIONS)


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
        said = fields.get(name)
        if not isinstance(said, (str, int)) or isinstance(said, bool):
            continue  # true, or a list, names nobody
        if shown := display.shortened(str(said or ""), NAME_LETTERS):
            return shown
    return None


def when(block: object) -> datetime | None:
    """When the page was verified, by its `verified_by` block."""
    return shapes.moment(block.get("verified_at")) if isinstance(block, dict) else None


class Save(NamedTuple):
    """A page as a person leaves it, to be written."""

    page: KeptPage
    checked: tuple[str, ...]  # blocks that the person marked as checked
    status: str
    reviewer: str
    at: datetime


def write(
    saved: Path, id: PageId, save: Save, base: dict[str, Any], model: KeptPage | None
) -> None:
    """The page's two files, whole or not at all; nothing of another program in them is lost.

    `base` is the file that the text is from, `model` what the model read. After a kill between the
    two, the page counts as less checked than it is, never as more.

    Raises `Problem` where the disk is full or the folder cannot be written.
    """
    beside = corrections(saved)
    before = _object(beside) if saved.exists() else {}
    text = (saved, _text(save, base))
    about = (beside, _about(id, save, before, model))
    lowered = not saved.exists() or (save.status == DRAFT != before.get("status"))
    files.write_all([about, text] if lowered else [text, about])


def checked(saved: Path) -> tuple[str, ...]:
    """The blocks that a person marked as checked, as the file beside a saved page has them."""
    marked = _object(corrections(saved)).get("checked")
    return tuple(p for p in POSITIONS if p in marked) if isinstance(marked, list) else ()


def owner(saved: Path) -> PageId | None:
    """The page that a saved file says it is of; None for another program's, which says nothing."""
    about = _object(corrections(saved))
    pdf_path, number = about.get("pdf_path"), about.get("page_number")
    if isinstance(pdf_path, str) and isinstance(number, int):
        return PageId(pdf_path, number)
    return None


def _text(save: Save, base: dict[str, Any]) -> bytes:
    """The saved page: the result's shape and order, `verified_by` filled, other keys kept."""
    page = save.page.model_dump(mode="json", exclude={"model_version", "extracted_at"})
    page["quadrants"] = [
        quadrant | {"entries": sorted(quadrant["entries"], key=lambda entry: entry["row_index"])}
        for quadrant in page["quadrants"]
    ]
    read = {name: base.get(name) for name in ("model_version", "extracted_at")}
    block = {
        "user_id": None,
        "username": save.reviewer,
        "real_name": save.reviewer,
        "dj_name": None,
        "verified_at": save.at.astimezone(UTC).isoformat(),
    }
    others = {name: value for name, value in base.items() if name not in page | read}
    whole = page | read | others
    whole.pop("verified_by")
    return orjson.dumps(whole | {"verified_by": block}, option=orjson.OPT_INDENT_2)


def _about(id: PageId, save: Save, before: dict[str, Any], model: KeptPage | None) -> bytes:
    """The file beside it; edits of another program stay before ours."""
    listed = before.get("edits") or []
    others = [
        edit
        for edit in (listed if isinstance(listed, list) else [listed])
        if not (isinstance(edit, dict) and "field" in edit and "from" in edit)
    ]
    content = before | {
        "status": save.status,
        "checked": list(save.checked),
        "pdf_path": id.pdf_path,
        "page_number": id.page_number,
        "edits": [*others, *(edited.edits(model, save.page) if model else [])],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is none."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
