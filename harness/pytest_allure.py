"""`pytest --alluredir`: what allure-pytest writes of our items is filled in from the Record.

allure-pytest times an item by the clock of the process, but an item of ours only waits for its case. So right before
its result is written, steps, times, attachments and labels become those that `ringproof run --alluredir` writes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from reports.view import CaseView

_NAME = "ringproof-allure"
_VIEW = pytest.StashKey[CaseView]()
_WHOLE = ("name", "fullName", "testCaseId", "historyId", "titlePath", "description", "labels", "links", "parameters")
_FROM_RECORD = ("start", "stop", "steps", "attachments")


def is_wanted(config: pytest.Config) -> bool:
    """Whether allure-pytest writes results in this session."""
    return bool(config.pluginmanager.has_plugin("allure_listener"))


def keep(item: pytest.Item, view: CaseView | None) -> None:
    """Let the result of `item` show `view`, if results are written at all."""
    if view is None or not is_wanted(item.config):
        return
    item.stash[_VIEW] = view
    plugins = item.config.pluginmanager
    if not plugins.has_plugin(_NAME):
        plugins.register(_FromRecord(plugins.get_plugin("allure_listener")), _NAME)


class _FromRecord:
    """Goes last over a result: around the listener's own hook, and before it writes."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        view = item.stash.get(_VIEW, None)
        if call.when == "teardown" and view is not None:
            del item.stash[_VIEW]
            self._fill(self._listener.allure_logger.get_test(None), view, is_case=not hasattr(item, "function"))
        return report

    def _fill(self, result: Any, view: CaseView, *, is_case: bool) -> None:
        """`is_case`: an item of a scenario file. A Python test keeps its own name, labels, status and times."""
        from allure_commons import plugin_manager

        from reports.allure import told_of

        told = told_of(view)
        if is_case:
            for name in (*_WHOLE, *_FROM_RECORD):
                setattr(result, name, getattr(told.result, name))
            if result.status == told.result.status:
                result.statusDetails = told.result.statusDetails
        else:
            result.steps += told.result.steps
            result.attachments += told.result.attachments
        for name, data in told.files.items():
            plugin_manager.hook.report_attached_data(body=data, file_name=name)
