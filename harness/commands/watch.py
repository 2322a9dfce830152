"""`ringproof watch`."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.numbers import Finite
from harness.errors import HarnessError, TargetUnavailable, UsageError
from harness.output import document, error_fields, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.lamp_watch import Change


@click.command("watch", short_help="Show lamps live, without any right on the API.")
@click.argument("presentities", nargs=-1, required=True, metavar="EXTENSION|URI...")
@click.option("--target", "target_file", type=click.Path(path_type=Path), help="a target file: SIP edge and realm")
@click.option("--edge", help="instead of a target: host:port of the SIP edge")
@click.option(
    "--transport",
    type=click.Choice(["udp", "tcp", "tls", "ws", "wss"]),
    help="default what the target offers first, or udp",
)
@click.option("--realm", help="SIP realm of the account; default the target's")
@click.option("--as", "login", metavar="USER:PASSWORD", help="register as this device first; Kazoo does not ask for it")
@click.option("--event", type=click.Choice(["dialog", "presence"]), default="dialog", show_default=True)
@click.option("--bind", help="local address; default the target's, else 127.0.0.1")
@click.option("--duration", type=Finite(0.1, 1e9), help="seconds; default until Ctrl-C")
@format_option
@guarded("watch")
def command(
    presentities: tuple[str, ...],
    target_file: Path | None,
    edge: str | None,
    transport: str | None,
    realm: str | None,
    login: str | None,
    event: str,
    bind: str | None,
    duration: float | None,
    format_: str,
) -> int:
    """Subscribe to the lamps of EXTENSIONs (or sip: URIs) and show every change as it happens, with
    what is wrong about a NOTIFY. Needs no right on the API: Kazoo lets anybody watch. Ctrl-C ends
    the subscriptions.
    """
    if login is not None and ":" not in login:
        raise UsageError(f"--as {login}: USER:PASSWORD is wanted")
    place = _place(target_file, edge, transport, realm, bind)
    if not place["realm"] and all(each.lower().startswith("sip:") for each in presentities):
        # whose realm the watcher is of matters to nobody then
        place["realm"] = presentities[0].partition("@")[2].partition(";")[0]
    if not place["realm"]:
        raise UsageError("the realm of the account is not known", "say --realm, or give whole sip: URIs")
    uris = [each if each.lower().startswith("sip:") else f"sip:{each}@{place['realm']}" for each in presentities]
    changes: list[Change] = []

    def report(change: Change) -> None:
        if format_ == "text":
            _show(change)
        else:
            changes.append(change)

    if format_ == "text":
        click.echo(f"watching {', '.join(uris)} at {place['where']}; Ctrl-C ends it", err=True)
    active = asyncio.run(_watch(place, uris, login, event, duration, report))
    nothing = TargetUnavailable(f"nothing could be watched at {place['where']}")
    if format_ == "json":
        shown = [
            {"t": round(each.t, 6), "presentity": each.presentity, "kind": each.kind, "text": each.text}
            for each in changes
        ]
        code, error = (0, {}) if active else (nothing.exit_code, {"error": error_fields(nothing)})
        print_document(document("watch", code, presentities=uris, event=event, changes=shown, **error))
        return code
    if not active:
        raise nothing
    return 0


def _place(
    target_file: Path | None, edge: str | None, transport: str | None, realm: str | None, bind: str | None
) -> dict[str, Any]:
    """Where to subscribe: from a target file, from options, or from both."""
    from harness.target import Edges, load_target
    from harness.world import encryption_of
    from phones.sip.transport import Transport

    if (target_file is None) == (edge is None):
        raise UsageError("say either --target FILE or --edge HOST:PORT")
    if target_file is not None:
        target = load_target(target_file)
        edges, advertised = target.sip, target.advertise
        realm, bind = realm or target.account.realm, bind or target.bind
        encryption = encryption_of(edges, target.ca_file, target.verify)
    else:
        try:
            if not (edge or "").rpartition(":")[1]:
                raise ValueError("no port")
            edges, advertised = Edges.model_validate({transport or "udp": edge}), None
        except ValueError as error:
            raise UsageError(f"--edge {edge}: host:port is wanted") from error
        encryption = encryption_of(edges)
    chosen = Transport(transport) if transport else edges.offered[0]
    if chosen not in edges.offered:
        raise UsageError(f"{target_file} offers no SIP over {chosen.value}")
    return {
        "edges": edges,
        "transport": chosen,
        "where": getattr(edges, chosen) + (f" ({chosen.value})" if chosen.reliable else ""),
        "realm": realm,
        "bind": bind,
        "advertised": advertised,
        "encryption": encryption,
    }


async def _watch(
    place: dict[str, Any], uris: list[str], login: str | None, event: str, duration: float | None, report: Any
) -> set[str]:
    from harness.lamp_watch import watch
    from harness.names import Resolver, locate
    from phones.net_sockets import SocketWire, local_towards
    from phones.phone import Identity
    from phones.sip.index import SipSyntaxError

    user, _, password = (login or "ringproof:").partition(":")
    loop = asyncio.get_running_loop()
    transport = place["transport"]
    host, port = place["edges"].place(transport)
    resolver = Resolver(place["edges"].name_service)
    edges = await locate(host, port, transport, resolver, random.SystemRandom())
    bind = place["bind"] or local_towards(edges[0])
    gone: list[BrokenPipeError] = []

    def tell(change: Change) -> None:
        try:
            report(change)
        except BrokenPipeError as error:
            # whoever reads our output has gone: take leave of the server, too
            gone.append(error)
            task.cancel()

    task = asyncio.ensure_future(
        watch(
            SocketWire(loop, place["encryption"]),
            loop,
            edges=edges,
            transport=transport,
            bind=bind,
            advertised=place["advertised"],
            identity=Identity(user, password, place["realm"]),
            registers=login is not None,
            presentities=uris,
            event=event,
            duration_s=duration,
            report=tell,
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        active = await task
    except SipSyntaxError as error:
        raise UsageError(f"{error}", "an extension such as 1001, or sip:1001@realm") from error
    except OSError as error:
        raise HarnessError(f"cannot open an address at {bind}: {error.strerror}") from error
    if gone:
        raise gone[0]
    return active


def _show(change: Change) -> None:
    from reports.words import plain

    word = {"lamp": "", "law": "law broken: "}.get(change.kind, f"{change.kind} ")
    styles = {"ringing": "yellow", "busy": "red", "off": "green"}
    text = click.style(plain(change.text), fg=styles.get(change.text) if change.kind == "lamp" else "magenta")
    click.echo(f"{change.t:10.3f}  {plain(change.presentity):<32} {word}{text}")
