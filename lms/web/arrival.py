"""When a request came, however long it waited for a free thread."""

import socket
import struct
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lms.db import now

_LAST_RECEIVED = 52  # where `tcpi_last_data_recv` stands in `struct tcp_info` (linux/tcp.h), in milliseconds
_INFO = struct.Struct(f"={_LAST_RECEIVED}xI")
_COARSE = timedelta(milliseconds=10)
"""A tick of the coarsest kernel: so much of a wait is not believed, lest a stamp lie before the arrival."""


def arrived_at(environ: Mapping[str, Any]) -> datetime:
    """Return when what there is of a request came to this machine, by its one clock.

    The kernel knows how long ago bytes last came on a connection (`TCP_INFO`, tcp(7)); while all threads are
    busy, a request in time would else be stamped late. Elsewhere than on Linux, and where the web server does
    not tell its socket, it is this moment.
    """
    waited = _waited(environ.get("gunicorn.socket"))  # first: what passes between the two makes it no earlier
    return now() - max(waited - _COARSE, timedelta(0))


def _waited(connection: object) -> timedelta:
    if sys.platform != "linux" or not isinstance(connection, socket.socket):
        return timedelta(0)
    if connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return timedelta(0)  # a local socket keeps no times
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    except OSError:  # closed meanwhile: nobody waits for the answer
        return timedelta(0)
    if len(told) < _INFO.size:
        return timedelta(0)
    return timedelta(milliseconds=_INFO.unpack(told)[0])
