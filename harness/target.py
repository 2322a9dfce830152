"""What is tested: where its API and SIP edge are, who we are there, and what we may do."""

from __future__ import annotations

import os
import re
from hashlib import md5
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from harness.errors import UsageError
from harness.model import Strict, plain_pattern
from harness.yaml_file import load, validated
from phones.sip.message import Address
from phones.sip.transport import Transport
from reports.secrets import Secrets

_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:]+\]|[^:\s]+)(?::(\d{1,5}))?\Z")


def _from_environment(value: object) -> object:
    if not isinstance(value, str):
        return value

    def look(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ValueError(f"the environment variable {match[1]} is not set")
        return os.environ[match[1]]

    return _ENV.sub(look, value)


Text = Annotated[str, BeforeValidator(_from_environment)]


class TargetAccount(Strict):
    """An account that ringproof may use. One of `auth_token` and `api_key` is needed."""

    account_id: Text = Field(min_length=1)
    realm: Text | None = Field(None, description="the SIP realm; asked from the API where it is not given")
    auth_token: Text | None = Field(None, repr=False)
    api_key: Text | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _credentials(self) -> TargetAccount:
        if self.auth_token is None and self.api_key is None:
            raise ValueError("an account needs auth_token or api_key")
        return self


class TargetUser(Strict):
    """A user of `account` who may log in."""

    username: Text
    password: Text = Field(repr=False)
    account_name: Text

    def parts(self) -> dict[str, str]:
        """What templates may use; `credentials` is what user_auth takes (MD5, Kazoo 3.20 to 5.0)."""
        credentials = md5(f"{self.username}:{self.password}".encode(), usedforsecurity=False).hexdigest()
        return {
            "username": self.username,
            "password": self.password,
            "account_name": self.account_name,
            "credentials": credentials,
        }


def _with_port(value: str) -> str:
    port = value.rpartition(":")[2]
    if port.isdecimal() and not 0 < int(port) < 65_536:
        raise ValueError(f"{port} is no port")
    return value


class Bases(Strict):
    """API bases, scheme, host and port only. At least one."""

    http: Annotated[Text, AfterValidator(_with_port)] | None = Field(None, pattern=r"^http://[^/]+$")
    https: Annotated[Text, AfterValidator(_with_port)] | None = Field(None, pattern=r"^https://[^/]+$")

    @model_validator(mode="after")
    def _one(self) -> Bases:
        if self.http is None and self.https is None:
            raise ValueError("an API base is needed: http or https")
        return self


Edge = Annotated[
    Text, AfterValidator(_with_port), StringConstraints(pattern=plain_pattern(_ADDRESS, wanted="host:port, or a name"))
]
"""host:port, or a name to be found by NAPTR and SRV."""


class Edges(Strict):
    """Where SIP is spoken, by transport, and how connections are made safe. At least one."""

    udp: Edge | None = None
    tcp: Edge | None = None
    tls: Edge | None = None
    ws: Edge | None = None
    wss: Edge | None = None
    nameserver: Edge | None = Field(
        None, description="host:port of who is asked for names; default whoever the system asks, port 53"
    )
    path: str = Field("/", pattern=r"^/[!-~]*$", description="path of WebSockets")
    server_name: Text | None = Field(None, description="whose certificate it has to be (SNI); default the host")
    ca_file: Text | None = Field(None, description="PEM file of the CA behind TLS and WSS; default the target's")
    verify: bool | None = Field(None, description="check the certificates of TLS and WSS; default as for HTTPS")
    certificate: Text | None = Field(None, description="PEM file of the certificate that phones show")
    private_key: Text | None = Field(None, description="PEM file of its key, where that is another")

    @model_validator(mode="after")
    def _one(self) -> Edges:
        if not self.offered:
            raise ValueError(f"a SIP edge is needed: {', '.join(Transport)}")
        if self.private_key is not None and self.certificate is None:
            raise ValueError("private_key goes with a certificate")
        return self

    @property
    def offered(self) -> tuple[Transport, ...]:
        """What the target speaks, the usual one first."""
        return tuple(transport for transport in Transport if getattr(self, transport) is not None)

    @property
    def name_service(self) -> Address | None:
        """Who is asked for names; None: whoever the system asks."""
        match = _ADDRESS.match(self.nameserver or "")
        return (match[1].strip("[]"), int(match[2] or 53)) if match else None

    def place(self, transport: Transport) -> tuple[str, int | None]:
        """Host and port of an edge that is offered; without port where SRV has to tell it."""
        match = _ADDRESS.match(getattr(self, transport))
        assert match is not None
        return match[1].strip("[]"), int(match[2]) if match[2] else None


class Limits(Strict):
    """How much the target may be loaded."""

    jobs: int = Field(default=4, ge=1, le=1000, description="cases at the same time")
    load_per_s: float = Field(default=0.0, ge=0, description="calls or registrations per second of a step `load`")
    requests_per_s: float = Field(default=10.0, gt=0, description="API requests per second, all cases together")


class Target(Strict):
    """A target file."""

    name: Text = "live"
    kind: Literal["reference", "live"] = "live"
    api: Bases
    ca_file: Text | None = Field(None, description="PEM file of the CA that signed the HTTPS certificate")
    verify: bool = Field(True, description="check HTTPS certificates")
    account: TargetAccount
    other_account: TargetAccount | None = Field(None, description="a sibling account, for what must not cross over")
    parent_account: TargetAccount | None = Field(None, description="the account above `account`")
    child_account: TargetAccount | None = Field(None, description="an account below `account`")
    user: TargetUser | None = Field(None, description="a user of `account`, for logging in by user_auth")
    create_accounts: bool = Field(False, description="every case gets its own account below `account`")
    sip: Edges
    bind: str | None = Field(None, description="local address of the phones; default the one that leads to the edge")
    advertise: str | None = Field(
        None, description="address that phones say they are at, where others see another than `bind` (containers, NAT)"
    )
    limits: Limits = Limits()

    def tell(self, secrets: Secrets) -> None:
        """Add everything of this target that must not be written anywhere."""
        for account in (self.account, self.other_account, self.parent_account, self.child_account):
            if account is not None:
                secrets.add(account.auth_token or "")
                secrets.add(account.api_key or "")
        if self.user is not None:
            secrets.add(self.user.password)
            secrets.add(self.user.parts()["credentials"])


def load_target(path: Path) -> Target:
    """Read a target file (YAML or JSON). Raises ScenarioError with its position, UsageError when it is not there."""
    if not path.is_file():
        raise UsageError(f"--target {path}: no such file", "`ringproof serve --write-target FILE` writes one")
    return validated(load(path), Target)
