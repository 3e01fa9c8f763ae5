"""Print the figures, each benchmark in a process of its own.

`python -m benchmarks` runs those that are done in minutes, `python -m benchmarks NAME …` the named ones; with
options of its own each is called alone: `python -m benchmarks.NAME --help`.
"""

import argparse
import subprocess
import sys

MINUTES = ("grading", "certificates", "ceremony", "pdf", "tie_groups", "leaderboards")
LONG = ("rush", "browser", "board_rush", "soak", "papers")


def main() -> None:
    """Run them one after the other; stop at the first that cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", nargs="*", help=f"{', '.join(MINUTES)}; longer: {', '.join(LONG)}")
    chosen = parser.parse_args().name or MINUTES
    if unknown := sorted({*chosen} - {*MINUTES, *LONG}):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    for name in chosen:
        print(f"# {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
