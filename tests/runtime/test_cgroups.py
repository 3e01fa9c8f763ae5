import os
import subprocess
import sys
from pathlib import Path

import pytest

from lms.runtime import cgroups
from lms.runtime.cgroups import GroupMeter, TreeMeter


def test_a_member_out_of_sight_is_not_taken_for_our_own_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, _number: killed.append(pid))
    (tmp_path / "cgroup.procs").write_text("0\n41\n0\n42\n")
    cgroups._kill_members(tmp_path)
    assert killed == [41, 42]


VERSION_1 = {
    "memory": {
        "cgroup.procs": "", "memory.limit_in_bytes": "", "memory.usage_in_bytes": "7",
        "memory.max_usage_in_bytes": "9", "memory.oom_control": "under_oom 0\noom_kill 2",
    },
    "pids": {"cgroup.procs": "", "pids.max": ""},
    "cpuacct": {"cgroup.procs": "", "cpuacct.usage": "1500000000"},
}  # fmt: skip
VERSION_2 = {
    "": {
        "cgroup.procs": "", "memory.max": "", "pids.max": "", "memory.current": "7", "memory.peak": "9",
        "memory.events": "low 0\noom_kill 2", "cpu.stat": "usage_usec 1500000\nuser_usec 1",
    },
}  # fmt: skip


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2], ids=["v1", "v2"])
def test_a_group_bounds_counts_and_measures(
    version: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel fills a new group's folder; here the files are there before."""
    folders = [tmp_path / name / "duri" for name in version]
    monkeypatch.setattr(GroupMeter, "close", lambda _self: None)
    for folder, files in zip(folders, version.values(), strict=True):
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_text(content)
    meter = GroupMeter(folders, 100, 5)
    written = {path.name: path.read_text() for folder in folders for path in folder.iterdir()}
    assert {written[name] for name in ("memory.limit_in_bytes", "memory.max") if name in written} == {"100"}
    assert written["pids.max"] == "13"
    meter.bound(200, 6)
    assert "14" in {(folder / "pids.max").read_text() for folder in folders if (folder / "pids.max").exists()}
    meter.admit(4711)
    assert {(folder / "cgroup.procs").read_text() for folder in folders} == {"4711"}
    assert (meter.sample(1), meter.peak(), meter.exhausted(), meter.cpu_seconds(1)) == (7, 9, True, 1.5)


@pytest.mark.parametrize("version", ["1", "2"])
def test_whichever_version_may_be_written_is_used(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    for name in ("memory", "pids", "cpuacct", "cpu") if version == "1" else ("",):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "cgroup.procs").touch()
    if version == "2":
        (tmp_path / "cgroup.subtree_control").touch()
    meter = cgroups.make_meter(3, 100, 5)
    assert isinstance(meter, GroupMeter)
    names = {str(folder.relative_to(tmp_path)) for folder in meter._folders}
    own = f"duri-{os.geteuid()}-3"
    parents = ("memory", "pids", "cpuacct", "cpu")
    assert names == ({f"{name}/{own}" for name in parents} if version == "1" else {own})
    meter.close()
    assert not any(folder.exists() for folder in meter._folders)


def test_without_a_group_the_processes_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    meter = cgroups.make_meter(3, 100, 5)
    assert isinstance(meter, TreeMeter)
    meter.admit(os.getpid())
    meter.bound(1, 1)
    assert meter.sample(os.getpid()) > 1 << 20
    assert meter.peak() == meter.sample(os.getpid())
    assert not meter.exhausted()
    meter.close()


def test_processor_time_is_counted_with_that_of_children_still_there_and_waited_for() -> None:
    burn = "import sys, time\nwhile time.process_time() < 0.2: pass\n"
    tell_and_stay = "print(time.process_time(), flush=True)\nsys.stdin.read()\n"
    program = (
        "import os, subprocess\n"
        f"subprocess.run([sys.executable, '-c', {burn!r}], check=True)\n"
        f"live = subprocess.Popen([sys.executable, '-c', {burn + tell_and_stay!r}], stdout=subprocess.PIPE)\n"
        "other = float(live.stdout.readline())\n"
        f"{burn}print(other + sum(os.times()[:4]), flush=True)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", "import sys\n" + program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        told = float(child.stdout.readline())
        counted = TreeMeter().cpu_seconds(child.pid)
        child.communicate()
    assert told > 0.55
    assert counted == pytest.approx(told, abs=0.1)
