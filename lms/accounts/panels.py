"""What accounts show on the pages of `lms.web`."""

from flask import render_template
from markupsafe import Markup


def account_menu() -> Markup:
    """Show the way in, or the menu of the person who is in."""
    return Markup(render_template("accounts/account_menu.html"))  # noqa: S704 - a template escapes


def welcome_actions() -> Markup:
    """Offer an account to unknown visitors."""
    return Markup(render_template("accounts/welcome_actions.html"))  # noqa: S704 - a template escapes
