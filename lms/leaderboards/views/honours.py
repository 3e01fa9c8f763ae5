"""Points and medals over all finished challenges: people, organisations, countries, one person, one's own."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from lms.accounts.models import User
from lms.db import now
from lms.errors import Invalid
from lms.leaderboards.core.honours import Tier
from lms.leaderboards.forms import HonoursForm
from lms.leaderboards.queries import honours as queries
from lms.leaderboards.services.honouring import show_honours
from lms.leaderboards.views.boards import reader
from lms.web.errors import put_beside
from lms.web.formats import country_name
from lms.web.guard import public
from lms.web.session import session

blueprint = Blueprint("leaderboards_honours", __name__, template_folder="../templates")


@blueprint.get("/honours")
@public
def people() -> str:
    """Show the people who show their points and medals, by points."""
    wanted, moment = queries.Wanted.read(request.args), now()
    found = queries.people(session(), wanted, moment)
    user, offered = reader(), queries.choices(session())
    return render_template(
        "leaderboards/honours.html",
        people=found,
        wanted=wanted,
        organisations=offered.organisations,
        countries=sorted(offered.countries, key=country_name),
        tiers=list(Tier),
        mine=queries.honours_of(session(), user) if user is not None else None,
        address=lambda number: url_for(".people", **_kept(wanted), page=number),
    )


@blueprint.get("/honours/organisations")
@public
def organisations() -> str:
    """Show which organisations the people belong to who show their points, and what they have together."""
    groups = queries.by_organisation(session(), now())
    return render_template("leaderboards/honours_groups.html", groups=groups, kind="organisation")


@blueprint.get("/honours/countries")
@public
def countries() -> str:
    """Show the same of the countries that people name."""
    groups = queries.by_country(session(), now())
    return render_template("leaderboards/honours_groups.html", groups=groups, kind="country")


@blueprint.get("/honours/people/<address>")
@public
def person(address: str) -> str:
    """Show one person's places, if they show them; whoever does not is not here."""
    moment, user = now(), reader()
    found = queries.person_at(session(), address, moment)
    places = queries.places_of(session(), found.user_id, user, moment)
    return render_template(
        "leaderboards/honours_person.html",
        person=found,
        won=[place for place in places if place.counts],
        own=user is not None and user.id == found.user_id,
    )


@blueprint.route("/honours/mine", methods=["GET", "POST"])
def mine() -> Answer | tuple[str, int] | str:
    """Show one's own places, whoever else sees them; choose whether others do."""
    user = session().get_one(User, current_user.id)
    kept = queries.honours_of(session(), user)
    form = HonoursForm(data={"shown": kept and kept.shown, "organisation": kept and kept.organisation_id})
    form.offer(queries.own_organisations(user))
    if form.validate_on_submit():
        try:
            show_honours(
                session(), user, shown=form.shown.data, organisation_id=form.organisation.data or None
            )
        except Invalid as problem:
            put_beside(form, problem)
        else:
            flash(gettext("Saved."), "ok")
            return redirect(url_for(".mine"), 303)
    return _own_page(user, form), Invalid.status if form.errors or form.form_errors else 200


def _own_page(user: User, form: HonoursForm) -> str:
    kept, moment = queries.honours_of(session(), user), now()
    return render_template(
        "leaderboards/honours_mine.html",
        form=form,
        user=user,
        kept=kept,
        own=queries.own_sums(session(), kept, user, moment) if kept is not None else None,
        won=queries.places_of(session(), user.id, user, moment),
    )


def _kept(wanted: queries.Wanted) -> dict[str, Any]:
    named = {
        "q": wanted.text,
        "organisation": wanted.organisation,
        "country": wanted.country,
        "tier": wanted.tier,
    }
    return {name: value for name, value in named.items() if value}
