"""The task of work on trio, from its first step to its last.

It has a module of its own because it is not compiled with the others (`pyproject.toml`):
trio puts another coroutine around one that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from nspd.core.work_trio import TrioWork


async def supervise(work: TrioWork) -> None:
    """Run the body of work, and tell how it ended."""
    error: BaseException | None = None
    wrong: RuntimeError | None = None
    try:
        body = work.begin()
        if body is not None:
            await body
    # The supervisor: a provider may fail in any way.
    except (Exception, trio.Cancelled, BaseExceptionGroup) as raised:  # noqa: BLE001
        error = work.left_of(raised)
    except BaseException:  # such as KeyboardInterrupt: it goes on, and stops the process
        work.give_up()
        raise
    finally:
        if work.task is not None and work.task.child_nurseries:
            wrong = await work.close_nurseries(work.task)
        work.end(error, wrong)
        error = wrong = None  # their tracebacks point at this very frame
