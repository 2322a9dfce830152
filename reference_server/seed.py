"""What every reference server starts with: three accounts, their tokens and keys, a few devices, a user."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference_server.api.schema import DEVICE_DEFAULTS, with_defaults
from reference_server.directory import Account, Device, Directory, User


@dataclass(frozen=True, slots=True)
class SeedDevice:
    """A device that is there from the beginning."""

    id: str
    username: str
    password: str
    presence_id: str


@dataclass(frozen=True, slots=True)
class SeedUser:
    """A user that is there from the beginning."""

    username: str
    password: str
    account_name: str


@dataclass(frozen=True, slots=True)
class SeedAccount:
    """An account that is there from the beginning, with a token that never expires."""

    account_id: str
    realm: str
    auth_token: str
    api_key: str
    devices: tuple[SeedDevice, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """The main account, a sibling that has nothing to do with it, and an account below the main one."""

    account_id: str
    realm: str
    auth_token: str
    api_key: str
    devices: tuple[SeedDevice, ...]
    user: SeedUser
    other_account: SeedAccount
    child_account: SeedAccount


def plant(directory: Directory) -> Seed:
    """Fill an empty directory."""
    main = directory.add_account("main", parent=None)
    other = directory.add_account("other", parent=None)
    child = directory.add_account("child", parent=main.id)
    person = {"username": "operator", "first_name": "Olga", "last_name": "Operator", "priv_level": "admin"}
    user = User(directory.new_id(), person, password=directory.word(12))
    main.users[user.id] = user
    first = _account(directory, main, ("desk", "1001"), ("lobby", "1002"))
    return Seed(
        account_id=first.account_id,
        realm=first.realm,
        auth_token=first.auth_token,
        api_key=first.api_key,
        devices=first.devices,
        user=SeedUser(user.username, user.password, main.name),
        other_account=_account(directory, other, ("stranger", "2001")),
        child_account=_account(directory, child, ("branch", "3001")),
    )


def _account(directory: Directory, account: Account, *devices: tuple[str, str]) -> SeedAccount:
    planted = tuple(_device(directory, account, name, extension) for name, extension in devices)
    token = directory.issue_token(account, math.inf)
    return SeedAccount(account.id, account.realm, token.value, account.api_key, planted)


def _device(directory: Directory, account: Account, name: str, extension: str) -> SeedDevice:
    username, password = f"{name}-{directory.word(4)}", directory.word(16)
    document = {
        "name": name,
        "presence_id": extension,
        "sip": {"username": username, "password": password},
    }
    device = Device(directory.new_id(), with_defaults(document, DEVICE_DEFAULTS))
    directory.store(account, device)
    return SeedDevice(device.id, username, password, extension)
