"""Shapes of what people send to challenges: a name, a file, a yes, a reason."""

from collections.abc import Sequence

from flask_babel import lazy_gettext
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    EmailField,
    FloatField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Email, InputRequired, Length, NumberRange, Optional

from lms.accounts.models import Organisation
from lms.web.formats import localised
from lms.web.forms import Form, choices, strip

NAME = 60
REASON = 300
FILE_FIRST = lazy_gettext("Choose the file first.")


class RulesForm(Form):
    """A yes to one version of the rules."""

    version = HiddenField()
    accept = BooleanField(
        lazy_gettext("I have read the rules and accept them."),
        validators=[InputRequired(lazy_gettext("Accept the rules to take part."))],
    )


class JoinForm(RulesForm):
    """A yes to the rules, and a name to stand under."""

    name = StringField(
        lazy_gettext("Name of your team"),
        description=lazy_gettext(
            "It stands on the leaderboard. You begin alone and can bring others in later."
        ),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Give your team a name.")), Length(max=NAME)],
    )


class ComeForm(Form):
    """A yes to a team, and to the rules where they were not accepted yet."""

    version = HiddenField()
    accept = BooleanField(lazy_gettext("I have read the rules and accept them."))


class NameForm(Form):
    """Another name for a team."""

    name = StringField(
        lazy_gettext("Name of the team"),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Give your team a name.")), Length(max=NAME)],
    )


class InviteForm(Form):
    """Whom to write to."""

    email = EmailField(
        lazy_gettext("E-mail address"),
        description=lazy_gettext("They get the same link by mail."),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Give an address.")), Email(), Length(max=254)],
    )


class EntryForm(Form):
    """One file of predictions, or one notebook."""

    file = FileField(lazy_gettext("Your file"), validators=[FileRequired(FILE_FIRST)])


class FlagForm(Form):
    """What somebody who runs a board found behind a flag."""

    state = SelectField(
        lazy_gettext("What you found"),
        choices=choices(
            [
                ("", lazy_gettext("Choose")),
                ("dismissed", lazy_gettext("Nothing wrong: dismiss it")),
                ("upheld", lazy_gettext("Not in order: uphold it")),
            ]
        ),
        validators=[InputRequired(lazy_gettext("Choose what you found."))],
    )
    reason = TextAreaField(
        lazy_gettext("Why"),
        description=lazy_gettext("It stays in the records, for whoever asks later."),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say why.")), Length(max=1000)],
    )


class RescoreForm(Form):
    """A new version of the truth or of the scorer; without a file everything is scored again as it is."""

    reason = TextAreaField(
        lazy_gettext("Why the scores change"),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say why the scores change.")), Length(max=REASON)],
    )
    truth = FileField(
        lazy_gettext("Corrected truth"),
        description=lazy_gettext("A CSV with every id and its true values. Empty: the truth stays."),
    )
    script = FileField(
        lazy_gettext("Corrected scorer"),
        description=lazy_gettext("A newer challenge.py, whose score is used. Empty: the scorer stays."),
    )


CLOCK = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
DATE_FIRST = lazy_gettext("Write date and time.")


class DatesForm(Form):
    """When what of a challenge is over, on the calendar of its zone; why; and which dates were seen."""

    entry_deadline = DateTimeLocalField(
        lazy_gettext("Last moment to join"), [InputRequired(DATE_FIRST)], format=CLOCK
    )
    merge_deadline = DateTimeLocalField(
        lazy_gettext("Teams stand from"), [InputRequired(DATE_FIRST)], format=CLOCK
    )
    freezes_at = DateTimeLocalField(lazy_gettext("The board stands still from"), [Optional()], format=CLOCK)
    no_freeze = BooleanField(lazy_gettext("The board never stands still before the end"))
    ends_at = DateTimeLocalField(lazy_gettext("Ends"), [InputRequired(DATE_FIRST)], format=CLOCK)
    reason = TextAreaField(
        lazy_gettext("Why the dates move"),
        description=lazy_gettext("Everybody reads it beside the dates, for good."),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say why the dates move.")), Length(max=REASON)],
    )
    seen = HiddenField()


class GradeRuleForm(Form):
    """A grade rule as YAML, until when students can object, and why it follows the one before."""

    rule = TextAreaField(
        lazy_gettext("Rule"),
        description=lazy_gettext(
            "Written as in the examples below. Look at it first: nothing is declared by that."
        ),
        validators=[InputRequired(lazy_gettext("Write the rule.")), Length(max=10_000)],
    )
    objection_days = IntegerField(
        lazy_gettext("Days for objections"),
        description=lazy_gettext("From the day on which you confirm the points."),
        default=14,
        validators=[InputRequired(lazy_gettext("Give a number of days.")), NumberRange(1, 60)],
    )
    reason = StringField(
        lazy_gettext("Why the rule changes"),
        description=lazy_gettext("The students read it. The first rule needs none."),
        filters=[strip],
        validators=[Length(max=2000)],
    )


class ConfirmForm(Form):
    """A yes to the points on the page."""

    seen = HiddenField(validators=[InputRequired()])
    accept = BooleanField(
        lazy_gettext("I have looked at these points, and they shall count."),
        validators=[InputRequired(lazy_gettext("Look at the points first, then say yes."))],
    )


