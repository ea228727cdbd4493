"""What a hosts file says of a name, read without the daemon, to check the daemon by."""

from __future__ import annotations

from ipaddress import ip_address

_PREFERRED = "localhost"


def first_name(text: str) -> tuple[str | None, set[str]]:
    """A name of the file and all its addresses: localhost if it is there, else the first.

    Lines without an address literal are passed over.
    """
    addresses: dict[str, set[str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address = str(ip_address(words[0]))
        except ValueError:
            continue
        for name in words[1:]:
            addresses.setdefault(name.casefold(), set()).add(address)
    if not addresses:
        return None, set()
    name = _PREFERRED if _PREFERRED in addresses else next(iter(addresses))
    return name, addresses[name]
