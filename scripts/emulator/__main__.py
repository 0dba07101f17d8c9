"""Starts the emulator: python -m emulator --port 8089 --data emulator-data"""

import asyncio
import fcntl
import importlib
import os
import signal
import socket
from pathlib import Path
from types import ModuleType
from typing import IO

import click
import uvicorn
from starlette.applications import Starlette

from emulator.app import BUCKET, build
from emulator.connections import Protocol
from emulator.faults import Faults

HOST = "127.0.0.1"  # any key is accepted, so no other machine may reach it
READERS = {"ocr": "emulator.reader", "quick": "emulator.quick"}


@click.command()
@click.option("--port", default=8089, show_default=True, help="0 takes a free one")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="folder for its state")
@click.option("--reader", type=click.Choice(list(READERS)), default="ocr", show_default=True)
@click.option("--key", help="the one key that is accepted; any, unless given")
@click.option("--fault", multiple=True, metavar="NAME[=VALUE]", help="see faults.py; repeatable")
@click.option("--pending-seconds", default=1.0, show_default=True, help="a batch stays PENDING")
@click.option("--processing-seconds", default=0.0, help="an upload stays PROCESSING")
@click.option("--cache-minimum", type=int, help="tokens; the model's own minimum unless given")
@click.option("--bucket", multiple=True, default=(BUCKET,), show_default=True, help="repeatable")
@click.option("--bucket-url", help="a bucket server of your own, in place of the emulator's")
@click.option("--still", is_flag=True, help="a clock that only POST /emulator/advance moves")
def main(
    port: int,
    data: Path,
    reader: str,
    key: str | None,
    fault: tuple[str, ...],
    pending_seconds: float,
    processing_seconds: float,
    cache_minimum: int | None,
    bucket: tuple[str, ...],
    bucket_url: str | None,
    still: bool,
) -> None:
    """The Gemini API on this machine, until Ctrl-C."""
    try:
        faults = Faults(fault)
    except ValueError as error:
        raise click.ClickException(f"--fault {error}. faults.py has the names.") from error
    lock = _lock(data)
    listening = _listen(port)
    app = build(
        data,
        _reader(reader),
        key=key,
        faults=faults,
        pending_seconds=pending_seconds,
        processing_seconds=processing_seconds,
        cache_minimum=cache_minimum,
        still=still,
        bucket_names=bucket,
        bucket_url=bucket_url,
    )
    address = f"http://{HOST}:{listening.getsockname()[1]}"
    ready = f"Gemini API emulator: {address} (reader {reader}, state in {data})"
    # uvicorn raises the signal that stopped it once more, at its end: nothing is left to do then
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    asyncio.run(_serve(app, listening, ready))
    lock.close()
    # All state is on disk at each moment: the worker is not asked to stop, nor waited for. A page
    # that is being read now is read again, and billed once, at the next start.
    os._exit(0)


def _reader(name: str) -> ModuleType:
    try:
        return importlib.import_module(READERS[name])
    except ModuleNotFoundError as error:
        text = (
            f"--reader {name}: {error.name} is not installed. "
            "pip install --no-deps -r scripts/emulator/requirements.txt, or take --reader quick."
        )
        raise click.ClickException(text) from error


def _lock(data: Path) -> IO[str]:
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
    except OSError as error:
        text = f"{data}: {error.strerror}. Give another --data."
        raise click.ClickException(text) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        text = f"{data}: another emulator keeps its state there. Stop it, or give another --data."
        raise click.ClickException(text) from error
    return lock


def _listen(port: int) -> socket.socket:
    # Named as TCP, or asyncio leaves its delay (40 ms a reply) on the connections
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        text = f"{HOST}:{port}: {error.strerror}. Give another --port."
        raise click.ClickException(text) from error
    listening.listen(128)
    return listening


async def _serve(app: Starlette, listening: socket.socket, ready: str) -> None:
    """Serves until a signal; prints `ready` once connections are accepted."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        timeout_keep_alive=120,  # seconds; a client that polls more often keeps its connection
        timeout_graceful_shutdown=1,  # seconds
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    print(ready, flush=True)
    await serving


if __name__ == "__main__":
    main()
