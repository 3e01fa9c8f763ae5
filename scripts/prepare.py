"""Set up everything that `make` targets need, from nothing but Python, git and make.

Runs under the system's Python before any package is installed, so it uses the standard library only.
Says plainly what it cannot do and stops there.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"

# Debian package -> how its presence shows: a program on PATH, or a file
RUN_PACKAGES = {
    "bubblewrap": ["/usr/bin/bwrap"],
    "libpango-1.0-0": ["/usr/lib/*/libpango-1.0.so.0"],
    "libpangoft2-1.0-0": ["/usr/lib/*/libpangoft2-1.0.so.0"],
    "libharfbuzz-subset0": ["/usr/lib/*/libharfbuzz-subset.so.0"],
    "fonts-nanum": ["/usr/share/fonts/truetype/nanum/NanumGothic.ttf"],
}
TEST_PACKAGES = {
    "chromium": ["/usr/bin/chromium", "/usr/bin/google-chrome"],
    "postgresql": ["/usr/lib/postgresql/*/bin/postgres"],
    "poppler-utils": ["/usr/bin/pdftoppm"],
    "redis-server": ["/usr/bin/redis-server"],
}


def main() -> None:
    """Set up for running, or for testing too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "test"])
    parser.add_argument("--require", action="store_true", help="stop if anything for the tests is missing")
    options = parser.parse_args()
    if sys.version_info < (3, 11):
        stop(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    provide_debian_packages(RUN_PACKAGES, needed=True)
    if options.what == "test":
        provide_debian_packages(TEST_PACKAGES, needed=options.require)
    provide_venv("requirements-dev.txt" if options.what == "test" else "requirements.txt")
    provide_lab_environments()


def provide_debian_packages(packages: dict[str, list[str]], *, needed: bool) -> None:
    """Install what is missing when root; otherwise print the exact command, and stop if it is needed."""
    missing = [name for name, signs in packages.items() if not any(present(sign) for sign in signs)]
    if not venv_module_works():
        missing.append("python3-venv")
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing Debian packages: {' '.join(missing)}", flush=True)
        quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        if subprocess.run([*command[:1], "-qq", *command[1:]], check=False, **quiet).returncode == 0:
            return
        print("apt-get could not install them.", flush=True)
    print(f"Missing Debian packages. Please run:\n\n    sudo apt-get update && sudo {' '.join(command)}\n")
    if needed or "python3-venv" in missing:
        stop("and then this command again.")
    print("Tests that need them will be reported as not run.\n")


def present(sign: str) -> bool:
    """Say whether a file stands at a path, which may hold a wildcard."""
    return any(Path("/").glob(sign.lstrip("/")))


def venv_module_works() -> bool:
    """Say whether this Python can make virtual environments (Debian ships that apart)."""
    return (
        subprocess.run(
            [sys.executable, "-c", "import venv, ensurepip"], check=False, capture_output=True
        ).returncode
        == 0
    )


def provide_venv(lock: str) -> None:
    """Make `.venv` and install the lock with hashes; does nothing when it is up to date."""
    stamp = VENV / ".duri-lock"
    wanted = digest(lock)
    have = stamp.read_text().split() if stamp.exists() else []
    if wanted in have:
        return
    if not (VENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    python = str(VENV / "bin" / "python")
    print(f"Installing Python packages from {lock} (once)", flush=True)
    subprocess.run(
        [*quiet_pip(python), "--require-hashes", "-r", str(ROOT / "requirements-setup.txt")],
        check=True,
    )
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "-q", "--compile-bytecode", "--python", python]
    subprocess.run([*uv, "--require-hashes", "-r", str(ROOT / lock)], check=True, env=uv_environment(python))
    subprocess.run([*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    kept = [digest("requirements.txt")] if lock == "requirements-dev.txt" else []
    stamp.write_text(" ".join([wanted, *kept]))


def quiet_pip(python: str) -> list[str]:
    """Return the command that installs with pip and says only what went wrong."""
    return [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]


def digest(lock: str) -> str:
    """Return what a lock and the project file are at this moment."""
    content = (ROOT / lock).read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(lock.encode() + content).hexdigest()


def uv_environment(python: str) -> dict[str, str]:
    """Hand pip's configured package index on to uv, which does not read pip's files."""
    asked = subprocess.run(
        [python, "-m", "pip", "config", "get", "global.index-url"],
        check=False,
        capture_output=True,
        text=True,
    )
    index = os.environ.get("PIP_INDEX_URL") or (asked.stdout.strip() if asked.returncode == 0 else "")
    return os.environ | ({"UV_DEFAULT_INDEX": index} if index else {})


def provide_lab_environments() -> None:
    """Make the virtual environments in which labs run, from their locks; does nothing where they stand."""
    for lock in sorted((ROOT / "environments").glob("*.txt")):
        short = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
        if (ROOT / ".environments" / f"{lock.stem}-{short}" / "bin" / "python").exists():
            continue
        print(f"Making the lab environment {lock.stem} (once)", flush=True)
        program = "import sys, pathlib; from lms.runtime.environments import prepare; "
        program += "prepare(pathlib.Path(sys.argv[1]), sys.argv[2])"
        subprocess.run([str(VENV / "bin" / "python"), "-c", program, str(ROOT), lock.stem], check=True)


def stop(message: str) -> None:
    """Say why it cannot go on, and end."""
    print(message, file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