class ObjectionForm(Form):
    """What a student says against their points."""

    text = TextAreaField(
        lazy_gettext("Your objection"),
        description=lazy_gettext("Say what you think is wrong. An instructor reads it and answers here."),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say what you think is wrong.")), Length(max=2000)],
    )


class DecisionForm(Form):
    """An instructor's answer about a student's points, and which objection they had before them."""

    seen = HiddenField()
    reason = TextAreaField(
        lazy_gettext("Your answer"),
        description=lazy_gettext("The student reads it."),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say why.")), Length(max=2000)],
    )
    points = FloatField(
        lazy_gettext("Points"),
        description=lazy_gettext("Leave them as they are, or correct them."),
        validators=[InputRequired(lazy_gettext("Give the points."))],
    )


class HonoursForm(Form):
    """Whether others see one's points and medals, and for which organisation one stands."""

    shown = BooleanField(
        lazy_gettext("Show my points, medals and places to everyone, with my name"),
        description=lazy_gettext(
            "Never shown: challenges that only a course sees, and teams in which you hide your name."
        ),
    )
    organisation = SelectField(
        lazy_gettext("Organisation that you stand for"),
        coerce=int,
        description=lazy_gettext(
            "It stands beside your name, your points count in its sum, and boards can be filtered by it."
        ),
    )

    def offer(self, organisations: Sequence[Organisation]) -> None:
        """Let the person choose one of these organisations, or none."""
        named = ((str(each.id), localised(each.name)) for each in organisations)
        self.organisation.choices = choices([("0", lazy_gettext("None")), *named])


MARKDOWN = lazy_gettext(
    "In Markdown: **bold**, *italic*, `code`, lists, tables, $formulas$. Images are not shown."
)


class TopicForm(Form):
    """What a topic is called, and what it says."""

    title = StringField(
        lazy_gettext("Title"),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Give it a title.")), Length(max=120)],
    )
    text = TextAreaField(
        lazy_gettext("Text"),
        description=MARKDOWN,
        render_kw={"rows": 10},
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Write something.")), Length(max=10_000)],
    )


class PostForm(Form):
    """An answer to a topic."""

    text = TextAreaField(
        lazy_gettext("Text"),
        description=MARKDOWN,
        render_kw={"rows": 6},
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Write something.")), Length(max=10_000)],
    )


class WriteupForm(Form):
    """How a team did it, and which of its notebooks readers may download."""

    title = StringField(
        lazy_gettext("Title"),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Give it a title.")), Length(max=120)],
    )
    text = TextAreaField(
        lazy_gettext("What you did"),
        description=MARKDOWN,
        render_kw={"rows": 20},
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Write something.")), Length(max=40_000)],
    )
    entry = SelectField(
        lazy_gettext("Notebook for readers"),
        description=lazy_gettext(
            "Whoever can read the write-up can download this notebook as you sent it, while its score counts."
        ),
        coerce=int,
    )


class WinnersForm(Form):
    """How many can win, what proves it, and how long a team has."""

    winners = IntegerField(
        lazy_gettext("How many teams can win"),
        description=lazy_gettext(
            "The first of the final board are asked. Where one is refused, the next is."
        ),
        validators=[InputRequired(lazy_gettext("Give a number.")), NumberRange(1, 100)],
    )
    wanted = TextAreaField(
        lazy_gettext("What they hand in"),
        description=lazy_gettext(
            "The teams read this: for example the notebook that made the selected entry, the data and models "
            "used beside those given, and who did what."
        ),
        render_kw={"rows": 6},
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say what you ask for.")), Length(max=2000)],
    )
    days = IntegerField(
        lazy_gettext("Days to hand it in"),
        default=14,
        validators=[InputRequired(lazy_gettext("Give a number of days.")), NumberRange(1, 60)],
    )


class EvidenceForm(Form):
    """What a team shows: words, a file, or both."""

    statement = TextAreaField(
        lazy_gettext("Your statement"),
        description=lazy_gettext("How you got there. Only the organisers and your team read it."),
        render_kw={"rows": 8},
        filters=[strip],
        validators=[Length(max=10_000)],
    )
    file = FileField(
        lazy_gettext("File"),
        description=lazy_gettext("A notebook or a zip of at most 20 MiB. Without one the last file stays."),
    )


class ClaimForm(Form):
    """What an organiser makes of a team's evidence."""

    state = SelectField(
        lazy_gettext("What you found"),
        choices=choices(
            [
                ("", lazy_gettext("Choose")),
                ("accepted", lazy_gettext("It proves the place: accept it")),
                ("refused", lazy_gettext("It does not: refuse it, and ask the next team")),
                ("asked", lazy_gettext("Something is missing: ask once more")),
            ]
        ),
        validators=[InputRequired(lazy_gettext("Choose what you found."))],
    )
    reason = TextAreaField(
        lazy_gettext("Why"),
        description=lazy_gettext("The team reads it."),
        filters=[strip],
        validators=[InputRequired(lazy_gettext("Say why.")), Length(max=1000)],
    )
    days = IntegerField(
        lazy_gettext("Days to hand it in"),
        description=lazy_gettext("Only where you ask once more."),
        default=7,
        validators=[InputRequired(lazy_gettext("Give a number of days.")), NumberRange(1, 60)],
    )
