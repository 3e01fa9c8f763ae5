from pathlib import Path

import pytest

from lms.runtime import cgroups


def test_a_member_out_of_sight_is_not_taken_for_our_own_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, _number: killed.append(pid))
    (tmp_path / "cgroup.procs").write_text("0\n41\n0\n42\n")
    cgroups._kill_members(tmp_path)
    assert killed == [41, 42]
