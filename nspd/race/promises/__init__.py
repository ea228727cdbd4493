"""The promises C1 to C15 as functions: each says what is wrong with what was seen, or nothing.

They are pure: they look at the entries of the ledger and at one reply, and
change nothing. A function's name begins with the promise that it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

UNSEEN: Mapping[str, str] = MappingProxyType(
    {
        "C2": "how soon a call is released: the drivers measure it, and it depends on the machine",
        "C3": "whether a lookup's place in the limits is free: other clients fill them too",
        "C5": "which side wins where both could: either is legal",
        "C8": "whether work that is said to have stopped has, unless the script says otherwise",
        "C9": "that the provider's work is cancelled once: this happens inside the daemon",
        "C10": "which lookups the disabling of a provider ends, and the order of what other "
        "connections read",
        "C11": "how many runs there are, and who joins which",
        "C12": "that Begin waits for nothing: how long a Begin takes is measured, not judged",
        "C14": "that clients take the old codes: that is the client's part (`nspd.testing`)",
        "C15": "that the daemon's own stopping passes through: this happens inside the daemon",
    }
)
"""What of a promise no client can see, or this judge does not tell, and why."""
