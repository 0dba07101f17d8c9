"""The first ten pages of a request as it is now: more go out only when half of them completed.

A new model, prompt, schema or setting may fail for every page, which is billed all the same. What
counts is in the folders' journals; a request that is proven has a row in the table `trials`.
"""

from sqlite_utils import Database

from flowsheets.batch.folder import batch_folders, load_journal
from flowsheets.batch.plan import Trial
from flowsheets.errors import Problem
from flowsheets.jobs import database, folders, states
from flowsheets.page.request import identity
from flowsheets.settings import Settings


def digest(settings: Settings) -> str:
    """What is asked, apart from the page, as a folder's journal has it as well."""
    return identity(settings)["request"]


def standing(db: Database, settings: Settings) -> Trial:
    """What came of the pages that were asked so; once they passed, that is noted."""
    request = digest(settings)
    if folders.proven(db, request):
        return Trial(0, 0, 0, True)
    found = _in_folders(settings, request)
    if found.passed:
        _note(db, request, f"{found.completed} pages completed, {found.failed} failed")
    return found


def pass_anyway(db: Database, settings: Settings) -> None:
    """A person has looked at the pages, and wants more of them."""
    _note(db, digest(settings), "SURE=1")


def _in_folders(settings: Settings, request: str) -> Trial:
    completed = failed = out = 0
    for folder in batch_folders(settings.data_root):
        try:
            events = load_journal(folder)
        except Problem:  # is reported by the command that works on it
            continue
        built = next((event for event in events if event["event"] == "built"), {})
        if built.get("request") != request:
            continue
        closing = [e for e in events if e["event"] in ("settled", "refused", "given_back")]
        reopened = events[-1]["event"] == "reopened"
        if not closing or reopened:
            out += int(built.get("pages", 0))
        elif closing[-1]["event"] == "settled":
            completed += _count(closing[-1].get("completed"))
            failed += _count(closing[-1].get("failed"))
    return Trial(completed, failed, out, False)


def _count(said: object) -> int:
    return said if isinstance(said, int) else 0


def _note(db: Database, request: str, proven_by: str) -> None:
    with database.transaction(db):
        folders.prove(db, request, proven_by, states.now())
