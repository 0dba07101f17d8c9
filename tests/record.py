"""make record: the cassettes of the SDK tests, anew.

Against the emulator; against Google where GEMINI_API_KEY is set and GOOGLE_GEMINI_BASE_URL is not.
"""

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from emulator_process import running_emulator

TESTS = Path(__file__).resolve().parent
CASSETTES = TESTS / "cassettes"
KEY = "test-key"

EMULATED = """\
Recorded on {day} against this project's emulator (`scripts/emulator`, its quick reader), with
google-genai {sdk}.
No cassette was recorded against Google: they show that the SDK and the emulator understand each
other, and that calls stay as they were, not how Google answers.
"""
GOOGLE = """\
Recorded on {day} against Google, with google-genai {sdk}. What Google does not do on command
(batches that stay RUNNING, fail or expire, a listing of several pages) was recorded earlier,
against this project's emulator: the cassettes whose host is `emulator`.
"""
REST = """
`make record` records them anew: against the emulator, or, with GEMINI_API_KEY in the environment
and no GOOGLE_GEMINI_BASE_URL, against Google, which costs some small pages and takes as long as
Google's batches do. It is due when the prompt, the response schema or the SDK changes what is sent.
No cassette holds a key; uploads are kept as their SHA-256.
"""


def main() -> int:
    """Returns pytest's exit code."""
    if os.environ.get("GEMINI_API_KEY") and not os.environ.get("GOOGLE_GEMINI_BASE_URL"):
        return _record({}, GOOGLE)
    shutil.rmtree(CASSETTES, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_emulator(Path(folder), "--key", KEY, "--pending-seconds", "0.1") as emulator,
    ):
        return _record({"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": emulator.url}, EMULATED)


def _record(settings: dict[str, str], against: str) -> int:
    CASSETTES.mkdir(exist_ok=True)
    tests = sorted(str(path) for path in TESTS.glob("test_sdk_*.py"))
    # In one process: the faults that a test asks for are everybody's
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", *tests],
        cwd=TESTS.parent,
        env=os.environ | {"FLOWSHEETS_RECORD": "1"} | settings,
        check=False,
    ).returncode
    if code == 0:
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        text = (
            "# Cassettes of the SDK tests\n\n"
            + against.format(day=day, sdk=version("google-genai"))
            + REST
        )
        (CASSETTES / "README.md").write_text(text, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
