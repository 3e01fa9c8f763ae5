"""The authorization server: what the library asks for, answered out of the database.

The library decides what a request may be. Here are stricter rules where it leaves room: S256 always, the
return address always and exactly, and whatever is shown twice ends everything that came of it.
"""

from typing import Any

from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Payload, FlaskOAuth2Request
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    ClientMixin,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    OAuth2Request,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7591 import (
    ClientRegistrationEndpoint,
    InvalidClientMetadataError,
    InvalidRedirectURIError,
)
from authlib.oauth2.rfc7636 import CodeChallenge, create_s256_code_challenge
from flask import request as asked
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.certs import policy
from lms.certs.core.open_badges import OFFERED, OFFLINE, READING
from lms.certs.core.problems import Unreadable
from lms.certs.core.registration import (
    AUTHENTICATION,
    MOST_BYTES,
    RegistrationProblem,
    read_registration,
    split_scope,
)
from lms.certs.core.strict_json import Document, read_object
from lms.certs.models import LONGEST_CLIENT_ID, Application, Connection, ConnectionToken
from lms.certs.queries import connections
from lms.certs.services import connecting
from lms.db import now
from lms.web.session import own_session, session, settings

TOKEN_LENGTH = 43  # of letters and digits: 256 bits
METHOD = "S256"
REGISTRATION, REVOCATION = "client_registration", "revocation"
_STRANGE = "The request has characters that it cannot have."
_UNKNOWN_RETURN = "The redirect_uri is missing or not one that this application has registered."
_PROBLEMS = {
    "invalid_redirect_uri": InvalidRedirectURIError,
    "invalid_client_metadata": InvalidClientMetadataError,
}


class Client(ClientMixin):  # type: ignore[misc]  # authlib has no types
    """An application, as the library asks about it."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.registered: Document = application.registered

    def get_client_id(self) -> str:
        """Return its identifier."""
        return self.application.client_id

    def get_default_redirect_uri(self) -> None:
        """Return nothing: every request says where its answer goes."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scope if all of it is registered and some of it reads; nothing is silently left out."""
        wanted = split_scope(scope or "")
        allowed = set(split_scope(self.registered["scope"]))
        if not set(wanted) & READING.keys() or not set(wanted) <= allowed:
            return None
        return " ".join(dict.fromkeys(wanted))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Say whether exactly this address is registered."""
        return redirect_uri in self.registered["redirect_uris"]

    def check_client_secret(self, client_secret: str) -> bool:
        """Say whether this is its secret."""
        return connecting.has_secret(self.application, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Say whether it may prove so who it is."""
        del endpoint
        return method == AUTHENTICATION

    def check_response_type(self, response_type: str) -> bool:
        """Say whether it may ask for this."""
        return response_type in self.registered["response_types"]

    def check_grant_type(self, grant_type: str) -> bool:
        """Say whether it may exchange this."""
        return grant_type in self.registered["grant_types"]


class Code:
    """What a code was given out for, as the library asks about it."""

    code_challenge_method = METHOD

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.code_challenge = connection.challenge

    def get_redirect_uri(self) -> str:
        """Return where the code was sent."""
        return self.connection.redirect_uri

    def get_scope(self) -> str:
        """Return what the holder agreed to."""
        return self.connection.scope


class Token(TokenMixin):  # type: ignore[misc]  # authlib has no types
    """What was given to an application, as the library asks about it."""

    def __init__(self, row: ConnectionToken, *, refreshing: bool) -> None:
        self.row = row
        self.connection = row.connection
        self.refreshing = refreshing

    def check_client(self, client: Client) -> bool:
        """Say whether it was given to this application."""
        return self.connection.application_id == client.application.id

    def get_scope(self) -> str:
        """Return what it is good for."""
        return self.connection.scope if self.refreshing else self.row.scope

    def is_expired(self) -> bool:
        """Say whether its time is over."""
        return not self.refreshing and self.row.ends_at <= now()

    def is_revoked(self) -> bool:
        """Say whether it or the whole connection has ended."""
        return self.row.replaced_at is not None or not policy.can_use_connection(self.connection, now())


