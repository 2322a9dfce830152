"""`ringproof serve`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from harness.commands.behaviours import behaviour_options, chosen_behaviour, expected_profile
from harness.output import format_option, guarded


@click.command("serve", short_help="Run the reference server in the foreground.")
@behaviour_options
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on")
@click.option("--http-port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: the system picks")
@click.option("--https-port", default=8443, show_default=True, type=click.IntRange(0, 65535))
@click.option("--sip-port", default=5060, show_default=True, type=click.IntRange(0, 65535), help="UDP and TCP")
@click.option("--tls-port", type=click.IntRange(0, 65535), help="SIP over TLS; default 5061, or 0 with --sip-port 0")
@click.option("--ws-port", type=click.IntRange(0, 65535), help="SIP over WebSocket; default 5064, or 0 likewise")
@click.option("--wss-port", type=click.IntRange(0, 65535), help="the same with TLS; default 5065, or 0 likewise")
@click.option("--seed", type=int, help="make ids, tokens and delays repeatable")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="appears when it is ready")
@click.option("--write-target", type=click.Path(path_type=Path, dir_okay=False), help="a file for run --target")
@click.option("--print-behaviour", is_flag=True, help="print the behaviour as JSON and exit; edit it for --behaviour")
@click.option("--until-eof", is_flag=True, hidden=True, help="stop when standard input ends")
@click.option("--pulse", is_flag=True, hidden=True, help="say on standard output that it runs, all the time")
@format_option
@guarded("serve")
def command(
    profile: str,
    mutant: str | None,
    behaviour: Path | None,
    host: str,
    http_port: int,
    https_port: int,
    sip_port: int,
    tls_port: int | None,
    ws_port: int | None,
    wss_port: int | None,
    seed: int | None,
    ready_file: Path | None,
    write_target: Path | None,
    print_behaviour: bool,
    until_eof: bool,
    pulse: bool,
    format_: str,
) -> int:
    """Run the reference server in the foreground: HTTP, HTTPS and SIP over UDP, TCP, TLS,
    WS and WSS, with two accounts, an account below the first, and devices. Prints how to reach
    it and a line to try; stops on Ctrl-C or SIGTERM.
    """
    rules = chosen_behaviour(profile, mutant, behaviour)
    profile = expected_profile(profile, mutant)
    if print_behaviour:
        click.echo(rules.model_dump_json(indent=2))
        return 0
    from harness.serve import ServeOptions, serve

    options = ServeOptions(
        behaviour=rules,
        profile=profile,
        mutant=mutant,
        host=host,
        http_port=http_port,
        https_port=https_port,
        sip_port=sip_port,
        tls_port=_port(tls_port, 5061, sip_port),
        ws_port=_port(ws_port, 5064, sip_port),
        wss_port=_port(wss_port, 5065, sip_port),
        seed=seed,
        ready_file=ready_file.resolve() if ready_file else None,
        target_file=write_target.resolve() if write_target else None,
        until_eof=until_eof,
        pulse=pulse,
    )
    announce = _announce_json if format_ == "json" else _announce
    asyncio.run(serve(options, announce if not pulse else lambda document: None))
    return 0


def _port(given: int | None, usual: int, sip_port: int) -> int:
    """Who lets the system pick one port for SIP lets it pick all."""
    return given if given is not None else usual if sip_port else 0


def _announce_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document))


def _announce(document: dict[str, Any]) -> None:
    device = document["devices"][0]
    path = f"/v2/accounts/{document['account_id']}/devices/{device['id']}/sync"
    played = document["mutant"] or document["profile"]
    lines = [
        f"The reference server plays Kazoo ({played}).",
        "",
        f"  HTTP   {document['http']}",
        f"  HTTPS  {document['https']}   CA: {document['ca_file']}",
        f"  SIP    {'   '.join(f'{transport} {where}' for transport, where in document['sip'].items())}",
        f"  realm  {document['realm']}",
        "",
        "  account   " + document["account_id"],
        "  token     " + document["auth_token"],
        *(f"  device    {each['id']}   {each['username']} / {each['password']}" for each in document["devices"]),
        "",
        "Try it:",
        "",
        f"  curl -X POST -H 'X-Auth-Token: {document['auth_token']}' {document['http']}{path}",
        "",
    ]
    if document["target_file"]:
        lines += [f"  ringproof run --target '{document['target_file']}'", ""]
    lines.append("Ctrl-C stops it.")
    click.echo("\n".join(lines))
