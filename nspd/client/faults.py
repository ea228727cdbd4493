"""The one fault that is neither the caller's nor a provider's."""

from __future__ import annotations

from nspd.model.errors import WSAError


class RemoteProtocolError(WSAError):
    """Client and daemon do not understand each other; one is broken, or much the newer.

    The code is WSASYSCALLFAILURE. The connection is given up.
    """
