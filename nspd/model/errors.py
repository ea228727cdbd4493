"""Error numbers, and the exception class of each.

The numbers are those of Windows Sockets ("Windows Sockets Error Codes"); the
daemon sends them as the ``code`` of an error, with the symbolic name as its
``message``. One table joins code and class; it is built from the classes
themselves, and refuses a code that two classes claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

WSA_INVALID_HANDLE = 6
WSA_NOT_ENOUGH_MEMORY = 8
WSA_INVALID_PARAMETER = 87
WSAEACCES = 10013
WSAEFAULT = 10014
WSAEINVAL = 10022
WSAEOPNOTSUPP = 10045
WSAENETDOWN = 10050
WSAENOBUFS = 10055
WSAETIMEDOUT = 10060
WSASYSNOTREADY = 10091
WSAVERNOTSUPPORTED = 10092
WSANOTINITIALISED = 10093
WSAENOMORE = 10102
WSAECANCELLED = 10103
WSASYSCALLFAILURE = 10107
WSASERVICE_NOT_FOUND = 10108
WSA_E_NO_MORE = 10110
WSA_E_CANCELLED = 10111
WSAHOST_NOT_FOUND = 11001
WSATRY_AGAIN = 11002
WSANO_RECOVERY = 11003
WSANO_DATA = 11004

NAMES: Mapping[int, str] = MappingProxyType(
    {
        6: "WSA_INVALID_HANDLE",
        8: "WSA_NOT_ENOUGH_MEMORY",
        87: "WSA_INVALID_PARAMETER",
        995: "WSA_OPERATION_ABORTED",
        997: "WSA_IO_PENDING",
        10013: "WSAEACCES",
        10014: "WSAEFAULT",
        10022: "WSAEINVAL",
        10035: "WSAEWOULDBLOCK",
        10036: "WSAEINPROGRESS",
        10037: "WSAEALREADY",
        10044: "WSAESOCKTNOSUPPORT",
        10045: "WSAEOPNOTSUPP",
        10047: "WSAEAFNOSUPPORT",
        10050: "WSAENETDOWN",
        10055: "WSAENOBUFS",
        10059: "WSAETOOMANYREFS",
        10060: "WSAETIMEDOUT",
        10091: "WSASYSNOTREADY",
        10092: "WSAVERNOTSUPPORTED",
        10093: "WSANOTINITIALISED",
        10102: "WSAENOMORE",
        10103: "WSAECANCELLED",
        10104: "WSAEINVALIDPROCTABLE",
        10105: "WSAEINVALIDPROVIDER",
        10107: "WSASYSCALLFAILURE",
        10108: "WSASERVICE_NOT_FOUND",
        10109: "WSATYPE_NOT_FOUND",
        10110: "WSA_E_NO_MORE",
        10111: "WSA_E_CANCELLED",
        11001: "WSAHOST_NOT_FOUND",
        11002: "WSATRY_AGAIN",
        11003: "WSANO_RECOVERY",
        11004: "WSANO_DATA",
    }
)


def error_name(code: int) -> str:
    """The symbolic name of an error number; ``WSA_<n>`` for one that has none."""
    return NAMES.get(code) or f"WSA_{code}"


class WSAError(Exception):
    """An operation failed with a Windows Sockets error number.

    Raised by the client libraries for every error that the daemon answers, and
    by providers to end a lookup with that number. ``except WSAError`` catches
    them all; each number that nspd uses has a subclass.
    """

    code: int = WSASYSCALLFAILURE
    _code_of_class: ClassVar[int | None] = None

    def __init__(
        self,
        detail: str = "",
        *,
        code: int | None = None,
        data: Mapping[str, Any] | None = None,
        setting: str | None = None,
    ) -> None:
        """Make the error.

        Args:
            detail: one sentence for a person.
            code: the error number; by default that of the class.
            data: what else the daemon said (``verdicts``, ``buffer_length``, ...).
            setting: the setting whose limit was hit, such as "timeout"; a provider
                gives it, and it stands in the provider's verdict.
        """
        if code is not None:
            self.code = code
        self.detail = detail
        self.data: Mapping[str, Any] = data if data is not None else {}
        self.setting = setting
        super().__init__(detail)

    @property
    def name(self) -> str:
        """The symbolic name, such as ``WSA_E_CANCELLED``."""
        return error_name(self.code)

    @property
    def verdicts(self) -> list[Any]:
        """What became of each provider that was asked; empty where not applicable."""
        return list(self.data.get("verdicts", ()))

    def __init_subclass__(cls, *, code: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if code is None:
            return
        taken = _CLASSES.get(code)
        if taken is not None:
            raise TypeError(f"{cls.__name__} and {taken.__name__} both claim error {code}")
        cls.code = cls._code_of_class = code
        _CLASSES[code] = cls

    def __str__(self) -> str:
        text = f"{self.name} ({self.code})"
        return f"{text}: {self.detail}" if self.detail else text

    def __reduce__(self) -> tuple[Any, ...]:
        return (error_for, (self.code, self.detail, dict(self.data), self.setting))


_CLASSES: dict[int, type[WSAError]] = {}


class InvalidHandle(WSAError, code=WSA_INVALID_HANDLE):
    """The lookup does not exist, has ended, or belongs to another client."""


class NotEnoughMemory(WSAError, code=WSA_NOT_ENOUGH_MEMORY):
    """A limit of the daemon was reached."""


class InvalidParameter(WSAError, code=WSA_INVALID_PARAMETER):
    """A parameter is unusable (class information calls)."""


class AccessDenied(WSAError, code=WSAEACCES):
    """The caller may not do this."""


class BufferTooSmall(WSAError, code=WSAEFAULT):
    """The record does not fit; it stays for the next call."""

    @property
    def needed(self) -> int:
        """Bytes that the record needs in its native form; 0 if unknown."""
        return int(self.data.get("buffer_length", 0))


class InvalidArgument(WSAError, code=WSAEINVAL):
    """An argument is missing, malformed or impossible."""


class NotSupported(WSAError, code=WSAEOPNOTSUPP):
    """The provider does not implement this."""


class NetworkDown(WSAError, code=WSAENETDOWN):
    """The daemon cannot be reached, or went away during the call."""


class NoBuffers(WSAError, code=WSAENOBUFS):
    """A result or the work behind it grew past a bound."""


class TimedOut(WSAError, code=WSAETIMEDOUT):
    """The time allowed ran out."""


class NotReady(WSAError, code=WSASYSNOTREADY):
    """The daemon is going away and takes no new work."""


class VersionNotSupported(WSAError, code=WSAVERNOTSUPPORTED):
    """The daemon does not speak the protocol asked for."""


class NotInitialised(WSAError, code=WSANOTINITIALISED):
    """No Startup is outstanding."""


class ProviderFailed(WSAError, code=WSASYSCALLFAILURE):
    """A provider failed without giving a code."""


class ServiceNotFound(WSAError, code=WSASERVICE_NOT_FOUND):
    """The name, namespace or provider is not known."""


class NoMoreResults(WSAError, code=WSA_E_NO_MORE):
    """Every record has been delivered."""


class LookupCancelled(WSAError, code=WSA_E_CANCELLED):
    """The call was cancelled."""


class HostNotFound(WSAError, code=WSAHOST_NOT_FOUND):
    """There is no such host."""


class TryAgain(WSAError, code=WSATRY_AGAIN):
    """A temporary failure."""


class NoRecovery(WSAError, code=WSANO_RECOVERY):
    """A permanent failure."""


class NoData(WSAError, code=WSANO_DATA):
    """The name is known, but has nothing of the kind asked for."""


CLASSES: Mapping[int, type[WSAError]] = MappingProxyType(_CLASSES)
"""The class of each code that has one of its own."""


def error_for(
    code: int,
    detail: str = "",
    data: Mapping[str, Any] | None = None,
    setting: str | None = None,
) -> WSAError:
    """The exception for an error number: its own class, or plain `WSAError`."""
    return _CLASSES.get(code, WSAError)(detail, code=code, data=data, setting=setting)
