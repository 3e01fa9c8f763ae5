"""The key of grade records as files: made once, changed without a gap, readable by nobody else."""

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lms.grading.adapters import witness
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.adapters.witness import InstallationNotary, describe_environment, engine, machine
from lms.grading.core.record import GradeRecord, TimingsPart, written
from lms.grading.core.record_reading import RecordProblem, verify
from lms.runtime.environments import Environment
from tests.factories.records import statement

AT = datetime(2026, 9, 4, 3, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "keys"


def record(keys: FolderKeys, at: datetime) -> GradeRecord:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return keys.sign(statement(timings=TimingsPart(queued_at=stamp, finished_at=stamp)), at=at)


def test_nothing_is_made_before_the_first_record(folder: Path) -> None:
    assert FolderKeys(folder).published() == ()
    assert not folder.exists()


def test_the_first_record_makes_and_publishes_the_key(folder: Path) -> None:
    made = record(FolderKeys(folder), AT)
    published = FolderKeys(folder).published()
    assert [one.key for one in published] == [made.proof.key]
    assert verify(written(made), published) == made


def test_nobody_else_can_read_the_key_or_the_secret(folder: Path) -> None:
    keys = FolderKeys(folder)
    record(keys, AT)
    keys.secret()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("grade-record.key", "grade-record.secret"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_many_processes_at_once_make_one_key(folder: Path) -> None:
    made: list[tuple[str, bytes]] = []

    def first() -> None:
        keys = FolderKeys(folder)
        made.append((record(keys, AT).proof.key, keys.secret()))

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert len(FolderKeys(folder).published()) == 1


def test_after_a_change_of_the_key_old_records_hold_and_new_ones_are_signed_anew(folder: Path) -> None:
    keys = FolderKeys(folder)
    old = record(keys, AT)
    new_key = FolderKeys(folder).rotate(at=AT + timedelta(hours=1))
    new = record(keys, AT + timedelta(hours=2))  # a worker that had signed before the change
    assert new.proof.key == new_key.key != old.proof.key
    published = keys.published()
    assert [one.retired_at for one in published] == ["2026-09-04T04:00:00Z", None]
    for each in (old, new):
        assert verify(written(each), published) == each


def test_a_stolen_old_key_signs_nothing_new(folder: Path, tmp_path: Path) -> None:
    keys = FolderKeys(folder)
    record(keys, AT)
    stolen = tmp_path / "stolen"
    stolen.mkdir()
    (stolen / "grade-record.key").write_bytes((folder / "grade-record.key").read_bytes())
    keys.rotate(at=AT + timedelta(hours=1))
    forged = record(FolderKeys(stolen), AT + timedelta(hours=2))
    with pytest.raises(RecordProblem) as refused:
        verify(written(forged), keys.published())
    assert refused.value.code == "record.after-retirement"


def test_a_key_changed_but_not_published_is_published_by_the_next_record(folder: Path) -> None:
    """As after a crash between the two files."""
    keys = FolderKeys(folder)
    record(keys, AT)
    (folder / "grade-record.key").write_text("11" * 32)
    new = record(FolderKeys(folder), AT + timedelta(hours=1))
    published = keys.published()
    assert [one.key for one in published if one.retired_at is None] == [new.proof.key]
    assert len(published) == 2


def test_the_secret_outlives_a_change_of_the_key(folder: Path) -> None:
    keys = FolderKeys(folder)
    before = keys.secret()
    keys.rotate(at=AT)
    assert keys.secret() == before


# what a run runs on


def test_the_engine_is_known_by_the_source_of_everything_that_grades(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in witness.ENGINE:
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "a.py").write_text("1")
    monkeypatch.setattr(witness, "PACKAGE", tmp_path)
    seen = {engine.__wrapped__().sha256}
    (tmp_path / "grading/core/a.py").write_text("2")
    seen.add(engine.__wrapped__().sha256)
    (tmp_path / "runtime/a.py").rename(tmp_path / "runtime/b.py")
    seen.add(engine.__wrapped__().sha256)
    assert len(seen) == 3
    assert engine.__wrapped__().sha256 in seen


def test_the_machine_says_what_it_is() -> None:
    found = machine()
    assert found.system
    assert found.kernel
    assert found.architecture


def test_an_environment_is_described_by_what_is_installed_in_it(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, version in (("numpy", "2.3.1"), ("Pandas", "2.3.0")):
        made = packages / f"{name}-{version}.dist-info"
        made.mkdir(parents=True)
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_bytes(b"an interpreter")
    found = describe_environment(Environment("ml-basics", "a" * 64, tmp_path, tmp_path / "bin" / "python"))
    assert found.packages == ("Pandas==2.3.0", "numpy==2.3.1")
    assert found.python_version == "3.11.7"
    (packages / "numpy-2.3.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: numpy\nVersion: 2.4.0\n"
    )
    changed = describe_environment.__wrapped__(
        Environment("ml-basics", "a" * 64, tmp_path, tmp_path / "bin" / "python")
    )
    assert changed.packages_sha256 != found.packages_sha256


def test_commitments_differ_between_installations(tmp_path: Path) -> None:
    notaries = [
        InstallationNotary("https://duri.example", FolderKeys(tmp_path / name), tmp_path) for name in "ab"
    ]
    assert notaries[0].commit("test", "x") == notaries[0].commit("test", "x")
    assert notaries[0].commit("test", "x") != notaries[1].commit("test", "x")
