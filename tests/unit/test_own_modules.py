"""A method outside the repository: its modules are found beside its config, and their content is part of the config."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark import configs
from benchmark.engine.detector import find_source
from benchmark.errors import ConfigError
from benchmark.suites import Selection, lay_out, load_suite
from benchmark.tuning.export import export

CONFIG = '''
method = dict(name="mine_x", title="Mine", type="CNN", year=2026, trainable=True, reconstruction=False, paper="none")
custom_imports = dict(imports=["baselines.segmentor", "net_of_mine"])
model = dict(type="BaselineSegmentor", network=dict(type="NetOfMine"), loss=None)
weights = dict(kind="random")
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "net_of_mine.py").write_text("VALUE = 1\n")
    (tmp_path / "mine.py").write_text(CONFIG)
    return tmp_path / "mine.py"


def test_a_module_beside_the_config_becomes_importable_and_its_hash_part_of_the_config(mine):
    first = configs.load_method(str(mine))
    assert set(first["custom_imports"]["sha256"]) == {"net_of_mine"} and str(mine.parent) in sys.path
    assert configs.load_method(str(mine)) == first
    (mine.parent / "net_of_mine.py").write_text("VALUE = 2\n")
    assert configs.load_method(str(mine))["custom_imports"]["sha256"] != first["custom_imports"]["sha256"]


def test_the_repositorys_own_modules_stay_in_front_of_those_beside_a_config(mine, project):
    configs.load_method(str(mine))
    assert sys.path.index(str(mine.parent)) == len(sys.path) - 1


def test_a_config_without_modules_of_its_own_is_as_the_named_one(tmp_path, project, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = project / "configs/methods/acm.py"
    assert configs.load_method(str(path)) == configs.load_method("acm")


def test_a_tuned_config_in_another_folder_still_finds_the_module_beside_its_base(mine, tmp_path):
    tuned = tmp_path / "elsewhere" / "tuned.py"
    export(tuned, str(mine), {"seed": 1}, "a trial")
    assert set(configs.load_method(str(tuned))["custom_imports"]["sha256"]) == {"net_of_mine"}


@pytest.mark.parametrize(("old", "new", "message"), [
    ("net_of_mine", "not_there", "no not_there.py beside the config"),
    ('dict(imports=["baselines.segmentor", "net_of_mine"])', '["net_of_mine"]', "custom_imports is dict"),
])
def test_a_module_that_is_nowhere_is_one_line_before_anything_runs(mine, old, new, message, project):
    mine.write_text(CONFIG.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        configs.load_method(str(mine))
    result = subprocess.run([sys.executable, "benchmark/run.py", "--suite", "table1", "--profile", "demo", "--list",
                             "--methods", str(mine)], capture_output=True, text=True, cwd=project)
    assert result.returncode == 2 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


def test_predict_takes_the_path_and_says_how_to_train_it(mine, tmp_path):
    assert find_source(str(mine), "random", tmp_path).config["method"]["name"] == "mine_x"
    with pytest.raises(ConfigError, match=f"no trained mine_x .*--methods {mine}"):
        find_source(str(mine), None, tmp_path)


def test_a_suite_by_path_names_method_configs_from_its_own_folder(mine, tmp_path):
    suite = tmp_path / "suite.py"
    suite.write_text('suite = dict(name="s", title="S", metrics=("iou",), methods=("top_hat", "mine.py"))\n')
    layout = lay_out(load_suite(str(suite)), Selection(profile="demo", data_root=tmp_path))
    assert [row.name for row in layout.rows] == ["top_hat", "mine_x"]
