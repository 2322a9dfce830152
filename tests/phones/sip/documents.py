"""Documents that a watcher is sent: recorded ones with the names changed, ours, and hostile ones."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> bytes:
    """A document as a real server wrote it; names and addresses are changed."""
    return (DATA / name).read_bytes()


RECORDED = {path.name: path.read_bytes() for path in sorted(DATA.iterdir())}


def dialog(state: str, id: str = "d1", *, call_id: str = "c1", direction: str = "recipient") -> str:
    return f'<dialog id="{id}" call-id="{call_id}" direction="{direction}"><state>{state}</state></dialog>'


def dialog_info(version: int, *dialogs: str, state: str = "full") -> bytes:
    namespace = 'xmlns="urn:ietf:params:xml:ns:dialog-info"'
    start = f'<dialog-info {namespace} version="{version}" state="{state}" entity="sip:desk@a.example.com">'
    return f'<?xml version="1.0"?>{start}{"".join(dialogs)}</dialog-info>'.encode()


def presence(activities: str = "", note: str = "", basic: str = "open") -> bytes:
    p, dm, rpid = (f"urn:ietf:params:xml:ns:pidf{part}" for part in ("", ":data-model", ":rpid"))
    return (
        f'<presence xmlns="{p}" entity="sip:desk@a.example.com"><tuple id="t"><status><basic>{basic}</basic></status>'
        f'</tuple><note>{note}</note><dm:person xmlns:dm="{dm}" xmlns:r="{rpid}" id="p"><r:activities>{activities}'
        f"</r:activities></dm:person></presence>"
    ).encode()


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%b">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]>"
)
"""The start of a document that names ten to the eleventh times the same."""

OPEN, END = (
    b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="e"',
    b"</dialog-info>",
)

HOSTILE = {
    "entities": BOMB + OPEN + b">&a11;" + END,
    "entity in an attribute": BOMB + OPEN + b' x="&a11;">' + END,
    "one large entity": b'<!DOCTYPE x [<!ENTITY a "%b">]>' % (b"x" * 60_000) + OPEN + b">" + b"&a;" * 30_000 + END,
    "external": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + OPEN + b">&a;" + END,
    "external subset": b'<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">' + OPEN + b">" + END,
    "parameter entity": b'<!DOCTYPE x [<!ENTITY % a SYSTEM "http://192.0.2.1/x"> %a;]>' + OPEN + b">" + END,
    "declared in another encoding": ("\ufeff" + BOMB.decode() + "<x>&a11;</x>").encode("utf-16-le"),
    "declared without a mark": (BOMB.decode() + "<x>&a11;</x>").encode("utf-16-be"),
    "depth": OPEN + b">" + b"<dialog>" * 20_000 + b"</dialog>" * 8_000 + END,
    "elements": OPEN + b">" + b"<a/>" * 50_000 + END,
    "attributes": OPEN + b"".join(b' a%d=""' % n for n in range(20_000)) + b">" + END,
    "an attribute of one mebibyte": OPEN + b' x="' + b"x" * 2**20 + b'">' + END,
    "an attribute that fills the limit": OPEN + b' x="' + b"x" * 260_000 + b'">' + END,
    "a name that fills the limit": OPEN + b"><" + b"x" * 260_000 + b"/>" + END,
    "a long namespace of attributes": OPEN + b' xmlns:p="' + b"x" * 120_000 + b'"'
    + b"".join(b' p:a%d=""' % n for n in range(10_000)) + b">" + END,
    "a long namespace of elements": OPEN + b">" + b'<p:a xmlns:p="' + b"x" * 220_000 + b'">'
    + b"<p:b/>" * 6_000 + b"</p:a>" + END,
    "text": OPEN + b">" + b"x" * 2**20 + END,
    "an open comment": OPEN + b"><!--" + b"--x" * 80_000,
    "open markup": OPEN + b">" + b"<" * 260_000,
}  # fmt: skip
"""What is small and would grow, or is too large; by what it tries."""

LARGE = {
    "text that fills the limit": OPEN + b">" + b"x\n" * 130_000 + END,
    "references": OPEN + b">" + b"&amp;" * 52_000 + END,
    "instructions": OPEN + b">" + b"<?x?>" * 52_000 + END,
    "sections": OPEN + b">" + b"<![CDATA[]]>" * 21_000 + END,
}
"""What is large and sound."""
