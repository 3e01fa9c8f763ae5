"""Warm kernels for any program that starts Jupyter kernels: nbclient, nbconvert, papermill, a server.

A kernel specification asks for it in its metadata:
`{"kernel_provisioner": {"provisioner_name": "duri-zygote", "config": {"libraries": ["numpy"]}}}`.
"""

import asyncio
import atexit
import functools
import secrets
import signal
import sys
from pathlib import Path
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import List, Unicode

from lms.runtime.jail import Bounds
from lms.runtime.kernel import KernelSpec
from lms.runtime.warm import Pair, WarmPool, WarmSpec


@functools.cache
def pool() -> WarmPool:
    """Return the warm environments of this process; they end with it."""
    made = WarmPool()
    atexit.register(made.close)
    return made


class ZygoteProvisioner(KernelProvisionerBase):
    """Starts kernels as forks of a warm environment; folder and variables of the caller do not reach them."""

    environment = Unicode(sys.prefix, help="folder of the virtual environment").tag(config=True)
    libraries = List(Unicode(), help="modules that are imported beforehand").tag(config=True)
    _pair: Pair | None = None

    @property
    def has_process(self) -> bool:
        """Say whether a kernel was started and not yet tidied up."""
        return self._pair is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Set the manager to files instead of ports; there is no command."""
        if self.parent is not None:
            self.parent.transport = "ipc"
        for name in ("extra_arguments", "transport_encryption"):
            kwargs.pop(name, None)
        prepared: dict[str, Any] = await super().pre_launch(cmd=["duri-zygote"], **kwargs)
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel; return where it listens."""
        del cmd, kwargs
        warm = WarmSpec(Path(self.environment), tuple(self.libraries))
        spec = KernelSpec(warm.environment, Bounds())
        start = functools.partial(pool().open, warm, spec, seed=secrets.randbits(31), checked=False)
        self._pair = await asyncio.get_running_loop().run_in_executor(None, start)
        return cast("KernelConnectionInfo", self._pair.kernel.hand_over())

    async def poll(self) -> int | None:
        """Return None while the kernel runs."""
        running = self._pair is not None and self._pair.kernel.alive()
        return None if running else -signal.SIGKILL

    async def wait(self) -> int | None:
        """Wait for the kernel's end."""
        if self._pair is not None and self._pair.kernel.alive():
            ended = asyncio.Event()
            loop, number = asyncio.get_running_loop(), self._pair.kernel.fileno()
            loop.add_reader(number, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(number)
        await self.cleanup()
        return -signal.SIGKILL

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel itself."""
        if self._pair is not None and signum:
            self._pair.kernel.send_signal(signum)

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's signature
        """End the kernel and all that it started."""
        del restart
        if self._pair is not None:
            self._pair.kernel.stop()

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  # likewise
        """End it likewise: there is nothing in it that must be saved."""
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  # likewise
        """Let go of what is left of the kernel."""
        del restart
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.close()