class Challenge(CodeChallenge):  # type: ignore[misc]  # authlib has no types
    """PKCE that nobody can leave out or weaken."""

    DEFAULT_CODE_CHALLENGE_METHOD = METHOD
    SUPPORTED_CODE_CHALLENGE_METHOD = (METHOD,)
    CODE_CHALLENGE_METHODS = {  # noqa: RUF012 - the library's own shape
        METHOD: lambda verifier, challenge: create_s256_code_challenge(verifier) == challenge
    }

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without a challenge of S256."""
        sent = grant.request.payload.data
        if not sent.get("code_challenge") or sent.get("code_challenge_method") != METHOD:
            raise InvalidRequestError(f"Send code_challenge and code_challenge_method={METHOD}.")
        super().validate_code_challenge(grant, redirect_uri)


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # authlib has no types
    """A holder's agreement, exchanged for tokens once."""

    TOKEN_ENDPOINT_AUTH_METHODS = (AUTHENTICATION,)

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuth2Request, client: Client) -> str:
        """Return where the answer goes; an address that is not registered is never answered."""
        address: str | None = request.payload.redirect_uri
        if not address or not client.check_redirect_uri(address):
            raise InvalidRequestError(_UNKNOWN_RETURN)
        return address

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        """Keep what the holder agreed to."""
        sent = request.payload
        wish = connecting.Wish(request.scope, sent.redirect_uri, sent.data["code_challenge"])
        connecting.approve(session(), request.user, request.client.application, wish, code=code, at=now())

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Return what this code is good for; one that was used before ends what it led to."""
        found = connections.connection_of_code(session(), code)
        if found is None or found.application_id != client.application.id:
            return None
        if found.code_used_at is not None:
            _end_misused(found.id)
            return None
        holds = found.code_ends_at > now() and policy.can_use_connection(found, now())
        return Code(found) if holds else None

    def authenticate_user(self, authorization_code: Code) -> User:
        """Return the holder."""
        return authorization_code.connection.user

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Use the code up, or find that somebody was faster."""
        if not connecting.use_code(session(), authorization_code.connection, at=now()):
            _end_misused(authorization_code.connection.id)
            raise InvalidGrantError


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]  # authlib has no types
    """Going on without the holder: each token for that is good once."""

    TOKEN_ENDPOINT_AUTH_METHODS = (AUTHENTICATION,)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Return the token; one that was replaced before ends the connection."""
        found = connections.token_of_refresh(session(), refresh_token)
        if found is None:
            return None
        token = Token(found, refreshing=True)
        if found.replaced_at is not None and token.check_client(self.request.client):
            _end_misused(found.connection_id)
            return None
        return None if token.is_revoked() else token

    def authenticate_user(self, refresh_token: Token) -> User:
        """Return the holder."""
        return refresh_token.connection.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """Put the shown token out of use, or find that somebody was faster."""
        if not connecting.replace(session(), refresh_token.row, at=now()):
            _end_misused(refresh_token.connection.id)
            raise InvalidGrantError


class Registration(ClientRegistrationEndpoint):  # type: ignore[misc]  # authlib has no types
    """Applications register themselves, as the standard wants it."""

    def authenticate_token(self, request: Any) -> bool:
        """Let anybody register: it opens nothing before a holder agrees."""
        del request
        return True

    def extract_client_metadata(self, request: Any) -> Document:
        """Return what is taken of what the application says of itself."""
        del request
        try:
            return read_registration(read_object(asked.get_data(), MOST_BYTES))
        except Unreadable:
            raise InvalidClientMetadataError("Send a JSON object.") from None
        except RegistrationProblem as problem:
            raise _PROBLEMS[problem.code](problem.said) from None

    def generate_client_secret(self, request: Any) -> str:
        """Return a new secret."""
        del request
        return str(generate_token(TOKEN_LENGTH))

    def save_client(self, client_info: Document, client_metadata: Document, request: Any) -> Application:
        """Keep the application, and of its secret the hash."""
        del request
        return connecting.register(
            session(),
            client_metadata,
            client_id=client_info["client_id"],
            secret=client_info["client_secret"],
            at=now(),
        )


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # authlib has no types
    """Applications give back what they were given."""

    CLIENT_AUTH_METHODS = (AUTHENTICATION,)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        """Return the token, whatever it is taken for."""
        del token_type_hint
        if access := connections.token_of_access(session(), token_string):
            return Token(access, refreshing=False)
        refresh = connections.token_of_refresh(session(), token_string)
        return None if refresh is None else Token(refresh, refreshing=True)

    def revoke_token(self, token: Token, request: Any) -> None:
        """End the one token to read with, or with the other kind the connection."""
        del request
        connecting.end_by_application(session(), token.row, whole=token.refreshing, at=now())


class Request(FlaskOAuth2Request):  # type: ignore[misc]  # authlib has no types
    """A request at this installation's public address: that one has to be safe to send secrets to."""

    def __init__(self, request: Any) -> None:
        OAuth2Request.__init__(self, request.method, settings().public_url, headers=request.headers)
        self._request = request
        self.payload = FlaskOAuth2Payload(request)


