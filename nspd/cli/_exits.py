"""Exit statuses of nspctl, and which error number ends in which."""

from __future__ import annotations

from enum import IntEnum

from nspd.model import errors


class Exit(IntEnum):
    """What the exit status of nspctl means."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    TIMED_OUT = 4
    NOT_PERMITTED = 5
    UNREACHABLE = 6
    CANCELLED = 7
    PARTIAL = 8
    INTERRUPTED = 130


_OF_CODE = {
    errors.WSA_INVALID_HANDLE: Exit.NOT_FOUND,
    errors.WSAEACCES: Exit.NOT_PERMITTED,
    errors.WSAENETDOWN: Exit.UNREACHABLE,
    errors.WSASYSNOTREADY: Exit.UNREACHABLE,
    errors.WSAETIMEDOUT: Exit.TIMED_OUT,
    errors.WSAECANCELLED: Exit.CANCELLED,
    errors.WSA_E_CANCELLED: Exit.CANCELLED,
    errors.WSAENOMORE: Exit.NOT_FOUND,
    errors.WSA_E_NO_MORE: Exit.NOT_FOUND,
    errors.WSASERVICE_NOT_FOUND: Exit.NOT_FOUND,
    errors.WSAHOST_NOT_FOUND: Exit.NOT_FOUND,
    errors.WSANO_DATA: Exit.NOT_FOUND,
}


def exit_of(code: int) -> Exit:
    """The exit status for an error number; FAILURE for one without a status of its own."""
    return _OF_CODE.get(code, Exit.FAILURE)
