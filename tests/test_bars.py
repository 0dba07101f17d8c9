"""Progress bars: on a terminal, and nothing of them in a pipe."""

import os
import pty
import re
import subprocess
import termios

from emulator_process import wait_for
from station import TOP, Station


def on_a_terminal(station: Station, *words: str) -> str:
    """What `make WORDS` shows on a terminal, bars and all."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = subprocess.Popen(
        ["make", "-s", *words],
        cwd=TOP,
        env=station.environment(),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    os.close(ours)
    command.communicate(timeout=60)
    assert command.returncode == 0, shown
    return shown.decode()


def bars(station: Station, *words: str) -> dict[str, str]:
    """The bars of `make WORDS` on a terminal, with share, rate and time left: name -> unit."""
    bar = r"\r(\w+): +\d+%\|.*?\[\d+:\d+<[\d:?]+, +[\d.?]+k? ?(\w+)/s\]"
    return dict(re.findall(bar, on_a_terminal(station, *words)))


def test_each_long_step_has_a_bar_with_its_rate_and_time_left(online: Station) -> None:
    online.scan(4)
    assert bars(online, "discover") == {"discover": "PDFs"}
    assert bars(online, "render") == {"render": "pages"}
    assert bars(online, "process", "LIMIT=1") == {"process": "pages"}
    assert bars(online, "batch-submit") == {"build": "pages", "upload": "B"}
    (folder,) = online.folders()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status", f"ID={folder.name}"), 30)
    assert bars(online, "batch-fetch") == {"download": "B", "results": "pages"}
    assert bars(online, "index") == {"index": "pages"}
    assert bars(online, "review") == {"index": "pages", "ink": "pages"}
    assert online.statuses() == ["completed"] * 4


def test_nothing_of_a_bar_is_in_a_pipe(online: Station) -> None:
    online.scan(4)
    said = [online.make(*words) for words in (["discover"], ["render"], ["batch-submit"])]
    online.fetched(online.folders()[0].name)
    said += [online.make("index"), online.make("review")]
    for done in said:
        assert done.returncode == 0
        assert "\r" not in done.stdout + done.stderr
        assert "%" not in done.stdout + done.stderr
