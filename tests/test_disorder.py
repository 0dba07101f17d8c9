"""Any commands in any order, killed or cut off anywhere: no page lost, none paid for twice."""

import hashlib
import itertools
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import in_process
from emulator_process import Emulator
from forked import Done
from station import Station, billed

GRACE = 1  # seconds; long enough for the emulator's listing, which does not lag here

FATES = st.one_of(
    st.none(),
    st.tuples(st.just("kill"), st.integers(1, 40)),
    st.tuples(st.just("cut"), st.integers(1, 8)),
    st.tuples(st.just("full"), st.integers(1, 30)),
)
FAULTS = st.sampled_from(
    (
        "create_503_after",
        "create_503_before",
        "create_cut_after",
        "create_429",
        "create_file_expired",
        "upload_cut",
        "get_503",
        "download_cut",
        "download_byte",
        "lines_shuffled",
        "batch_expired",
        "batch_cancelled_before",
        "batch_cancelled_after",
    )
)
HAPPENS = {"lines_shuffled": True, "batch_expired": True, "batch_cancelled_before": True}
numbers = itertools.count(1)


def test_any_order_loses_no_page_and_pays_for_none_twice(
    emulator: Emulator, tmp_path: Path
) -> None:
    class Machine(Disorder):
        def __init__(self) -> None:
            super().__init__(emulator, tmp_path)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=4,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,  # the same for everybody; more examples are a matter of time
            suppress_health_check=list(HealthCheck),
        ),
    )


class Disorder(RuleBasedStateMachine):
    """A station, its volunteers, and everything that can go wrong."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__()
        self.emulator = emulator
        self.station = Station(Path(tempfile.mkdtemp(dir=folder)), emulator.url)
        self.station.scans.mkdir()
        self.may_be_read_again: Counter[str] = Counter()  # pdf#page -> times
        self.calm()
        self.before = billed(emulator.ledger())

    def calm(self) -> None:
        for name in self.emulator.faults():
            self.emulator.faults(**{name: None})

    def run(self, script: str, *args: str, fate: tuple[str, int] | None = None) -> Done:
        more = {"FATE": fate[0], "STEP": str(fate[1])} if fate else {}
        environment = self.station.environment(
            SUBMIT_GRACE=str(GRACE), MAX_ATTEMPTS="99", BATCH_PAGES="2", **more
        )
        done = in_process.run(f"scripts/{script}", *args, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ids(self) -> list[tuple[str, Path]]:
        """Batches that may be named, with their folders."""
        batches = (self.station.data / "batches").glob("[!.]*")
        return [(f.name, f) for f in sorted(batches) if (f / "manifest.jsonl").exists()]

    @initialize()
    def open_the_station(self) -> None:
        self.scan(2)

    @rule(pages=st.integers(1, 3))
    def scan(self, pages: int) -> None:
        self.station.rendered(pages, f"{next(numbers)}.pdf")

    @rule(fate=FATES, limit=st.sampled_from(("", "1", "3")))
    def batch_submit(self, fate: tuple[str, int] | None, limit: str) -> None:
        self.run("build_requests.py", "--limit", limit, fate=fate)
        self.run("submit.py", fate=fate)

    @rule(fate=FATES)
    def batch_fetch(self, fate: tuple[str, int] | None) -> None:
        self.run("fetch.py", fate=fate)

    @rule()
    def batch_status(self) -> None:
        self.run("status.py")

    @rule(fate=FATES)
    def process(self, fate: tuple[str, int] | None) -> None:
        failed = self.pages("failed")
        self.run("process.py", "--limit", "2", fate=fate)
        # In real time an answer that was under way when all broke may be paid for again.
        self.may_be_read_again.update(self.pages("processing"))
        self.may_be_read_again.update(set(self.pages("failed")) - set(failed))

    @rule(fate=FATES, which=st.integers(0, 20))
    def batch_cancel(self, fate: tuple[str, int] | None, which: int) -> None:
        if ids := self.ids():
            self.run("cancel.py", ids[which % len(ids)][0], fate=fate)

    @rule(fate=FATES, which=st.integers(0, 20))
    def batch_rescue(self, fate: tuple[str, int] | None, which: int) -> None:
        if ids := self.ids():
            name, folder = ids[which % len(ids)]
            self.may_be_read_again.update(pages_of(folder))
            self.run("rescue.py", name, fate=fate)

    @rule(fate=FATES, which=st.integers(0, 20))
    def retry(self, fate: tuple[str, int] | None, which: int) -> None:
        rows = [row for row in self.station.rows() if row["status"] in ("completed", "failed")]
        if rows:
            row = rows[which % len(rows)]
            self.may_be_read_again[page_name(row)] += 1
            page = ("--pdf", row["pdf_path"], "--page", str(row["page_number"]))
            self.run("retry.py", *page, fate=fate)

    @rule(fault=FAULTS)
    def the_api_misbehaves(self, fault: str) -> None:
        self.emulator.faults(**{fault: HAPPENS.get(fault, 1)})

    @rule()
    def the_api_behaves(self) -> None:
        self.calm()

    @rule()
    def the_api_restarts(self) -> None:
        self.emulator.kill()
        self.emulator.start()

    def pages(self, status: str) -> list[str]:
        return [page_name(row) for row in self.station.rows() if row["status"] == status]

    def teardown(self) -> None:
        if not self.station.data.exists():
            return
        self.calm()
        self.go_on_until_all_is_done()
        after = billed(self.emulator.ledger())
        for row in self.station.rows():
            png = self.station.png(row["page_number"], row["pdf_path"]).read_bytes()
            digest = hashlib.sha256(png).hexdigest()
            result = self.station.result(row["page_number"], row["pdf_path"])
            assert result["comments_raw"] == f"sha256 {digest}", "a text on a wrong page"
            paid = after[digest] - self.before.get(digest, 0)
            assert 1 <= paid <= 1 + self.may_be_read_again[page_name(row)], row
        assert [p for p in self.station.data.rglob("*") if p.name.endswith(".part")] == []

    def go_on_until_all_is_done(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for script in ("build_requests.py", "submit.py", "fetch.py"):
                done = self.run(script)
                assert done.returncode == 0 or "unclear" in done.stderr, done.stderr
            if set(self.station.statuses()) == {"completed"}:
                return
        raise AssertionError(self.station.rows())


def page_name(row: dict[str, Any]) -> str:
    return f"{row['pdf_path']}#{row['page_number']}"


def pages_of(folder: Path) -> list[str]:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return [page_name(json.loads(line)) for line in lines]
