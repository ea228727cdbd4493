"""Where the shell enters nspctl: a process that is short should also start and end fast."""

from __future__ import annotations

import gc
import os
import sys


def nspctl() -> None:
    """Run nspctl on the arguments of this process, and end the process.

    Importing makes many objects and hardly any garbage, so the collector would
    only look at them again and again; the verbs have it back when they run.
    Nor is the interpreter taken apart at the end: that takes longer than a
    lookup, and the verbs leave nothing open that the system would not close.
    """
    gc.disable()
    from nspd.cli.nspctl import main

    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
