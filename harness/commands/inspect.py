"""`ringproof inspect`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.inspecting.inspection import Inspection


@click.command("inspect", short_help="Lamps and broken laws in a capture from the field.")
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="one page with charts and ladders")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="write a scenario with the same subscriptions and calls in the same order; it runs on any target",
)
@click.option(
    "--keylog",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TLS secrets (SSLKEYLOGFILE): tshark, which must be installed, decrypts SIP over TLS",
)
@click.option("--width", type=click.IntRange(40, 1000), help="columns of text; default the terminal's")
@format_option
@guarded("inspect")
def command(
    capture: Path, html: Path | None, scenario: Path | None, keylog: Path | None, width: int | None, format_: str
) -> int:
    """Read a pcap or pcapng file and say who registered, who watched whom, who called whom; what each
    watcher's lamp showed over time, above what the calls in the capture say; and which laws of lamps were
    broken, with the numbers of the frames that show it.

    What is not in the capture is never held against anybody: a lamp that shows a call that cannot be seen,
    or that began before, is listed as not visible. A lamp counts as wrong when it stays so for longer
    than NOTIFYs in this capture take (1.5 s at least), and nothing that was lost explains it.

    \b
    Record one where the SIP edge or the phones are, then look:
      tcpdump -i any -w office.pcap 'udp or tcp'
      ringproof inspect office.pcap
      ringproof inspect office.pcap --html office.html --scenario office.scenario.yaml
      ringproof run office.scenario.yaml         the same order of events against the reference
      tcpdump -i any -U -w - | ringproof inspect /dev/stdin       until Ctrl-C

    It reads UDP and TCP over IPv4 and IPv6, fragments, VLAN tags, Linux cooked captures, raw and
    loopback captures, and files that gzip has packed. SIP in WebSockets is not read. Ctrl-C ends the
    reading and shows what was read.

    Exit code: 0 nothing is broken, 1 a law is broken, 2 interrupted, 4 not a capture.
    """
    from harness.inspecting.telling import document_fields, warnings_of

    if html is not None and capture.exists() and not capture.is_file():
        raise UsageError(f"--html needs a capture that can be read twice; {capture} is no file")
    found = _inspected(capture, keylog)
    if html is not None:
        from harness.inspecting.page import page

        _write(html, page(found, capture, keylog))
    if scenario is not None:
        from harness.inspecting.scenario_file import scenario_text

        _write(scenario, scenario_text(found, capture.name))
    code = 2 if found.interrupted else 1 if found.findings else 0
    if format_ == "json":
        print_document(document("inspect", code, **document_fields(found)))
    else:
        from harness.inspecting.text import tell

        click.echo(tell(found, capture.name, width or shutil.get_terminal_size((100, 24)).columns))
    from reports.words import clean

    for warning in warnings_of(found):
        click.echo(f"warning: {clean(warning)}", err=True)
    return code


def _inspected(capture: Path, keylog: Path | None) -> Inspection:
    from harness.inspecting.capture_file import NoCapture
    from harness.inspecting.inspection import inspect

    try:
        with _progress(capture.stat().st_size) as progress:
            return inspect(capture, progress, keylog)
    except NoCapture as error:
        raise UsageError(
            f"{capture}: {error}", "a file that tcpdump, tshark or `ringproof run --pcapng` wrote"
        ) from error
    except OSError as error:
        raise UsageError(f"{capture} cannot be read: {error.strerror or error}") from error


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None] | None]:
    """How far the reading is, on a terminal's standard error; a small file needs none."""
    if size < 4 * 1024 * 1024 or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:
        yield lambda at: bar.update(at - bar.pos)


def _write(path: Path, text: str) -> None:
    from harness.commands.exporting import put

    try:
        put(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
