"""Call a function for several databases in parallel, with a time limit."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def run_on_all(
    function: Callable[[str], T], aliases: Sequence[str], *, seconds: float
) -> dict[str, T]:
    """Call `function` with each alias in parallel; return the results by alias.

    Calls that do not finish within `seconds` are missing from the results. Each call has its own
    connections, which are closed afterwards. An exception of a call is raised here.
    """
    futures = {alias: Future[T]() for alias in aliases}
    for alias, future in futures.items():
        # Daemon threads: a thread that waits for a hanging server must not delay the exit.
        Thread(target=_run, args=(function, alias, future), daemon=True).start()
    done, _ = wait(futures.values(), timeout=seconds)
    return {alias: future.result() for alias, future in futures.items() if future in done}


def _run(function: Callable[[str], T], alias: str, future: Future[T]) -> None:
    try:
        try:
            result = function(alias)
        finally:
            connections.close_all()
        future.set_result(result)
    except Exception as error:  # noqa: BLE001 # raised in the caller's thread
        future.set_exception(error)
