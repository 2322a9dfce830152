"""The Record: what is written is read back; what is cut is said; a full disk is one clear error."""

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.record import EVENTS, SCHEMA, WIRE, Record, RecordError, RecordWriter, link_latest, read_record
from reports.secrets import Secrets

OPTIONS = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n"


HEADER = {
    "schema": SCHEMA, "run": "abc", "cases": ["a/one"], "target": "t", "profile": "p", "time": "virtual", "seed": 1
}  # fmt: skip


def written(folder: Path, *, footer: bool = True, secrets: Secrets | None = None) -> Path:
    """A small Record."""
    writer = RecordWriter(folder, secrets or Secrets())
    writer.write("header", 0.0, **HEADER)
    writer.write("case", 0.1, case="a/one")
    writer.message(0.25, OPTIONS, case="a/one", phone="desk", direction="in")
    writer.message(1.5, b"\x00\xff", case="a/one", phone="desk", direction="in")
    writer.write("end", 2.0, case="a/one", error=None)
    if footer:
        writer.write("footer", 3.0, interrupted=False, error="", verdicts={})
    writer.close()
    writer.close()
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "r"))
    assert record.cut == ""
    assert record.header["run"] == "abc"
    assert record.footer is not None
    assert [event["n"] for event in record.events] == [0, 1, 2, 3, 4, 5]
    assert [event["kind"] for event, data in record if data] == ["message", "message"]
    assert record.data(record.events[2]) == OPTIONS
    assert record.data(record.events[3]) == b"\x00\xff"
    assert record.data(record.events[0]) == b""
    assert record.events[2]["first"] == "OPTIONS sip:a SIP/2.0"
    assert record.events[3]["first"] == "\x00\ufffd"


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6), st.binary(max_size=50), st.dictionaries(st.sampled_from("abc"), st.text(max_size=9))
        ),
        max_size=8,
    )
)
def test_any_messages_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[float, bytes, dict[str, str]]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-record"
    writer = RecordWriter(folder, Secrets())
    writer.write("header", 0.0, **HEADER)
    for t, data, fields in messages:
        writer.message(t, data, **fields)
    writer.write("footer", 9.0)
    writer.close()
    record = read_record(folder)
    assert record.cut == ""
    assert [(event["t"], record.data(event)) for event in record.events[1:-1]] == [
        (round(t, 6), data) for t, data, _ in messages
    ]
    for event, (_, _, fields) in zip(record.events[1:-1], messages, strict=True):
        assert fields.items() <= event.items()


def test_the_consumer_sees_what_was_written(tmp_path: Path) -> None:
    secrets, seen = Secrets(), []
    secrets.add("s3cret")
    writer = RecordWriter(tmp_path, secrets, lambda event, data: seen.append((event, data)))
    writer.write("header", 0.0, **HEADER)
    event = writer.write("reply", 1.0, body='{"password": "s3cret"}', headers=[["X", "s3cret"]])
    writer.message(2.0, b"INVITE sip:s3cret SIP/2.0\r\n\r\n")
    writer.write("footer", 3.0)
    writer.close()
    assert event["body"] == '{"password": "******"}'
    assert seen == list(read_record(tmp_path))
    assert seen[2][1] == b"INVITE sip:****** SIP/2.0\r\n\r\n"


@pytest.mark.parametrize(
    "secret", ["12345", "phone", "state", 'kind":', '"n":1', 'pa"ss\\w', "pässwort", "arrived", "  {}[]"]
)
def test_no_secret_breaks_the_file(tmp_path: Path, secret: str) -> None:
    secrets = Secrets()
    secrets.add(secret)
    writer = RecordWriter(tmp_path, secrets)
    writer.write("header", 0.0, **HEADER)
    body = json.dumps({"password": secret, "n": 12345})
    event = writer.write(
        "reply", 12345.12345, body=body, number=12345, phone="phone", state="arrived", spec={"x": secret}
    )
    writer.message(123.45, secret.encode())
    writer.write("footer", 3.0)
    writer.close()
    record = read_record(tmp_path)
    assert record.cut == ""
    assert (event["t"], event["number"], event["phone"], event["state"]) == (12345.12345, 12345, "phone", "arrived")
    assert event["spec"] == {"x": "*" * len(secret.encode())}
    assert secret not in event["body"]
    assert json.dumps(secret)[1:-1] not in event["body"]
    assert record.events[1] == event
    assert record.data(record.events[2]) == b"*" * len(secret.encode())


