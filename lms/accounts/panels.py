"""What accounts show on the pages of `lms.web`."""

from flask import render_template
from flask_login import current_user
from markupsafe import Markup

from lms.accounts import policy
from lms.web.session import settings


def account_menu() -> Markup:
    """Show the way in, or the menu of the person who is in."""
    known = current_user.is_authenticated
    page = render_template(
        "accounts/account_menu.html",
        may_administer=known and policy.can_administer_any(current_user),
        is_site_admin=known and policy.is_site_admin(current_user),
        demo=settings().demo,
    )
    return Markup(page)  # noqa: S704 - templates escape


def welcome_actions() -> Markup:
    """Offer an account to unknown visitors."""
    return Markup(render_template("accounts/welcome_actions.html"))  # noqa: S704 - templates escape
