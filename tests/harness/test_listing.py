"""What is listed is kept only as long as it is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import listing

LISTING = {"clauses": [{"id": "SYNC-01"}], "scenarios": []}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room, _ in listing._SOURCES:
        (tmp_path / "root" / room).mkdir(parents=True)
    (tmp_path / "root" / "scenarios" / "sync").mkdir()
    monkeypatch.setattr(listing, "_ROOT", tmp_path / "root")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_it_is_kept_and_found_again() -> None:
    assert listing.kept() is None
    listing.keep(LISTING)
    assert listing.kept() == LISTING


@pytest.mark.parametrize("path", ["scenarios/sync/new.scenario.yaml", "reference_server/mutants.py", "harness/a.py"])
def test_whatever_decides_it_makes_it_old(tmp_path: Path, path: str) -> None:
    listing.keep(LISTING)
    changed = tmp_path / "root" / path
    changed.write_text("one")
    assert listing.kept() is None
    listing.keep(LISTING)
    assert listing.kept() == LISTING
    changed.write_text("other")
    assert listing.kept() is None
    listing.keep(LISTING)
    changed.unlink()
    assert listing.kept() is None


def test_paths_are_shown_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing.keep(LISTING)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert listing.kept() is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"fingerprint": 1}', "\0"])
def test_what_is_damaged_is_as_good_as_nothing(tmp_path: Path, content: str) -> None:
    listing.keep(LISTING)
    (tmp_path / "cache" / "ringproof" / "list.json").write_text(content)
    assert listing.kept() is None


def test_where_nothing_can_be_kept_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    listing.keep(LISTING)
    assert listing.kept() is None
