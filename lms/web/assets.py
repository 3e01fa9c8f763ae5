"""Addresses of our own static files, which change with their content so that browsers may keep them."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, url_for

FOLDER = Path(__file__).resolve().parent / "static"


def attach(app: Flask) -> None:
    """Let the templates of `app` name a file as `asset('duri.css')`."""
    app.jinja_env.globals["asset"] = asset


def asset(name: str) -> str:
    """Return the address of a static file of `lms.web` in its present version."""
    return url_for("web.static", filename=name, v=_version(name))


@cache
def _version(name: str) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
