"""What a reference server does when it is asked to, and no Kazoo does."""

from __future__ import annotations

from collections.abc import Callable

from harness.accounts import CannotPrepare, NotOffered, Tenancy
from harness.api_session import ApiSession
from harness.matchers import show
from harness.steps import Lose, Restart
from harness.target import Target


async def meddle(
    step: Lose | Restart, target: Target, api: ApiSession, tenancy: Tenancy, presentity: Callable[[str], str]
) -> None:
    """Let the server lose an event inside, or restart. `presentity` says whose URI a phone's name stands for."""
    loses = isinstance(step, Lose)
    if target.kind != "reference":
        what = "loses an event" if loses else "restarts"
        raise NotOffered(f"only the reference server {what} when it is asked to")
    token = (await tenancy.account("own")).token
    path, data = "restart", {}
    if isinstance(step, Lose):
        path, data = "lose", {"presentity": presentity(step.lose.of), "state": step.lose.state}
    status, reply = await api.prepare("POST", f"/ringproof/{path}", token, data=data)
    if not 200 <= status < 300:
        raise CannotPrepare(f"the server does not {path}: {status} {show(reply)}")
