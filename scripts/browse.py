"""The station's pages in a browser: flowsheets.db and the scans, read-only, on this machine alone.

    python scripts/browse.py --port 8001 --reviewer "Ada L."

Datasette serves the index that `make index` built, with pages of our own from `browser/` in front.
Without a reviewer nothing is written; with one, a page can be corrected, and that alone. No other
machine is asked for anything.
"""

import socket
from contextlib import suppress
from pathlib import Path

import click
import uvicorn
from datasette.app import Datasette
from datasette.plugins import pm
from datasette.utils import parse_metadata

from browser import editing, hooks, served
from flowsheets import paths, settings
from flowsheets.errors import Command, Count, Problem

PORT = 8001  # Datasette's own
HOST = "127.0.0.1"
BROWSER = Path(__file__).with_name("browser")
LIMITS = {
    "default_page_size": 100,
    "sql_time_limit_ms": 10_000,  # a station's eleven years hold some 800,000 rows
    "facet_time_limit_ms": 2_000,
    "max_csv_mb": 0,  # any size: all rows of all pages are some 300 MB
    "suggest_facets": False,  # guesses that cost seconds; metadata.yaml names the good ones
}


@click.command(cls=Command)
@click.option("--port", type=Count("PORT", PORT), default=PORT)
@click.option("--reviewer", default="")
def main(port: int, reviewer: str) -> None:
    """Show the station's pages in a browser."""
    name = editing.reviewer(reviewer)
    index = paths.index_db(settings.load().data_root)
    served.check(index)
    listener = _listener(port)
    datasette = shown(index, name)
    corrects = f"; {name} corrects its pages" if name else ""
    click.echo(f"http://{HOST}:{port} shows {index}{corrects}. Ctrl-C ends it")
    server = uvicorn.Server(uvicorn.Config(datasette.app(), log_level="warning", lifespan="on"))
    with suppress(KeyboardInterrupt):  # the usual way to end it
        server.run(sockets=[listener])


def shown(index: Path, reviewer: str | None) -> Datasette:
    """Datasette with our pages; with a reviewer, these can be corrected."""
    if not pm.has_plugin("station"):
        pm.register(hooks, name="station")
    if reviewer:
        pm.register(editing.Editing(reviewer), name="editing")
    return Datasette(
        files=[str(index)],
        metadata=parse_metadata((BROWSER / "metadata.yaml").read_text()),
        template_dir=str(BROWSER / "templates"),
        static_mounts=[("assets", str(BROWSER / "static"))],
        settings=LIMITS,
    )


def _listener(port: int) -> socket.socket:
    """The socket to serve on, listening already: a request before the server is up waits.

    Raises `Problem` where the port cannot be used.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise Problem("PORT", f"{port} cannot be used ({error})", "Give PORT=8002") from error
    return listener


if __name__ == "__main__":
    main()
