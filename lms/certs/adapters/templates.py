"""The templates of what is drawn outside a request: papers and badges."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """Return what renders the templates of this domain; a name that is not given is an error."""
    return Environment(
        loader=PackageLoader("lms.certs", "templates"), autoescape=True, undefined=StrictUndefined
    )
