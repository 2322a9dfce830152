"""How `--dist load` of xdist deals scenario files out: each node gets its whole share at once, the rest as before."""

from __future__ import annotations

from dataclasses import dataclass, field

from ringproof_pytest import deal_cases


@dataclass(eq=False)
class Node:
    """One of xdist's workers, as the controller sees it."""

    sent: list[int] = field(default_factory=list)

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.sent += numbers


class Scheduler:
    """What a LoadScheduling of xdist 3 holds, after its first portions have gone out."""

    def __init__(self, collection: list[str], pending: list[int], nodes: int) -> None:
        self.collection = collection
        self.pending = pending
        self.nodes = [Node() for _ in range(nodes)]
        self.node2pending: dict[Node, list[int]] = {node: [] for node in self.nodes}


def test_scenario_items_are_dealt_out_at_once_and_others_stay_pending() -> None:
    ids = ["a/x.scenario.yaml::x[v1]", "tests/test_a.py::test_a", "a/y.scenario.yaml::y", "a/z.scenario.yaml::z"]
    scheduler = Scheduler(ids * 2, list(range(1, 8)), 2)
    deal_cases(scheduler)
    assert scheduler.pending == [1, 5]
    assert [node.sent for node in scheduler.nodes] == [[2, 4, 7], [3, 6]]
    assert list(scheduler.node2pending.values()) == [[2, 4, 7], [3, 6]]


def test_without_scenario_items_nothing_changes() -> None:
    scheduler = Scheduler(["tests/test_a.py::test_a"] * 4, [2, 3], 2)
    deal_cases(scheduler)
    assert scheduler.pending == [2, 3]
    assert [node.sent for node in scheduler.nodes] == [[], []]
