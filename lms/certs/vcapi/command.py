"""The command that starts the VC-API; nothing else does."""

import json
from pathlib import Path

import click

from lms.certs.core.problems import CertificateProblem
from lms.certs.core.sentences import sentence


def _pairs(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for value in values:
        address, separator, path = value.rpartition("=")
        if not separator or not address or not Path(path).is_file():
            raise click.BadParameter(f"“{value}” is not URL=FILE with a file that is there", param=option)
        found[address] = Path(path).read_bytes()
    return found


@click.command("vc-api")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8199, show_default=True, help="On 127.0.0.1 only."
)
@click.option(
    "--context",
    "contexts",
    multiple=True,
    metavar="URL=FILE",
    callback=_pairs,
    help="A further JSON-LD context.",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="URL=FILE",
    callback=_pairs,
    help="A file that credentials may name by its hash.",
)
def vc_api(port: int, contexts: dict[str, bytes], resources: dict[str, bytes]) -> None:
    """Answer the W3C's test suites, until ended: with a key made now, for programs on this machine only.

    Neither the installation's keys nor its database are touched, and what is signed here no certificate check
    accepts.
    """
    from lms.certs.vcapi.serving import VcApi, serve  # noqa: PLC0415 - a web server that no other command needs

    try:
        server = VcApi(port, contexts, resources)
    except CertificateProblem as problem:
        raise click.ClickException(sentence(problem.code, problem.params, "en")) from None
    except OSError as problem:
        raise click.ClickException(
            f"Port {port} cannot be taken ({problem.strerror}). Name another."
        ) from None
    said = {"issuer": server.desk.did, "address": server.desk.address, "mode": "test"}
    serve(server, lambda: click.echo(json.dumps(said)))
