import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

from lms.runtime.probe import Isolation
from lms.runtime.provisioner import pool
from tests.runtime.jails import ROOT

pytestmark = pytest.mark.jail
GROUP = "jupyter_client.kernel_provisioners"


@pytest.fixture
def kernel_name(
    environment: Path, isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Install a kernel specification, and our provisioner as the package announces it."""
    assert isolation
    announced = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    lines = [f"[{GROUP}]", *(f"{name} = {target}" for name, target in announced.items())]
    installed = tmp_path / "announced-0.dist-info"
    installed.mkdir()
    (installed / "entry_points.txt").write_text("\n".join(lines))
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    provisioner = {"provisioner_name": "duri-zygote", "config": {"environment": str(environment)}}
    described = {"argv": ["unused"], "display_name": "warm", "language": "python",
                 "metadata": {"kernel_provisioner": provisioner}}  # fmt: skip
    (tmp_path / "kernels" / "warm").mkdir(parents=True)
    (tmp_path / "kernels" / "warm" / "kernel.json").write_text(json.dumps(described))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    KernelProvisionerFactory.clear_instance()
    yield "warm"
    KernelProvisionerFactory.clear_instance()
    pool().close()
    pool.cache_clear()


def notebook(*sources: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_a_plain_nbclient_executes_a_notebook_on_a_warm_kernel(kernel_name: str) -> None:
    written = notebook("x = 6 * 7", "import os; print(os.getcwd())\nx")
    client = NotebookClient(written, kernel_name=kernel_name)
    stream, result = client.execute().cells[1].outputs
    assert stream["text"] == "/lab\n"
    assert result["data"]["text/plain"] == "42"
    assert client.km is None


def test_a_notebook_that_never_ends_is_ended_by_a_plain_nbclient(kernel_name: str) -> None:
    client = NotebookClient(notebook("while True: pass"), kernel_name=kernel_name, timeout=1)
    with pytest.raises(CellTimeoutError):
        client.execute()
    assert client.km is None
