"""What a Kazoo knows: accounts in a tree, users, devices, tokens, API keys. Nothing here decides anything."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any, Literal

Document = dict[str, Any]
"""A JSON object."""

Unique = Literal["username", "mac_address"]
"""What no two devices of an account share."""

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def revision_of(document_id: str, revision: int) -> str:
    """A revision in CouchDB's form, `<count>-<32 hex digits>`."""
    digest = md5(f"{document_id} {revision}".encode(), usedforsecurity=False).hexdigest()
    return f"{revision}-{digest}"


@dataclass(slots=True)
class Device:
    """A stored device: the public document, without its id.

    `registered_presence_id` is what `presence_id` was at the last REGISTER, before the first at the creation.
    """

    id: str
    document: Document
    revision: int = 1
    registered_presence_id: Any = None

    @property
    def public(self) -> Document:
        """The document as the API shows it."""
        return {**self.document, "id": self.id}

    @property
    def sip(self) -> Document:
        """The `sip` part of the document, empty when it is no object."""
        sip = self.document.get("sip")
        return sip if isinstance(sip, dict) else {}

    @property
    def username(self) -> str | None:
        """`sip.username`, None where it is no usable string."""
        username = self.sip.get("username")
        return username if isinstance(username, str) and username else None

    @property
    def password(self) -> str | None:
        """`sip.password`, None where it is no string."""
        password = self.sip.get("password")
        return password if isinstance(password, str) else None

    @property
    def enabled(self) -> bool:
        """Whether the device may register and be called."""
        return self.document.get("enabled") is not False

    @property
    def undisturbed(self) -> bool:
        """Whether it takes no calls (`do_not_disturb`)."""
        wish = self.document.get("do_not_disturb")
        return isinstance(wish, dict) and wish.get("enabled") is True

    @property
    def forward(self) -> Document | None:
        """`call_forward`, where it is enabled and names a number: whoever calls the device reaches that instead."""
        forward = self.document.get("call_forward")
        if not isinstance(forward, dict) or forward.get("enabled") is not True:
            return None
        number = forward.get("number")
        return forward if isinstance(number, str) and number else None

    @property
    def owner_id(self) -> str | None:
        """The user whose device it is."""
        owner = self.document.get("owner_id")
        return owner if isinstance(owner, str) and owner else None

    @property
    def etag(self) -> str:
        """The revision in CouchDB's form, `<count>-<32 hex digits>`."""
        return revision_of(self.id, self.revision)


@dataclass(slots=True)
class Stored:
    """A stored document of another kind, without its id: a callflow, a resource."""

    id: str
    document: Document
    revision: int = 1

    @property
    def public(self) -> Document:
        """The document as the API shows it."""
        return {**self.document, "id": self.id}

    @property
    def etag(self) -> str:
        """The revision in CouchDB's form, `<count>-<32 hex digits>`."""
        return revision_of(self.id, self.revision)


