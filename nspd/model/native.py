"""The size of a record as the native 64-bit structure that Windows programs receive.

The layout is nspd's own rule ("Native size" in docs/protocol.md): the fixed part, then
whatever it points to, one thing after the other, each at its alignment.
"""

from __future__ import annotations

from nspd.model.queryset import QuerySet, SocketAddress

_QUERY_SET = 112
_VERSION = 8
_GUID = 16
_AF_PROTOCOL = 8
_CS_ADDR = 40
_BLOB = 16
_SOCKET_ADDRESSES = {"inet": 16, "inet6": 28, "unix": 110}
_FAMILY = 2


def native_size(record: QuerySet) -> int:
    """Bytes that the record takes in native form: the least ``buffer_length`` that it fits."""
    size = _with_text(_QUERY_SET, record.service_instance_name)
    if record.version is not None:
        size = _aligned(size, 4) + _VERSION
    size = _with_text(size, record.comment)
    if record.provider_id is not None:
        size = _aligned(size, 4) + _GUID
    size = _with_text(size, record.context)
    if record.protocols:
        size = _aligned(size, 4) + _AF_PROTOCOL * len(record.protocols)
    size = _with_text(size, record.query_string)
    if record.addresses:
        size = _aligned(size, 8) + _CS_ADDR * len(record.addresses)
        for entry in record.addresses:
            for address in (entry.local, entry.remote):
                if address is not None:
                    size = _aligned(size, 4) + _socket_address_size(address)
    if record.blob is not None:
        size = _aligned(size, 8) + _BLOB + len(record.blob)
    return size


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _with_text(offset: int, text: str | None) -> int:
    if text is None:
        return offset
    # A character beyond the basic plane takes two UTF-16 units.
    return _aligned(offset, 2) + len(text.encode("utf-16-le", "surrogatepass")) + 2


def _socket_address_size(address: SocketAddress) -> int:
    if isinstance(address.family, str):
        return _SOCKET_ADDRESSES[address.family]
    return _FAMILY + len(address.data or b"")
