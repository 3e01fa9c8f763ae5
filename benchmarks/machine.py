"""On which machine figures were measured, and what else it did."""

import os
import platform
import sys


def tell_machine() -> None:
    """Print it."""
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    print(f"load before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}\n", flush=True)
