"""Takes the pictures in docs/screenshots: `make screenshots`.

Two runs in virtual time with a fixed seed are looked at, so the pictures change only when the report does: one that
keeps its promises, and one against a reference server that leaves lamps lit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.judge import judge_record
from harness.loader import load_cases, shipped
from reference_server.mutants import MUTANTS
from reports.html import render
from reports.pcapng import case_capture
from reports.record import read_record
from reports.view import run_view
from tests.end_to_end.support import ROOT, run

if TYPE_CHECKING:
    from tests.interop.browser import Page

FOLDER = ROOT / "docs" / "screenshots"
SEED = 41
MUTANT = "early-after-terminated"
STUCK = "#/case/lamps%2Fcaller-gives-up"
EDGE = 14
"""Pixels around what is pictured."""
WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: where, what is done there first, and which part of the page."""

    name: str
    route: str
    part: str
    before: str = ""
    most: int = 900


SHOTS = (
    Shot("overview", "", "#home", most=960),
    Shot("matrix", "", ".board", 'document.getElementById("f-chapter").value = "lamps"; filter();', most=860),
    Shot("failing-case", STUCK, "#page", most=760),
    Shot("lamps", STUCK, ".s-lamps"),
    Shot(
        "ladder",
        STUCK,
        ".ladder",
        """
        const decisive = [...document.querySelectorAll("#ladder .decides")].pop();
        const box = document.getElementById("ladder");
        box.style.maxHeight = "720px";
        const from = box.getBoundingClientRect().top - box.scrollTop;
        const top = decisive.getBoundingClientRect().top - from - 560;
        box.scrollTo({ top, left: 1000, behavior: "instant" });
        """,
    ),
    Shot(
        "message",
        STUCK,
        "",
        """
        const decisive = [...document.querySelectorAll("#ladder .decides")].pop();
        document.getElementById("ladder").scrollIntoView({ behavior: "instant" });
        decisive.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        document.activeElement.blur();
        """,
    ),
)


def main() -> None:
    """Take every picture, in both widths and both sets of colours."""
    from tests.interop.browser import browser

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = report(Path(scratch))
        with browser(tool("chromium"), tool("chromedriver"), Path(scratch) / "profile") as page:
            for shot in SHOTS:
                for width in WIDTHS:
                    for scheme in SCHEMES:
                        path = FOLDER / f"{shot.name}-{width}-{scheme}.png"
                        path.write_bytes(taken(page, file, shot, width, scheme))
                        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def report(folder: Path) -> Path:
    """The report of all shipped cases against the mutant."""
    result = run(load_cases(shipped()), folder / "out", behaviour=MUTANTS[MUTANT].behaviour, mutant=MUTANT, seed=SEED)
    record = read_record(result.folder)
    view = run_view(record, [verdict.as_json() for verdict in judge_record(record)])
    file = folder / "report.html"
    file.write_text(render(view, case_capture), encoding="utf-8")
    return file


def taken(page: Page, file: Path, shot: Shot, width: int, scheme: str) -> bytes:
    """One picture."""
    page.size(width, 900 if width > 500 else 780)
    page.colours(scheme)
    page.open(file, shot.route)
    page.one("#ladder .row" if shot.route else "#matrix")
    page.run(shot.before)
    if not shot.part:
        page.one("#drawer")
        return smaller(page.picture())
    clip = page.run(
        """
        const r = arguments[0].getBoundingClientRect();
        return { x: r.left + scrollX, y: r.top + scrollY, width: r.width, height: r.height };
        """,
        page.one(shot.part),
    )
    if shot.part.startswith("#"):
        return smaller(
            page.picture({"x": 0, "y": 0, "width": width, "height": min(clip["y"] + clip["height"], shot.most)})
        )
    around = {"x": clip["x"] - EDGE, "y": clip["y"] - EDGE, "width": clip["width"] + 2 * EDGE}
    return smaller(page.picture({**around, "height": min(clip["height"] + 2 * EDGE, shot.most)}))


def tool(program: str) -> str:
    """The path of a program, without which there are no pictures."""
    path = shutil.which(program)
    if path is None:
        sys.exit(f"{program} is not installed: make test-deps")
    return path


def smaller(png: bytes) -> bytes:
    """The picture with a palette of its own."""
    command = [tool("pngquant"), "--quality=75-98", "--speed=1", "--strip", "-"]
    return subprocess.run(command, input=png, capture_output=True, check=True, timeout=60).stdout


if __name__ == "__main__":
    main()
