"""Whom a token speaks for, where programs read."""

from typing import Any

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator
from flask import abort, jsonify

from lms.accounts.services.limits import count_try
from lms.certs import policy
from lms.certs.core.open_badges import status_info
from lms.certs.models import Connection
from lms.certs.queries import connections
from lms.certs.services.connecting import note_use
from lms.certs.views.granting import Token
from lms.certs.views.refusing import check_guesses
from lms.db import now
from lms.web.session import noted, own_session, session


class _Validator(BearerTokenValidator):  # type: ignore[misc]  # authlib has no types
    def authenticate_token(self, token_string: str) -> Token | None:
        found = connections.token_of_access(session(), token_string)
        return None if found is None else Token(found, refreshing=False)


class _Protector(ResourceProtector):  # type: ignore[misc]  # authlib has no types
    def raise_error_response(self, error: OAuth2Error) -> Any:
        """Refuse in the standard's words, and say how to come in."""
        response = jsonify(status_info(error.status_code, error.description))
        response.status_code = error.status_code
        response.headers.extend([(name, said) for name, said in error.get_headers() if name[:3] == "WWW"])
        abort(response)


_protector = _Protector()
_protector.register_token_validator(_Validator(realm="Open Badges"))


def connection_for(scope: str) -> Connection:
    """Return on whose agreement this request reads; refuses it without one that covers this scope.

    Raises:
        TooSoon: this application has read too often in this holder's name, or too much was refused.
    """
    check_guesses()
    with _protector.acquire([scope]) as token:
        connection: Connection = token.connection
    number = connection.id
    with own_session() as own:
        count_try(own, policy.READ_PER_CONNECTION, str(number))
        own.commit()
    noted(lambda writing: note_use(writing, number, at=now()))
    return connection
