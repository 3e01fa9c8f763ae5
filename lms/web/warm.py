"""What the first visitors would wait for, made before a server takes requests."""

from flask import Flask

from lms.web.language import LANGUAGES, read_catalogues


def compile_ahead(app: Flask) -> None:
    """Compile all templates and read all sentences: half a second, once where a server loads before it forks.

    Eight threads that meet the same new template each compile it, and share one interpreter lock meanwhile:
    the first hundred pages of a server that starts on a busy day would take more than a second.
    """
    for language in LANGUAGES:
        read_catalogues(language)
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
