"""The web application, for any WSGI server."""

from lms.app import create_app
from lms.config import Settings

app = create_app(Settings.load(), warm=True)
