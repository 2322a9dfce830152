"""The exit code of a run: precedence 2 > 3 > 1 > 7 > 5 > 0."""

from itertools import combinations

import pytest

from harness.exit_codes import exit_code
from harness.verdicts import Verdict, worst

V = Verdict


@pytest.mark.parametrize(
    ("verdicts", "code", "strict"),
    [
        ([V.PASS], 0, 0),
        ([V.PASS, V.KNOWN, V.UNCLEAR, V.UNSUPPORTED, V.SKIPPED], 0, 0),
        ([V.NON_STRICT], 0, 1),
        ([V.FAIL, V.PASS], 1, 1),
        ([V.INCONCLUSIVE, V.PASS], 7, 1),
        ([V.INCONCLUSIVE, V.FAIL], 1, 1),
        ([V.ERROR, V.FAIL, V.INCONCLUSIVE], 3, 3),
        ([V.SKIPPED, V.SKIPPED], 5, 5),
        ([], 5, 5),
    ],
)
def test_verdicts_decide(verdicts: list[Verdict], code: int, strict: int) -> None:
    assert exit_code(verdicts, planned=len(verdicts)) == code
    assert exit_code(verdicts, planned=len(verdicts), strict=True) == strict


def test_precedence() -> None:
    everything: dict[int, tuple[list[Verdict], dict[str, bool]]] = {
        2: ([], {"interrupted": True}),
        3: ([], {"broken": True}),
        1: ([V.FAIL], {}),
        7: ([V.INCONCLUSIVE], {}),
        5: ([V.SKIPPED], {}),
    }
    for stronger, weaker in combinations(everything, 2):
        verdicts = everything[stronger][0] + everything[weaker][0]
        flags = {**everything[stronger][1], **everything[weaker][1]}
        assert exit_code(verdicts, planned=len(verdicts), **flags) == stronger, (stronger, weaker)


def test_fewer_verdicts_than_cases_prove_too_little() -> None:
    assert exit_code([V.PASS], planned=2) == 7
    assert exit_code([V.FAIL], planned=2) == 1
    assert exit_code([V.SKIPPED], planned=2) == 7


def test_an_interrupted_run_without_a_verdict() -> None:
    assert exit_code([], planned=3, interrupted=True, broken=True) == 2
    assert exit_code([], planned=3, broken=True) == 3


def test_the_worst_verdict_decides() -> None:
    order = [V.ERROR, V.FAIL, V.INCONCLUSIVE, V.KNOWN, V.NON_STRICT, V.UNCLEAR, V.UNSUPPORTED, V.PASS, V.SKIPPED]
    assert list(Verdict) == order
    for bad, good in combinations(order, 2):
        assert worst([good, bad]) is bad
    assert worst([]) is V.INCONCLUSIVE
