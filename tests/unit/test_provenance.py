"""What counts as changed code: what git keeps, and new files among the code; not a user's own images and results."""

from __future__ import annotations

import subprocess

import pytest

from benchmark import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for folder in provenance.CODE[:-1]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kept.py").write_text("")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "kept.py").write_text("")
    for command in (["init", "-q"], ["add", "-A"],
                    ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    return tmp_path


def dirty() -> bool:
    provenance.git_state.cache_clear()
    try:
        return provenance.git_state()["dirty"]
    finally:
        provenance.git_state.cache_clear()


def test_images_and_results_of_ones_own_leave_the_code_clean(checkout):
    for name in ("found/a.png", "mine/my_net.py", "reports/measured/cells/record.json"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("mine")
    assert dirty() is False


@pytest.mark.parametrize("name", ["benchmark/kept.py", "configs/new.py", "reports/new.py"])
def test_changed_and_new_code_does_not(checkout, name):
    (checkout / name).write_text("changed = True")
    assert dirty() is True
