"""The scripts as processes of their own that start in milliseconds: forked, with the SDK imported.

`python tests/forked.py` reads a JSON line {"script", "args", "env"}, runs that script in a child
whose environment is `env`, and answers with its end, a `Done`. A killed child's returncode is
negative.
"""

import atexit
import functools
import gc
import json
import os
import runpy
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
TYPES = (
    "BatchJob",
    "BatchJobDestination",
    "BatchJobSource",
    "Blob",
    "CachedContent",
    "CreateBatchJobConfig",
    "CreateCachedContentConfig",
    "CreateFileConfig",
    "CreateFileResponse",
    "DeleteFileResponse",
    "File",
    "GenerateContentConfig",
    "GenerateContentResponse",
    "HttpResponse",
    "HttpRetryOptions",
    "ListBatchJobsConfig",
    "ListBatchJobsResponse",
    "Part",
    "UploadFileConfig",
    "UserContent",
    "_CancelBatchJobParameters",
    "_CreateBatchJobParameters",
    "_CreateCachedContentParameters",
    "_CreateFileParameters",
    "_DeleteFileParameters",
    "_GenerateContentParameters",
    "_GetBatchJobParameters",
    "_GetFileParameters",
    "_ListBatchJobsParameters",
)
_is_step = False  # of a run, whose fate and time it shares
UNMET = "\0"  # the last that a child prints where its fate did not meet it


class Done(NamedTuple):
    """A command's end."""

    returncode: int
    stdout: str
    stderr: str
    fate_met: bool = False  # see steps.py; a killed process has met its fate


class Commands:
    """The server, from the tests' side."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TOP,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(TOP / "scripts"), str(HERE)))},
        )
        atexit.register(self._server.kill)

    def run(self, script: str, *args: str, env: dict[str, str]) -> Done:
        """Run `scripts/….py` to its end, in the project's folder."""
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps({"script": script, "args": args, "env": env}), file=self._server.stdin)
        self._server.stdin.flush()
        return Done(**json.loads(self._server.stdout.readline()))


@functools.cache
def commands() -> Commands:
    """This process's server, started when it is first wanted."""
    return Commands()


def _serve() -> None:
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _become(json.loads(line), out.fileno(), err.fileno())
            _, status = os.waitpid(child, 0)
            out.seek(0)
            err.seek(0)
            printed = out.read().decode()
            done = Done(
                os.waitstatus_to_exitcode(status),
                printed.removesuffix(UNMET),
                err.read().decode(),
                not printed.endswith(UNMET),
            )
        print(json.dumps(done._asdict()), flush=True)


def _become(command: dict[str, Any], out: int, err: int) -> None:
    """The rest of the child's life."""
    import broken
    import pace
    import steps

    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(command["env"])
    script = command["script"]
    sys.argv = [script, *command["args"]]
    fate = steps.watch()
    if not _is_step:
        pace.watch()
        broken.watch()
        _fork_the_steps_of_a_run()
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    if not (fate and fate.left <= 0):
        print(UNMET, end="")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fork_the_steps_of_a_run() -> None:
    """A step is a fork of this process, so that the same fate can meet it at its n-th step."""
    from flowsheets import step
    from flowsheets.errors import PROBLEMS_FD

    def spawn(script: str, words: tuple[str, ...], told: int) -> step.Ended:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                globals()["_is_step"] = True
                env = dict(os.environ) | {PROBLEMS_FD: str(told)}
                command = {"script": f"scripts/{script}", "args": words, "env": env}
                _become(command, out.fileno(), err.fileno())
            _, status = os.waitpid(child, 0)
            err.seek(0)
            return step.Ended(os.waitstatus_to_exitcode(status), err.read().decode())

    step._spawn = spawn


def _warm_up() -> None:
    """Once, what takes most of a short command: imports, certificates, the SDK's types."""
    import google.cloud.storage  # noqa: F401
    import pikepdf  # noqa: F401
    from google.genai import types

    import pace
    from flowsheets.gemini.client import open_client
    from flowsheets.money import prices

    pace.everything()
    setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))  # noqa: B010
    os.environ |= {"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}
    open_client()
    for name in TYPES:
        getattr(types, name).model_rebuild()
    prices.price("gemini-3.1-pro-preview", "batch", 1, 0, 1, "2026-01-01T00:00:00+00:00")


if __name__ == "__main__":
    _warm_up()
    gc.freeze()  # a child that collects would copy every page of this process's memory
    gc.disable()
    _serve()