class Server(AuthorizationServer):  # type: ignore[misc]  # authlib has no types
    """The authorization server of this installation."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes_supported = list(OFFERED)
        self.register_token_generator(
            "default", BearerTokenGenerator(_new_token, _new_token, connecting.ACCESS_SECONDS)
        )
        self.register_grant(CodeGrant, [Challenge(required=True)])
        self.register_grant(RefreshGrant)
        self.register_endpoint(Registration(self))
        self.register_endpoint(Revocation)

    def query_client(self, client_id: str) -> Client | None:
        """Return the application of this identifier; none has one that the database could not even hold."""
        if "\0" in client_id or len(client_id) > LONGEST_CLIENT_ID:
            return None
        found = connections.application(session(), client_id)
        return None if found is None else Client(found)

    def create_oauth2_request(self, request: Any) -> Request:
        """Read the request that is being answered."""
        return request if isinstance(request, Request) else Request(asked)

    def generate_token(self, grant_type: str, client: Client, **wish: Any) -> Document:
        """Make tokens; one to go on with only where the holder agreed to that."""
        lasting = grant_type == RefreshGrant.GRANT_TYPE or OFFLINE in split_scope(wish["scope"])
        wish["include_refresh_token"] = wish["include_refresh_token"] and lasting
        return dict(super().generate_token(grant_type, client, **wish))

    def save_token(self, token: Document, request: Request) -> None:
        """Keep the hashes of what is given out, and say how long it really lasts."""
        given = request.authorization_code or request.refresh_token
        made = connecting.keep_tokens(
            session(),
            given.connection,
            access=token["access_token"],
            refresh=token.get("refresh_token"),
            scope=token["scope"],
            at=now(),
        )
        token["expires_in"] = int((made.ends_at - made.created_at).total_seconds())

    def handle_response(self, status_code: int, payload: Any, headers: Any) -> Response:
        """Answer; whom it sends back learns who answered (RFC 9207), and never repeats a form (RFC 9700)."""
        response: Response = super().handle_response(status_code, payload, headers)
        response.headers["Cache-Control"] = "no-store"
        if response.location is not None:
            response.location = add_params_to_uri(response.location, {"iss": settings().public_url})
            response.status_code = 303
        return response

    def ask(self, holder: User) -> Any:
        """Return what an application asks of this holder.

        Raises:
            OAuth2Error: it asks in a way that is not allowed; has a `redirect_uri` if that one may be told.
        """
        try:
            return self.get_consent_grant(end_user=holder)
        except ValueError:  # of the library's: its error would have to repeat what no error may hold
            raise InvalidRequestError(_STRANGE) from None

    def exchange(self) -> Response:
        """Answer a request for tokens."""
        try:
            response: Response = self.create_token_response()
        except ValueError:  # of the library's: credentials that are no UTF-8
            return self.refuse(InvalidClientError(_STRANGE, status_code=401))
        except OAuth2Error as error:
            return self.refuse(error)
        return response

    def answer(self, endpoint: str) -> Response:
        """Answer a request to register, or to give tokens back."""
        try:
            response: Response = self.create_endpoint_response(endpoint)
        except ValueError:  # likewise
            return self.refuse(InvalidClientError(_STRANGE, status_code=401))
        except OAuth2Error as error:
            return self.refuse(error)
        return response

    def refuse(self, error: OAuth2Error) -> Response:
        """Answer with an error."""
        response: Response = self.handle_error_response(None, error)
        return response


def _new_token(**_for: object) -> str:
    return str(generate_token(TOKEN_LENGTH))


def _end_misused(connection_id: int) -> None:
    """End it for good although this request is refused, and whatever it did undone."""
    with own_session() as own:
        connecting.end_misused(own, connection_id, at=now())
        own.commit()


server = Server()
