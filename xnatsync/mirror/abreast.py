"""Several things done at once, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def abreast(items: Iterable[Item], act: Callable[[Item], Result], at_once: int) -> Iterator[Result]:
    """Acts on items in threads, so many at once and none far ahead of the caller; gives the results in their order.

    An error is raised where its result would have come; what is at work then, or when the caller stops, comes to its
    end, and what was not begun is not.
    """
    rest = iter(items)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="abreast") as pool:
        try:
            waiting.extend(pool.submit(act, item) for item in islice(rest, at_once))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(act, item) for item in islice(rest, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
