"""Digest: the worked examples of the RFCs, what is read and written, what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.digest import Challenge, Credentials, answer, verify
from phones.sip.index import SipSyntaxError
from tests.phones.sip.strategies import HOSTILE, some_bytes

# RFC 2617 3.5, with the answer that its errata keep
RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC_2617_ANSWER = (
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
    'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def test_the_worked_example_of_rfc_2617() -> None:
    challenge = Challenge.parse(RFC_2617)
    assert challenge.qop == ("auth", "auth-int")
    made = answer(
        challenge,
        username="Mufasa",
        password="Circle Of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce="0a4f113b",
    )
    assert made.response == "6629fae49393a05397450978507c4ef1"
    assert made == Credentials.parse(RFC_2617_ANSWER)
    assert str(made) == (
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", response="6629fae49393a05397450978507c4ef1", algorithm=MD5, '
        'qop=auth, nc=00000001, cnonce="0a4f113b", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    assert verify(made, password="Circle Of Life", method="GET")


# RFC 7616 3.9.1
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_worked_example_of_rfc_7616(algorithm: str, response: str) -> None:
    made = answer(
        Challenge.parse(RFC_7616.format(algorithm=algorithm)),
        username="Mufasa", password="Circle of Life", method="GET", uri="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )  # fmt: skip
    assert (made.qop, made.algorithm, made.response) == ("auth", algorithm, response)
    assert verify(made, password="Circle of Life", method="GET")
    assert not verify(replace(made, algorithm="SHA-512-256"), password="Circle of Life", method="GET")
    assert not verify(replace(made, algorithm="SHA-1"), password="Circle of Life", method="GET")


def test_sha_512_256() -> None:
    """Put together by hand from its definition: FIPS 180-4 5.3.6.2, RFC 7616 3.4."""

    def digest(text: str) -> str:
        return hashlib.new("sha512_256", text.encode()).hexdigest()

    assert digest("abc") == "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
    challenge = Challenge.parse('Digest realm="r", nonce="n", algorithm=sha-512-256')
    made = answer(challenge, username="u", password="p", method="REGISTER", uri="sip:r", cnonce="c")
    assert made.response == digest(f"{digest('u:r:p')}:n:{digest('REGISTER:sip:r')}")


def test_the_body_is_proved_where_that_is_asked_for() -> None:
    """RFC 2617 3.2.2.3: the digest of the body is part of what is hashed."""

    def digest(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    challenge = Challenge.parse('Digest realm="r", nonce="n", qop="auth-int"')
    made = answer(challenge, username="u", password="p", method="INVITE", uri="sip:x", cnonce="c", body=b"v=0")
    asked = digest(f"INVITE:sip:x:{digest('v=0')}")
    assert made.response == digest(f"{digest('u:r:p')}:n:00000001:c:auth-int:{asked}")
    assert verify(made, password="p", method="INVITE", body=b"v=0")
    assert not verify(made, password="p", method="INVITE", body=b"v=1")
    assert not verify(made, password="p", method="INVITE")


def test_the_stronger_algorithm_is_known() -> None:
    names = ["MD5-sess", "md5", "SHA-256", "sha-512-256"]
    strengths = [Challenge("r", "n", algorithm=name).strength for name in names]
    assert strengths == sorted(set(strengths))
    assert strengths[0] == -1


def test_without_qop_as_rfc_2069_has_it() -> None:
    # The same values without qop: MD5(HA1:nonce:HA2); the known answer of this variant.
    challenge = Challenge.parse(RFC_2617.replace(' qop="auth,auth-int",', ""))
    made = answer(
        challenge, username="Mufasa", password="Circle Of Life", method="GET", uri="/dir/index.html", cnonce="unused"
    )
    assert made.response == "670fd8c2df070c60b045671b8b24ff02"
    assert (made.qop, made.nc, made.cnonce) == ("", "", "")
    assert not {"qop=", "nc=", "cnonce="} & set(str(made).split(", "))
    assert "qop" not in str(made)
    assert verify(made, password="Circle Of Life", method="GET")


def test_the_count_changes_the_answer() -> None:
    challenge = Challenge.parse(RFC_2617)
    first, second = (
        answer(challenge, username="u", password="p", method="REGISTER", uri="sip:r", cnonce="c", nc=count)
        for count in (1, 0x1A)
    )
    assert (first.nc, second.nc) == ("00000001", "0000001a")
    assert first.response != second.response


@pytest.mark.parametrize(
    "wrong",
    [
        {"response": "6629fae49393a05397450978507c4ef2"},
        {"response": ""},
        {"nonce": "other"},
        {"realm": "other"},
        {"uri": "/"},
        {"nc": "00000002"},
        {"cnonce": "other"},
        {"username": "mufasa"},
        {"qop": ""},
    ],
)
def test_one_wrong_value_is_not_verified(wrong: dict[str, str]) -> None:
    made = Credentials.parse(RFC_2617_ANSWER)
    assert not verify(replace(made, **wrong), password="Circle Of Life", method="GET")


def test_a_wrong_password_or_method_is_not_verified() -> None:
    made = Credentials.parse(RFC_2617_ANSWER)
    assert not verify(made, password="circle of life", method="GET")
    assert not verify(made, password="Circle Of Life", method="POST")


@pytest.mark.parametrize(
    ("value", "challenge"),
    [
        ('Digest realm="r", nonce="n"', Challenge("r", "n")),
        ('digest nonce=n,realm="r"', Challenge("r", "n")),
        ('Digest\trealm="r",\t nonce="n"', Challenge("r", "n")),
        ('  DIGEST   realm = "r" , nonce = "n" ', Challenge("r", "n")),
        ('Digest realm="r", nonce="n",', Challenge("r", "n")),
        ('Digest realm="a \\"b\\", c=d", nonce="\\\\"', Challenge('a "b", c=d', "\\")),
        ('Digest realm="", nonce=""', Challenge("", "")),
        ('Digest realm="r", nonce="n", stale=TRUE', Challenge("r", "n", stale=True)),
        ('Digest realm="r", nonce="n", stale="true"', Challenge("r", "n", stale=True)),
        ('Digest realm="r", nonce="n", stale=false', Challenge("r", "n")),
        ('Digest realm="r", nonce="n", qop="auth"', Challenge("r", "n", ("auth",))),
        ('Digest realm="r", nonce="n", qop=AUTH', Challenge("r", "n", ("auth",))),
        ('Digest realm="r", nonce="n", qop="auth-int, auth"', Challenge("r", "n", ("auth-int", "auth"))),
        ('Digest realm="r", nonce="n", qop=""', Challenge("r", "n")),
        ('Digest realm="r", nonce="n", opaque=""', Challenge("r", "n", opaque="")),
        ('Digest realm="r", nonce="n", algorithm="MD5"', Challenge("r", "n")),
        ('Digest realm="r", nonce="n", domain="sip:a sip:b", new=thing', Challenge("r", "n")),
    ],
)
def test_challenges_that_servers_send(value: str, challenge: Challenge) -> None:
    assert Challenge.parse(value) == challenge
    assert Challenge.parse(str(challenge)) == challenge


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Digest",
        "Digest ",
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r, nonce="n"',
        'Digest realm="r" nonce="n"',
        'Digest realm="r", , nonce="n"',
        'Digest realm="r\\", nonce="n"',
        'Digest realm="r", nonce="n", Digest realm="s", nonce="m"',
        'Digest realm="r", nonce="n" x',
        'DigestX realm="r", nonce="n"',
    ],
)
def test_what_is_no_challenge(value: str) -> None:
    with pytest.raises(SipSyntaxError):
        Challenge.parse(value)


@pytest.mark.parametrize("name", ["username", "realm", "nonce", "uri", "response"])
def test_credentials_need_each_of_their_parameters(name: str) -> None:
    with pytest.raises(SipSyntaxError, match=name):
        Credentials.parse(RFC_2617_ANSWER.replace(f"{name}=", f"x{name}="))


@pytest.mark.parametrize("asked", ["algorithm=SHA-1", "algorithm=MD5-sess", 'qop="auth-conf"'])
def test_what_is_not_spoken_is_not_answered(asked: str) -> None:
    challenge = Challenge.parse(f'Digest realm="r", nonce="n", {asked}')
    assert not challenge.answerable
    with pytest.raises(SipSyntaxError):
        answer(challenge, username="u", password="p", method="REGISTER", uri="sip:r", cnonce="c")


TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
OCTETS = st.binary(max_size=12).map(lambda data: data.translate(None, b"\r\n").decode("utf-8", "surrogateescape"))
WORD = st.text("!%'*+-.09AZaz_`~", min_size=1, max_size=10)


@given(realm=TEXT | OCTETS, nonce=TEXT, qop=st.lists(WORD.map(str.lower), max_size=2), stale=st.booleans(),
       opaque=st.none() | TEXT, algorithm=WORD)  # fmt: skip
@settings(deadline=None)
def test_a_challenge_is_read_as_written(
    realm: str, nonce: str, qop: list[str], stale: bool, opaque: str | None, algorithm: str
) -> None:
    challenge = Challenge(realm, nonce, tuple(qop), stale, opaque, algorithm)
    assert Challenge.parse(str(challenge)) == challenge


@given(
    username=TEXT | OCTETS,
    realm=TEXT,
    nonce=TEXT,
    password=TEXT | OCTETS,
    uri=TEXT,
    cnonce=TEXT,
    nc=st.integers(1, 2**32 - 1),
    qop=st.sampled_from([(), ("auth",), ("auth-int", "auth"), ("auth-int",)]),
    opaque=st.none() | TEXT,
    algorithm=st.sampled_from(["MD5", "SHA-256", "SHA-512-256", "sha-256"]),
    body=st.binary(max_size=20),
)
@settings(deadline=None)
def test_what_a_phone_answers_a_registrar_verifies(
    username: str, realm: str, nonce: str, password: str, uri: str, cnonce: str, nc: int, qop: tuple[str, ...],
    opaque: str | None, algorithm: str, body: bytes,
) -> None:  # fmt: skip
    challenge = Challenge(realm, nonce, qop, opaque=opaque, algorithm=algorithm)
    made = answer(
        challenge, username=username, password=password, method="REGISTER", uri=uri, cnonce=cnonce, nc=nc, body=body
    )
    read = Credentials.parse(str(made))
    assert read == made
    assert verify(read, password=password, method="REGISTER", body=body)
    assert not verify(read, password=password + "x", method="REGISTER", body=body)
    assert verify(read, password=password, method="REGISTER", body=body + b"x") == (made.qop != "auth-int")


PLAIN = st.text("abcXYZ019 .:@/-_", max_size=12)


@given(username=PLAIN, realm=PLAIN, nonce=PLAIN.filter(bool), cnonce=PLAIN)
@settings(deadline=None)
def test_sipmessage_reads_the_same_credentials(username: str, realm: str, nonce: str, cnonce: str) -> None:
    made = answer(
        Challenge(realm, nonce, ("auth",)),
        username=username, password="p", method="REGISTER", uri="sip:r", cnonce=cnonce,
    )  # fmt: skip
    theirs = sipmessage.AuthCredentials.parse(str(made))
    assert theirs.scheme.lower() == "digest"
    assert theirs.parameters is not None
    read = theirs.parameters
    assert [read[name] for name in ("username", "realm", "nonce", "response")] == [
        username,
        realm,
        nonce,
        made.response,
    ]


@given(data=some_bytes(RFC_2617.encode(), RFC_2617_ANSWER.encode()))
@settings(deadline=None)
def test_any_value_is_read_or_a_syntax_error(data: bytes) -> None:
    value = data.decode("utf-8", "surrogateescape")
    for parse in (Challenge.parse, Credentials.parse):
        try:
            parse(value)
        except SipSyntaxError:
            continue


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_costs_no_square(piece: str) -> None:
    again = piece * (60_000 // len(piece))
    for value in (f"Digest {again}", f'Digest realm="{again}', f"Digest realm={again}", again):
        try:
            Challenge.parse(value)
        except SipSyntaxError:
            continue
