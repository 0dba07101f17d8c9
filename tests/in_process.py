"""The scripts within the tests' own process, so that a debugger stops in them and coverage works.

What a process takes along when it ends is put back after each: environment, folder, name, signal
handlers, open databases, what was cached. Only the SDK's client stays, as long as the settings are
the same, because making one takes longer than most commands. Where the process is the point (a
kill, a signal, a disk that fills up at a step, a terminal), forked.py or a `real` station runs it.
"""

import contextlib
import functools
import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from flowsheets import step
from flowsheets.errors import PROBLEMS_FD
from flowsheets.gemini import bucket, client
from forked import TOP, Done, commands

CACHED: Any = type(functools.cache(len))
sleep = time.sleep


def short_pauses() -> Any:
    """Between two tries of the SDK, say: that there is a pause is tested, its length is not."""
    return patch("time.sleep", lambda seconds: sleep(seconds / 20))


_NOT_THE_CLIENTS = ("SCANS_ROOT", "DATA_ROOT", PROBLEMS_FD)
HANDLED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # by process.py and demo.py

# Clients, which stay while the settings are the same.
KEPT = (client._client_of, client._vertex_of, client._credentials_of, bucket._client_of)
_client_made_for: dict[str, str] = {}


def run(script: str, *args: str, env: dict[str, str]) -> Done:
    """Run `scripts/….py` to its end, in the project's folder, with this environment alone.

    A FATE (see steps.py) meets a process of its own. A bug's exception is not turned into text: it
    is raised here.
    """
    if "FATE" in env:
        return commands().run(script, *args, env=env)
    _forget_what_was_cached()
    _keep_client_for({k: v for k, v in env.items() if k not in _NOT_THE_CLIENTS})
    name = Path(script).name
    main = import_module(Path(script).stem).main
    with (
        _handlers_kept(),
        short_pauses(),
        patch("flowsheets.step._spawn", _as_a_step),
        patch.dict(os.environ, env, clear=True),
        contextlib.chdir(TOP),
        patch.object(sys, "argv", [script, *args]),  # by which a lock names its holder
    ):
        ended = CliRunner().invoke(main, args, prog_name=name, catch_exceptions=False)
    done = Done(ended.exit_code, ended.stdout, ended.stderr)
    if done.returncode:
        del ended
        gc.collect()  # its traceback may hold a database that a process would have closed
    return done


def _as_a_step(script: str, words: tuple[str, ...], told: int) -> step.Ended:
    """A step of a run, within this process as well."""
    env = dict(os.environ) | {PROBLEMS_FD: str(told)}
    done = run(f"scripts/{script}", *words, env=env)
    return step.Ended(done.returncode, done.stderr)


def _forget_what_was_cached() -> None:
    """A warning that is given once, say, is given once by each command."""
    ours = [module for name, module in sys.modules.items() if name.startswith("flowsheets.")]
    for module in ours:
        for function in vars(module).values():
            if isinstance(function, CACHED) and function not in KEPT:
                function.cache_clear()


def _keep_client_for(settings: dict[str, str]) -> None:
    """A proxy or a certificate, say, counts when a client is made."""
    global _client_made_for
    if settings != _client_made_for:
        for made in KEPT:
            made.cache_clear()
        _client_made_for = settings


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
