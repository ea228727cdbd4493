from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import Raw

from nspd import ws2
from nspd.client.calls import record_of
from nspd.model.native import native_size
from nspd.ws2 import (
    LUP_DEEP,
    LUP_FLUSHPREVIOUS,
    LUP_RETURN_ALL,
    RNRSERVICE_REGISTER,
    SERVICE_MULTIPLE,
    SIZEOF_WSAQUERYSET,
    SOCKET_ERROR,
    WSADATA,
    WSAQUERYSET,
    Ref,
    WSACleanup,
    WSAEnumNameSpaceProvidersEx,
    WSAGetLastError,
    WSALookupServiceBegin,
    WSALookupServiceEnd,
    WSALookupServiceNext,
    WSASetLastError,
    WSASetService,
    WSAStartup,
)
from tests.client.fake import ADDRESS, FakeDaemon, Request, record, verdict

BEGIN = "NSPv2LookupServiceBegin"
NEXT = "NSPv2LookupServiceNextEx"
END = "NSPv2LookupServiceEnd"
VERSION = ws2.MAKEWORD(2, 2)


@pytest.fixture
def winsock(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A started Winsock, and the daemon behind it."""
    monkeypatch.setenv("NSPD_SOCKET", daemon.path)
    assert WSAStartup(VERSION, WSADATA()) == 0
    WSASetLastError(0)
    yield daemon
    assert WSACleanup() == 0


def query(name: str = "a") -> WSAQUERYSET:
    return WSAQUERYSET(dwSize=SIZEOF_WSAQUERYSET, lpszServiceInstanceName=name)


def begun() -> int:
    """The handle of a lookup that was just begun."""
    handle = Ref(0)
    assert WSALookupServiceBegin(query(), LUP_RETURN_ALL, handle) == 0
    return handle.value


def size_of(members: dict[str, object]) -> int:
    return native_size(record_of(Raw(json.dumps(members).encode())))


class Records:
    """Answers NextEx from a list as the daemon does, with sizes and FLUSHPREVIOUS."""

    def __init__(self, *names: str) -> None:
        self.left = [record(name) for name in names]
        self.refused = False

    def __call__(self, request: Request) -> None:
        if self.refused and request.params["control_flags"] & LUP_FLUSHPREVIOUS:
            del self.left[0]
        if not self.left:
            request.fail(10110, verdicts=[verdict()])
            return
        needed = size_of(self.left[0])
        room = request.params["buffer_length"]
        self.refused = room is not None and needed > room
        if self.refused:
            request.fail(10014, buffer_length=needed)
        else:
            request.reply(self.left.pop(0))


def test_begin_without_a_query_set(winsock: FakeDaemon) -> None:
    """Case 1: a null query set is 10014; no frame is sent, no handle made."""
    handle = Ref(0)
    assert WSALookupServiceBegin(None, LUP_RETURN_ALL, handle) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT
    assert handle.value == 0
    assert winsock.seen == []


def test_begin_without_a_place_for_the_handle(winsock: FakeDaemon) -> None:
    """Case 2: a null handle pointer is 10014, and no frame is sent."""
    assert WSALookupServiceBegin(query(), LUP_RETURN_ALL, None) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT
    assert winsock.seen == []


def test_begin_with_an_all_zero_query_set(winsock: FakeDaemon) -> None:
    """Case 3: a query set whose size member is 0 is 10022."""
    assert WSALookupServiceBegin(WSAQUERYSET(), LUP_RETURN_ALL, Ref(0)) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEINVAL
    assert winsock.seen == []


@pytest.mark.parametrize(
    ("handle", "code"), [(None, ws2.WSAEINVAL), (0, ws2.WSA_INVALID_HANDLE), (8, 6), (-1, 6)]
)
def test_calls_on_a_handle_that_is_none(winsock: FakeDaemon, handle: int | None, code: int) -> None:
    """Cases 4 and 7: null is 10022 and a number that is no handle 6, for Next and End."""
    mine = begun()
    assert WSALookupServiceEnd(handle) == SOCKET_ERROR
    assert WSAGetLastError() == code
    WSASetLastError(0)
    assert WSALookupServiceNext(handle, 0, Ref(0), WSAQUERYSET()) == SOCKET_ERROR
    assert WSAGetLastError() == code
    assert WSALookupServiceEnd(mine) == 0


def test_begin_writes_the_handle(winsock: FakeDaemon) -> None:
    """Case 5: Begin returns 0 and a handle; its flags and members reach the daemon."""
    handle = Ref(0)
    native = query()
    native.dwNameSpace = ws2.NS_TEST
    native.lpafpProtocols = [ws2.AFPROTOCOLS("inet", 6), ws2.AFPROTOCOLS("inet6", 6)]
    native.dwNumberOfProtocols = 1
    assert WSALookupServiceBegin(native, LUP_RETURN_ALL | LUP_DEEP, handle) == 0
    assert handle.value == 7
    params = winsock.seen[-1].params
    assert params["control_flags"] == LUP_RETURN_ALL | LUP_DEEP
    assert params["restrictions"]["namespace"] == 65537
    assert params["restrictions"]["protocols"] == [{"family": "inet", "protocol": 6}]
    assert WSALookupServiceEnd(handle.value) == 0


def test_all_records_then_no_more(winsock: FakeDaemon) -> None:
    """Case 6: Next with flags 0 into a buffer without size gives 3 records, then 10110."""
    winsock.answer_with(NEXT, Records("a-1", "a-2", "a-3"))
    handle, result = begun(), WSAQUERYSET()
    names = []
    while WSALookupServiceNext(handle, 0, Ref(4096), result) == 0:
        names.append(result.lpszServiceInstanceName)
        assert (result.dwSize, result.dwNameSpace) == (SIZEOF_WSAQUERYSET, ws2.NS_TEST)
    assert names == ["a-1", "a-2", "a-3"]
    assert WSAGetLastError() == ws2.WSA_E_NO_MORE
    assert WSALookupServiceEnd(handle) == 0
    assert WSALookupServiceEnd(handle) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSA_INVALID_HANDLE


def test_a_protocol_count_without_a_list(winsock: FakeDaemon) -> None:
    """Case 17: count 2 with the list missing is 10022; count 0 is accepted."""
    native = query()
    native.dwNumberOfProtocols = 2
    assert WSALookupServiceBegin(native, LUP_RETURN_ALL, Ref(0)) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEINVAL
    native.dwNumberOfProtocols = 0
    handle = Ref(0)
    assert WSALookupServiceBegin(native, LUP_RETURN_ALL, handle) == 0
    assert WSALookupServiceEnd(handle.value) == 0


def test_no_room_tells_the_size(winsock: FakeDaemon) -> None:
    """Cases 28 and 30: capacity 0 is 10014 with the size, which then is exactly enough."""
    winsock.answer_with(NEXT, Records("a"))
    handle, length, result = begun(), Ref(0), WSAQUERYSET()
    assert WSALookupServiceNext(handle, 0, length, result) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT
    assert length.value == size_of(record("a"))
    assert result == WSAQUERYSET()
    assert WSALookupServiceNext(handle, 0, length, result) == 0
    assert length.value == size_of(record("a"))
    assert result.lpszServiceInstanceName == "a"
    assert WSALookupServiceEnd(handle) == 0


def test_null_pointers_of_next(winsock: FakeDaemon) -> None:
    """Case 29: a null length is 10014 unasked; a null buffer is 10014 with the size."""
    winsock.answer_with(NEXT, Records("a"))
    handle, length = begun(), Ref(4096)
    assert WSALookupServiceNext(handle, 0, None, WSAQUERYSET()) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT
    assert winsock.count(NEXT) == 0
    assert WSALookupServiceNext(handle, 0, length, None) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT
    assert length.value == size_of(record("a"))
    assert WSALookupServiceEnd(handle) == 0


def test_each_record_may_need_a_new_size(winsock: FakeDaemon) -> None:
    """Case 31: offering the previous size is 10014 for each growth, and nothing is lost."""
    names = ["a", "aaaa", "aaaaaaaa"]
    winsock.answer_with(NEXT, Records(*names))
    handle, length, result = begun(), Ref(0), WSAQUERYSET()
    sizes, got = [], []
    while True:
        if WSALookupServiceNext(handle, 0, length, result) == 0:
            got.append(result.lpszServiceInstanceName)
        elif WSAGetLastError() == ws2.WSAEFAULT:
            sizes.append(length.value)
        else:
            break
    assert got == names
    assert sizes == [size_of(record(name)) for name in names]
    assert WSALookupServiceEnd(handle) == 0


def test_flush_previous_passes_over_the_record_that_did_not_fit(winsock: FakeDaemon) -> None:
    """The flag reaches the daemon, and the call returns the record after it."""
    winsock.answer_with(NEXT, Records("long name", "b"))
    handle, result = begun(), WSAQUERYSET()
    assert WSALookupServiceNext(handle, 0, Ref(1), result) == SOCKET_ERROR
    assert WSALookupServiceNext(handle, LUP_FLUSHPREVIOUS, Ref(4096), result) == 0
    assert result.lpszServiceInstanceName == "b"
    assert WSALookupServiceEnd(handle) == 0


def test_a_wrong_size_at_startup_opens_no_session() -> None:
    """Case 82: 10022 from the façade; the session count does not move."""
    assert WSAStartup(VERSION, WSADATA(cbSize=1)) == ws2.WSAEINVAL
    assert WSAStartup(VERSION, None) == ws2.WSAEFAULT
    assert WSACleanup() == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSANOTINITIALISED


@pytest.mark.parametrize("data", [WSADATA(), WSADATA(cbSize=1), None])
def test_a_version_that_is_not_supported(data: WSADATA | None) -> None:
    """Case 81: 10092, before anything else is looked at."""
    assert WSAStartup(ws2.MAKEWORD(0, 9), data) == ws2.WSAVERNOTSUPPORTED


def test_a_newer_version_gets_the_highest_there_is(winsock: FakeDaemon) -> None:
    """As on Windows, the version spoken is the lower of the two; startups are counted."""
    data = WSADATA()
    assert WSAStartup(ws2.MAKEWORD(3, 0), data) == 0
    assert data.wVersion == data.wHighVersion == VERSION
    assert WSACleanup() == 0
    handle = begun()
    assert WSALookupServiceEnd(handle) == 0


def test_nothing_works_without_startup() -> None:
    """Case 80: each call is 10093."""
    calls: list[Callable[[], int]] = [
        lambda: WSALookupServiceBegin(query(), LUP_RETURN_ALL, Ref(0)),
        lambda: WSALookupServiceNext(7, 0, Ref(0), WSAQUERYSET()),
        lambda: WSALookupServiceEnd(7),
        lambda: WSASetService(query(), RNRSERVICE_REGISTER, 0),
        lambda: WSAEnumNameSpaceProvidersEx(Ref(0), []),
        WSACleanup,
    ]
    for call in calls:
        WSASetLastError(0)
        assert call() == SOCKET_ERROR
        assert WSAGetLastError() == ws2.WSANOTINITIALISED


def test_the_last_error_is_the_threads_own(winsock: FakeDaemon) -> None:
    """A failure in one thread is not seen in another; a success changes nothing."""
    assert WSALookupServiceEnd(99) == SOCKET_ERROR
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(WSAGetLastError).result() == 0
    assert WSALookupServiceEnd(begun()) == 0
    assert WSAGetLastError() == ws2.WSA_INVALID_HANDLE


def test_end_in_another_thread_releases_next(winsock: FakeDaemon) -> None:
    """A blocked Next returns -1 with 10111 once another thread ends the lookup."""
    handle = begun()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(
            lambda: (WSALookupServiceNext(handle, 0, Ref(0), WSAQUERYSET()), WSAGetLastError())
        )
        held = winsock.expect(NEXT)
        winsock.hold(END)
        ending = pool.submit(WSALookupServiceEnd, handle)
        end = winsock.expect(END)
        held.fail(10111)
        end.reply({"cancelled": 1, "work": "stopped"})
        assert ending.result() == 0
        assert waiting.result() == (SOCKET_ERROR, ws2.WSA_E_CANCELLED)


def test_set_service_sends_the_registration(winsock: FakeDaemon) -> None:
    """Members, operation and flags arrive; an error is the last error."""
    winsock.answer("NSPv2SetServiceEx", None)
    native = query("printer")
    native.dwNameSpace = ws2.NS_REGISTRY
    remote = ws2.SOCKET_ADDRESS.inet("192.0.2.1", 80)
    native.lpcsaBuffer = [ws2.CSADDR_INFO(remote=remote, socket_type=1, protocol=6)]
    assert WSASetService(native, RNRSERVICE_REGISTER, SERVICE_MULTIPLE) == 0
    params = winsock.seen[-1].params
    assert (params["operation"], params["control_flags"]) == (0, 1)
    assert params["registration"]["addresses"] == [{**ADDRESS, "socket_type": 1, "protocol": 6}]
    winsock.refuse("NSPv2SetServiceEx", 10013)
    assert WSASetService(native, RNRSERVICE_REGISTER, 0) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEACCES
    assert WSASetService(None, RNRSERVICE_REGISTER, 0) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT


def test_the_catalog_needs_room_too(winsock: FakeDaemon) -> None:
    """Too small: 10014 with the length; then the number of entries, inactive ones too."""
    entry = {
        "provider_id": "5e1d0000-0000-4000-8000-00000000000b",
        "namespace": 11,
        "identifier": "hosts",
        "kind": "hosts",
        "version": 1,
        "active": False,
        "watch": False,
        "registers": False,
    }
    winsock.answer("WSAEnumNameSpaceProvidersEx", {"providers": [entry]})
    length = Ref(0)
    found: list[ws2.WSANAMESPACE_INFOEX] = []
    assert WSAEnumNameSpaceProvidersEx(length, found) == SOCKET_ERROR
    assert (WSAGetLastError(), length.value) == (ws2.WSAEFAULT, 56 + 2 * len("hosts") + 2)
    assert WSAEnumNameSpaceProvidersEx(length, found) == 1
    assert (found[0].lpszIdentifier, found[0].fActive) == ("hosts", False)
    assert WSAEnumNameSpaceProvidersEx(None, found) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAEFAULT


def test_no_daemon_is_an_error_number(
    winsock: FakeDaemon,
) -> None:
    """Where nothing listens, Begin is -1 with 10050; nothing is raised."""
    winsock.stop()
    assert WSALookupServiceBegin(query(), LUP_RETURN_ALL, Ref(0)) == SOCKET_ERROR
    assert WSAGetLastError() == ws2.WSAENETDOWN


def test_every_exported_name_is_there() -> None:
    """`from nspd.ws2 import *` gives all of it."""
    assert [name for name in ws2.__all__ if not hasattr(ws2, name)] == []
    assert {"LUP_RETURN_ALL", "NS_ALL", "WSA_E_CANCELLED"} <= set(ws2.__all__)
