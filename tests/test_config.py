from dataclasses import replace
from pathlib import Path

import pytest

from lms.config import Settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DURI_INSTANCE", str(tmp_path))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DURI_PUBLIC_URL", "https://learn.example.org")
    monkeypatch.setenv("DURI_DEMO", "yes")
    monkeypatch.setenv("DURI_LEASE_SECONDS", "7")
    settings = Settings.load()
    assert (settings.instance, settings.demo, settings.lease_seconds) == (tmp_path, True, 7)
    assert settings.public_url == "https://learn.example.org"
    assert settings.database == f"sqlite:///{tmp_path}/duri.db"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DURI_PUBLIC_ULR", "x", "unknown settings: DURI_PUBLIC_ULR"),
        ("DURI_DEMO", "perhaps", "neither yes nor no"),
        ("DURI_LEASE_SECONDS", "soon", "soon"),
        ("DURI_ISOLATION", "none", "full or reduced"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        Settings.load()


def test_a_process_gets_the_same_settings_by_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = replace(Settings.load(), demo=True, trusted_proxies=2, trust_file=tmp_path / "trust.json")
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


def test_the_session_key_is_made_once_and_for_nobody_else() -> None:
    settings = Settings.load()
    key = settings.session_key()
    assert key == Settings.load().session_key()
    assert len(key) == 64
    assert (settings.instance / "secret_key").stat().st_mode & 0o077 == 0
