from dataclasses import replace

import pytest
from flask import request
from sqlalchemy.orm import Session, sessionmaker

from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.web.guard import public


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1"), (1, "198.51.100.7"), (2, "203.0.113.9")])
def test_only_trusted_proxies_say_where_a_visitor_comes_from(
    settings: Settings, sessions: sessionmaker[Session], blobs: FolderBlobs, proxies: int, seen: str
) -> None:
    app = create_app(replace(settings, trusted_proxies=proxies), sessions=sessions, blobs=blobs)

    @public
    def address() -> str:
        return request.remote_addr or ""

    app.add_url_rule("/address", "address", address)
    said = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    assert app.test_client().get("/address", headers=said).get_data(as_text=True) == seen