@pytest.mark.parametrize("name", [EVENTS, WIRE])
def test_cut_at_every_octet_it_is_said(tmp_path: Path, name: str) -> None:
    whole = read_record(written(tmp_path / "whole"))
    data = (tmp_path / "whole" / name).read_bytes()
    folder = written(tmp_path / "cut")
    header = (folder / EVENTS).read_bytes().index(b"\n")
    for length in range(len(data)):
        (folder / name).write_bytes(data[:length])
        if name == EVENTS and length < header:
            with pytest.raises(RecordError):
                read_record(folder)
            continue
        record = read_record(folder)
        assert record.cut != "", length
        assert record.events == whole.events[: len(record.events)]
        for event, content in record:
            assert len(content) <= len(whole.data(event))


def test_without_wire_it_is_cut(tmp_path: Path) -> None:
    (written(tmp_path) / WIRE).unlink()
    record = read_record(tmp_path)
    assert "2 messages are not there" in record.cut
    assert [data for _, data in record] == [b""] * 6


def test_a_run_without_a_footer_is_cut(tmp_path: Path) -> None:
    assert read_record(written(tmp_path, footer=False)).cut == "the run was cut off: there is no footer"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no header"),
        (b"\n\n", "no header"),
        (b"garbage\n", "no header"),
        (b'{"kind": "footer", "n": 0, "t": 0}\n', "no header"),
        (b'{"kind": "header", "n": 0, "t": 0, "schema": 1}\n', "schema 1; this release reads 2"),
        (b"[" * 100_000, "no header"),
    ],
)
def test_what_is_no_record(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / EVENTS).write_bytes(content)
    with pytest.raises(RecordError, match=said):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b"5",
        b'{"kind": 5, "n": 1}',
        b'{"kind": "x"}',
        b'{"kind": "x", "n": "1"}',
        b'{"kind": "message", "n": 1, "t": 0}',
        b'{"kind": "message", "n": 1, "t": 0, "at": "0", "size": 1}',
        b'{"kind": "message", "n": 1, "t": 0, "at": -5, "size": 1}',
        b'{"kind": "message", "n": 1, "t": 0, "at": 0, "size": -1}',
        b'{"kind": "x", "n": 1, "t": "now"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_a_cut(tmp_path: Path, line: bytes) -> None:
    written(tmp_path)
    lines = (tmp_path / EVENTS).read_bytes().split(b"\n")
    (tmp_path / EVENTS).write_bytes(b"\n".join([lines[0], line, *lines[1:]]))
    record = read_record(tmp_path)
    assert record.cut.startswith("line 2 is unreadable")
    assert len(record.events) == 1
    assert list(record) == [(record.header, b"")]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file or directory; a Record is a folder that `ringproof run`"):
        read_record(tmp_path / "no")


class Full(io.RawIOBase):
    """A disk with `room` octets."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, data: Any) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(len(data), self.room)
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", [0, 1, 50, 200])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    writer = RecordWriter(tmp_path, Secrets())
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_events", Full(room))
        with pytest.raises(RecordError, match=r"cannot write the Record into .*: No space left on device"):
            writer.write("mark", 0.0, name="x" * 200)
    writer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device(tmp_path: Path) -> None:
    (tmp_path / EVENTS).symlink_to("/dev/full")
    writer = RecordWriter(tmp_path, Secrets())
    with pytest.raises(RecordError, match="No space left on device"):
        writer.write("header", 0.0)
    writer.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"cannot write the Record into .*: Not a directory"):
        RecordWriter(tmp_path / "file" / "r", Secrets())


def test_latest_follows_the_last_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(tmp_path / name)
        link_latest(tmp_path, tmp_path / name)
        assert (tmp_path / "latest").resolve() == (tmp_path / name).resolve()
    assert isinstance(read_record(tmp_path / "latest"), Record)


def test_latest_never_replaces_a_folder(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    link_latest(tmp_path, written(tmp_path / "one"))
    assert not (tmp_path / "latest").is_symlink()
