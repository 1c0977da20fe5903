"""A slot as a program of its own, for whoever may not start processes by ``multiprocessing`` (a worker of a cluster).

    python -m fuzz.campaign.slot_process FD

The file descriptor is one end of a pair of sockets, over which the plan comes first and then what comes to any slot.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection

from fuzz.campaign.messages import Plan
from fuzz.campaign.slot import slot_main


def start_slot(plan: Plan) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start one; gives the process and this end of its pipe. It dies with the thread that has started it."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.campaign.slot_process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    pipe = Connection(ours.detach())
    pipe.send(plan)
    return process, pipe


if __name__ == "__main__":
    connection = Connection(int(sys.argv[1]))
    slot_main(connection, connection.recv())
