"""Masking: whatever way a secret is written, it is gone, and nothing moves."""

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.secrets import Secrets

SECRET = st.text(st.characters(codec="utf-8", exclude_characters="*\n\r"), min_size=Secrets.SHORTEST, max_size=40)


def masking(*secrets: str) -> Secrets:
    known = Secrets()
    for secret in secrets:
        known.add(secret)
    return known


def spellings(secret: str) -> list[str]:
    """How a secret may be written."""
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        urlencode({"a": secret}).partition("=")[2],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    ]


@given(st.lists(SECRET, min_size=1, max_size=5), st.lists(st.binary(max_size=20), min_size=1, max_size=8), st.data())
def test_no_secret_is_left(secrets: list[str], others: list[bytes], data: st.DataObject) -> None:
    known = masking(*secrets)
    parts = list(others)
    for secret in secrets:
        written = data.draw(st.sampled_from(spellings(secret))).encode()
        parts.insert(data.draw(st.integers(0, len(parts))), written)
    plain = b"".join(parts)
    masked = known.mask(plain)
    assert len(masked) == len(plain)
    for secret in secrets:
        for spelling in spellings(secret):
            assert len(spelling.encode()) < Secrets.SHORTEST or spelling.encode() not in masked
    assert all(after in (before, ord("*")) for before, after in zip(plain, masked, strict=True))


@given(SECRET, st.text(max_size=30), st.text(max_size=30))
def test_texts_are_masked_like_bytes(secret: str, before: str, after: str) -> None:
    known = masking(secret)
    text = before + secret + after
    assert known.mask_text(text).encode("utf-8", "surrogateescape") == known.mask(text.encode("utf-8", "surrogatepass"))
    assert secret not in known.mask_text(text)


@pytest.mark.parametrize(
    ("secret", "text", "masked"),
    [
        ("s3cret", "a s3cret b", "a ****** b"),
        ("s3cret", "s3crets3cret", "************"),
        ("pa/ss+1", "x=pa%2Fss%2B1&y", "x=***********&y"),
        ("pa ss1", "x=pa+ss1", "x=******"),
        ('pa"ss\\1', '{"a": "pa\\"ss\\\\1"}', '{"a": "*********"}'),
        ("pässwort", "p\\u00e4sswort", "*************"),
        ("0123456789abcdef", "x" * 7 + "0123456789abcdef" + "y", "x" * 7 + "*" * 16 + "y"),
        ("four", "four", "four"),
        ("", "anything", "anything"),
        ("s3cre", "S3CRE", "S3CRE"),
    ],
)
def test_spellings(secret: str, text: str, masked: str) -> None:
    assert masking(secret).mask_text(text) == masked


def test_a_secret_in_another_and_one_that_overlaps() -> None:
    assert masking("secret", "secretword").mask(b"secretword secret") == b"********** ******"
    masked = masking("abcdefgh", "ghijklmn").mask(b"abcdefghijklmn")
    assert b"abcdefgh" not in masked
    assert b"ghijklmn" not in masked


def test_what_holds_no_secret_stays_the_same_object() -> None:
    data = b"nothing to hide " * 100
    assert masking("s3cret", "0123456789abcdef0123").mask(data) is data
    text = "nothing"
    assert masking("s3cret").mask_text(text) is text


@pytest.mark.parametrize("quoted", [b'response="%s"', b'response=\\"%s\\"', b'RESPONSE="%s"', b'Response = "%s"'])
def test_digest_responses_are_masked(quoted: bytes) -> None:
    digest = b"0123456789abcdef" * 2
    for written in (digest, digest.upper()):
        masked = Secrets().mask(b'Authorization: Digest username="u", ' + quoted % written + b', nonce="n"')
        assert written not in masked
        assert b'nonce="n"' in masked


def test_bytes_that_are_no_text() -> None:
    known = masking("pass\udcff", "\ud800wort")
    assert known.mask(b"a pass\xff b") == b"a ***** b"
    assert known.mask_text("x\udcffy") == "x\udcffy"


def test_many_secrets_cost_little() -> None:
    known = masking(*(f"{number:032x}" for number in range(20_000)))
    data = b"REGISTER sip:x SIP/2.0\r\n" * 50 + b"%032x" % 19_999
    assert known.mask(data).endswith(b"*" * 32)
