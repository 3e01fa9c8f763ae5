"""Print every figure with the machine that it was measured on."""

import os
import platform
import sys

from benchmarks import certificates, grading


def main() -> None:
    """Run all benchmarks."""
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}", flush=True)
    print(f"load before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}\n", flush=True)
    grading.main()
    certificates.main()


if __name__ == "__main__":
    main()