@dataclass(slots=True)
class User(Stored):
    """A person who may log in, and own devices. The password stands beside the document: the API never shows it."""

    password: str = ""

    @property
    def username(self) -> str:
        """What the person logs in with."""
        return str(self.document.get("username", ""))

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.document.get('first_name', '')} {self.document.get('last_name', '')}".strip()

    def credentials(self) -> str:
        """What PUT user_auth carries: md5 of `username:password`."""
        return md5(f"{self.username}:{self.password}".encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Account:
    """An account and what it owns."""

    id: str
    name: str
    realm: str
    parent: str | None
    api_key: str
    document: Document = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    callflows: dict[str, Stored] = field(default_factory=dict)
    resources: dict[str, Stored] = field(default_factory=dict)

    @property
    def public(self) -> Document:
        """The document as the API shows it."""
        return {**self.document, "name": self.name, "realm": self.realm, "id": self.id}

    def owner(self, device: Device) -> User | None:
        """The user whose device it is, None where there is none."""
        return self.users.get(device.owner_id) if device.owner_id is not None else None

    def devices_of(self, user_id: str) -> list[Device]:
        """The devices of a user, oldest first."""
        return [device for device in self.devices.values() if device.owner_id == user_id]


@dataclass(frozen=True, slots=True)
class Token:
    """An auth token: whose it is, and when it was issued (seconds; infinity: it never expires)."""

    value: str
    account_id: str
    issued: float


class Directory:
    """All accounts of one server."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.accounts: dict[str, Account] = {}
        self._tokens: dict[str, Token] = {}
        self._owners: dict[tuple[str, str], list[tuple[Account, Device]]] = {}
        self._places: dict[str, tuple[Account, Device]] = {}
        # whoever makes many devices asks for each of them what the others have
        self._holders: dict[tuple[str, Unique, str], list[Device]] = {}

    def new_id(self) -> str:
        """32 random hex digits."""
        return f"{self._rng.getrandbits(128):032x}"

    def word(self, length: int) -> str:
        """`length` random letters and digits."""
        return "".join(self._rng.choices(ALPHABET, k=length))

    def add_account(
        self, name: str, *, parent: str | None, realm: str | None = None, document: Document | None = None
    ) -> Account:
        """Create an account below `parent`. Without `realm` one is made up."""
        account = Account(
            id=self.new_id(),
            name=name,
            realm=realm or f"{self.word(6)}.sip.local",
            parent=parent,
            api_key=f"{self._rng.getrandbits(256):064x}",
            document=document or {},
        )
        self.accounts[account.id] = account
        return account

    def remove_account(self, account: Account) -> None:
        """Forget an account, its devices and its tokens."""
        for device in list(account.devices.values()):
            self.remove(account, device)
        del self.accounts[account.id]
        self._tokens = {value: token for value, token in self._tokens.items() if token.account_id != account.id}

    def children(self, account: Account) -> list[Account]:
        """The accounts right below `account`."""
        return [other for other in self.accounts.values() if other.parent == account.id]

    def is_above(self, upper: Account, lower: Account) -> bool:
        """Whether `upper` is an ancestor of `lower`."""
        parent = lower.parent
        while parent is not None:
            if parent == upper.id:
                return True
            parent = self.accounts[parent].parent if parent in self.accounts else None
        return False

    def account_by_realm(self, realm: str) -> Account | None:
        """The account whose realm it is, in any case."""
        return next((a for a in self.accounts.values() if a.realm.lower() == realm.lower()), None)

    def account_by_key(self, api_key: str) -> Account | None:
        """The account that has the API key."""
        return next((a for a in self.accounts.values() if a.api_key == api_key), None)

    def devices(self) -> Iterator[tuple[Account, Device]]:
        """Every device with its account, oldest first."""
        for account in self.accounts.values():
            for device in account.devices.values():
                yield account, device

    def device_anywhere(self, device_id: str) -> tuple[Account, Device] | None:
        """The device of that id, whoever owns it."""
        return self._places.get(device_id)

    def holders(self, account: Account, field: Unique, value: str) -> Sequence[Device]:
        """The devices of `account` that have this SIP username, in any case, or this MAC address."""
        return self._holders.get(_unique(account, field, value), ())

    def device_of(self, username: str, realm: str) -> tuple[Account, Device] | None:
        """Whose SIP credentials `username` at `realm` are, both in any case."""
        owners = self._owners.get((username.lower(), realm.lower()))
        return owners[0] if owners else None

    def store(self, account: Account, device: Device, document: Document | None = None) -> None:
        """Add `device`, or give it a new document: the next revision."""
        self._forget(account, device)
        if document is not None:
            device.document = document
            device.revision += 1
        if device.id not in account.devices:
            device.registered_presence_id = device.document.get("presence_id")
        account.devices[device.id] = device
        key = _credentials(account, device)
        if key is not None:
            self._owners.setdefault(key, []).append((account, device))
        self._places[device.id] = account, device
        for held in _held(account, device):
            self._holders.setdefault(held, []).append(device)

    def remove(self, account: Account, device: Device) -> None:
        """Forget a device."""
        self._forget(account, device)
        del account.devices[device.id]

    def _forget(self, account: Account, device: Device) -> None:
        """Take out what leads to a device by what its document says."""
        self._places.pop(device.id, None)
        for held in _held(account, device):
            others = [other for other in self._holders.pop(held, ()) if other is not device]
            if others:
                self._holders[held] = others
        key = _credentials(account, device)
        if key is None:
            return
        owners = [owner for owner in self._owners.pop(key, ()) if owner[1] is not device]
        if owners:
            self._owners[key] = owners

    def issue_token(self, account: Account, now: float) -> Token:
        """A new auth token for `account`."""
        token = Token(self.new_id(), account.id, now)
        self._tokens[token.value] = token
        return token

    def token(self, value: str) -> Token | None:
        """The token of that value, expired or not."""
        return self._tokens.get(value)


def _unique(account: Account, field: Unique, value: str) -> tuple[str, Unique, str]:
    return account.id, field, value.lower() if field == "username" else value


def _held(account: Account, device: Device) -> Iterator[tuple[str, Unique, str]]:
    mac = device.document.get("mac_address")
    if device.username is not None:
        yield _unique(account, "username", device.username)
    if isinstance(mac, str):
        yield _unique(account, "mac_address", mac)


def _credentials(account: Account, device: Device) -> tuple[str, str] | None:
    username = device.username
    return None if username is None else (username.lower(), realm_of(account, device).lower())


def realm_of(account: Account, device: Device) -> str:
    """The realm in which `device` registers: its own `sip.realm`, else the account's."""
    realm = device.sip.get("realm")
    return realm if isinstance(realm, str) and realm else account.realm
