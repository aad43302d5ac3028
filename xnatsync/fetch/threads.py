"""Several things done at once, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def abreast(
    items: Iterable[Item], act: Callable[[Item], Result], at_once: int, leave: Callable[[], None] = lambda: None
) -> Generator[Result]:
    """Act on items in threads, so many at once and none far ahead of the caller; return the results in their order.

    An error, of an item or of their source, is raised where its result would have come; what is at work then, or when
    the caller stops, comes to its end, and what was not begun is not.  `leave` is called then, before what is at work
    is waited for: it can be told to end early.
    """
    rest = iter(items)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="abreast") as pool:
        try:
            waiting.extend(_begin(pool, rest, act) for _ in range(at_once))
            while True:
                future = waiting.popleft()
                result = future.result()
                waiting.append(_begin(pool, rest, act))
                yield result
        except _Over:
            return
        except BaseException:
            leave()
            raise
        finally:
            for future in waiting:
                future.cancel()


def _begin(pool: ThreadPoolExecutor, rest: Iterator[Item], act: Callable[[Item], Result]) -> Future[Result]:
    """Begin with the next item; what the source says instead of one is told in its turn."""
    try:
        return pool.submit(act, next(rest))
    except StopIteration:
        return _failed(_Over())
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_exception(error)
    return future


class _Over(Exception):
    """There are no more items."""
