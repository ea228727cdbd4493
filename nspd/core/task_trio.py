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
    try:
        if work.begin():
            await work.enter()
    # The supervisor: a provider may fail in any way.
    except (Exception, trio.Cancelled, BaseExceptionGroup) as raised:  # noqa: BLE001
        error = work.left_of(raised)
    except BaseException:  # such as KeyboardInterrupt: it goes on, and stops the process
        work.give_up()
        raise
    finally:
        work.end(error)
        error = None  # its traceback points at this very frame
