"""What a browser is told about every page: no foreign code, no framing, no guessing."""

from flask import Flask, Response, current_app
from flask_login import current_user

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def attach(app: Flask) -> None:
    """Send these headers with every response of `app`; a view may set stricter ones itself."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-store" if _is_personal() else "no-cache")
        response.vary.update(["Cookie", "Accept-Language"])
    elif "Cache-Control" not in response.headers and _is_personal():
        response.headers["Cache-Control"] = "private, no-cache"
    return response


def _is_personal() -> bool:
    return bool(current_user.is_authenticated)
