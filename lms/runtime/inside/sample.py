"""A sample kernel that runs a few cells as a student's would, to see what they import late."""

import contextlib
import sys
import threading
from typing import Any

import zmq
from jupyter_client.session import Session

from lms.runtime.inside import rehearsing
from lms.runtime.inside.kernel_main import start

SECONDS = 20
PLACE = "/run/desk/s"
CONNECTION = {
    "transport": "ipc", "ip": PLACE, "key": "sample", "signature_scheme": "hmac-sha256",
    "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
}  # fmt: skip
CELLS = {
    "": (
        "import sys, os, json, math, random\nprint('text'); x = [1, 2]; x",
        "def f(n):\n    return 1 / n\nf(0)",
        "assert f(1) == 2, 'no'",
        "class A:\n    def __repr__(self): return 'a'\nA()",
        "import subprocess; subprocess.run(['true'])",
        "x.",
        "open('/lab/f', 'w').write('1'); import this_is_not_there",
    ),
    "numpy": (
        "import numpy as np\nr = np.random.default_rng(0).normal(size=9); r",
        "np.testing.assert_allclose(r, r)",
    ),
    "pandas": (
        "import pandas as pd, io\nd = pd.read_csv(io.StringIO('a,b\\n1,x\\n2,y'))\nd.groupby('b').mean(); d",
        "pd.testing.assert_frame_equal(d, d); d.describe()",
    ),
    "sklearn": (
        "from sklearn.linear_model import LinearRegression\nLinearRegression().fit([[0], [1]], [0, 1])",
    ),
    "matplotlib": ("import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('t'); plt.show()",),
    "scipy": ("import scipy.stats\nscipy.stats.norm.cdf(0)",),
    "torch": ("import torch\ntorch.nn.Linear(1, 1)(torch.ones(1))",),
}


def run() -> None:
    """Run the cells whose library is imported already; leaves threads behind, so the process must end."""
    app = start(CONNECTION)
    for _ in rehearsing.steps(app.kernel.shell):
        pass
    cells = [cell for name, sources in CELLS.items() if not name or name in sys.modules for cell in sources]
    client = threading.Thread(target=_execute, args=(cells, app), daemon=True)
    client.start()
    app.start()  # type: ignore[no-untyped-call]  # untyped library


def _execute(cells: list[str], app: Any) -> None:
    session = Session(key=b"sample", check_pid=False)
    with zmq.Context() as context, context.socket(zmq.DEALER) as shell:
        shell.linger = 0
        shell.connect(f"ipc://{PLACE}-1")
        for cell in cells:
            content = {"code": cell, "silent": False, "store_history": True, "allow_stdin": False}
            session.send(shell, "execute_request", content)
        for _ in cells:
            with contextlib.suppress(zmq.Again):
                if shell.poll(SECONDS * 1000):
                    shell.recv_multipart(zmq.NOBLOCK)
    app.io_loop.add_callback(app.io_loop.stop)
