"""Spaces, tuning images, sampling, recovery and export of studies; no training here."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from benchmark import configs
from benchmark.datasets.catalog import open_dataset
from benchmark.errors import ConfigError, DataError, StoreError
from benchmark.suites import Selection, expand, load_suite
from benchmark.tuning import space as spaces
from benchmark.tuning import study as studies
from benchmark.tuning.export import export
from benchmark.tuning.plan import Wish, plan
from benchmark.tuning.worker import configured

NOWHERE = Path("/nowhere")
SYNTH = {"name": "synth-sirst", "title": "", "layout": "synthetic", "real": False, "default_split": "generated",
         "size": [64, 64], "counts": {"train": 12, "val": 4, "test": 6}, "mean": 80.0, "std": 40.0}


def spec(folder: Path, storage: str | None = None, **changes) -> studies.StudySpec:
    values = dict(name="study", storage=storage or str(folder / "journal.log"), seed=7, objectives=("iou",),
                  resource=(1, 9), workers=str(folder / "workers"))
    return studies.StudySpec(**(values | changes))


@pytest.mark.parametrize("name", configs.known("tune"))
def test_every_space_fits_its_method_and_holds_its_default(name):
    for method in ["acm"] if name == spaces.NETWORK else [name] if name in configs.known("methods") else []:
        path = str(configs.CONFIG_ROOT / "tune" / f"{name}.py")
        found = plan(Wish(method, "synth-sirst", NOWHERE, space=path,
                          overrides=[] if method != "saist_mobile" else [("model.sam.checkpoint", None)]))
        values = spaces.defaults(found.space, found.config)
        assert spaces.distributions(found.space).keys() == values.keys()
        assert configured(found.config, values) is not found.config


def test_a_network_without_a_space_takes_the_common_one_and_a_classical_method_is_refused():
    network = configs.load("methods", "saist_b")
    assert spaces.load_space(network) == configs.load("tune", "network")["space"]
    with pytest.raises(ConfigError, match="no search space for other; write configs/tune/other.py"):
        spaces.load_space({"method": {"name": "other", "trainable": False}})


def test_a_path_that_the_config_lacks_is_refused_with_near_matches(tmp_path):
    (tmp_path / "space.py").write_text('space = {"model.levle": dict(low=1.0, high=2.0)}\n')
    with pytest.raises(ConfigError, match=r"model.levle: the config has no such key; did you mean model.level"):
        plan(Wish("top_hat", "synth-sirst", NOWHERE, space=str(tmp_path / "space.py")))


@pytest.mark.parametrize(("entry", "message"), [
    ("dict(low=2, high=1)", "low < high must hold"), ("dict(lo=1, high=2)", "expected dict"),
    ("dict(low=1, high=2, logg=True)", "did you mean log"), ("3", "expected dict"), ("dict(of=())", "expected dict"),
])
def test_a_malformed_range_is_one_line(tmp_path, entry, message):
    (tmp_path / "space.py").write_text(f'space = {{"model.level": {entry}}}\n')
    with pytest.raises(ConfigError, match=message):
        plan(Wish("top_hat", "synth-sirst", NOWHERE, space=str(tmp_path / "space.py")))


def test_a_value_fixed_with_set_leaves_the_space():
    found = plan(Wish("top_hat", "synth-sirst", NOWHERE, overrides=[("model.level", 9.0)]))
    assert "model.level" not in found.space and found.config["model"]["level"] == 9.0


def test_a_default_outside_of_its_range_is_named():
    with pytest.raises(ConfigError, match="model.level is 18.0 in the config, outside of 1.0 to 2.0"):
        spaces.defaults({"model.level": dict(low=1.0, high=2.0)}, {"model": {"level": 18.0}})


def test_tuning_images_never_hold_a_test_image_and_the_val_list_is_used_where_there_is_one():
    source = open_dataset(SYNTH | {"tuning": dict(train=5)}, NOWHERE)
    assert len(source.ids("train")) == 5 and len(source.ids("val")) == 4 and source.ids("test") == []
    with pytest.raises(DataError, match="not an image to tune on"):
        source.read("test-00000")


def test_validation_is_carved_from_training_by_a_hash_that_nothing_else_moves():
    plain = SYNTH | {"counts": {"train": 40, "val": 0, "test": 6}}
    found = open_dataset(plain | {"tuning": dict()}, NOWHERE)
    train, val = found.ids("train"), found.ids("val")
    assert sorted(train + val) == open_dataset(plain, NOWHERE).ids("train") and 4 <= len(val) <= 16
    more = open_dataset(plain | {"counts": {"train": 60, "val": 0, "test": 6}, "tuning": dict()}, NOWHERE)
    assert set(val) <= set(more.ids("val")) and set(train) <= set(more.ids("train"))
    few = open_dataset(plain | {"tuning": dict(train=6, val=3)}, NOWHERE)
    assert set(few.ids("train")) <= set(train) and set(few.ids("val")) <= set(val) and len(few.ids("val")) == 3
    assert len(open_dataset(plain | {"tuning": dict(carve=False)}, NOWHERE).ids("train")) == 40


@pytest.mark.realdata
def test_on_real_data_no_tuning_image_is_a_test_image(real_data_root):
    for method in ("ipi", "acm"):
        found = plan(Wish(method, "nuaa-sirst", real_data_root))
        images = open_dataset(found.config["dataset"], real_data_root, found.config["split"])
        test = set(open_dataset(configs.load("datasets", "nuaa-sirst")["dataset"], real_data_root).ids("test"))
        assert len(test) == 214 and not test & {*images.ids("train"), *images.ids("val")}
        assert found.counts == ({"train": 213} if method == "ipi" else {"train": 158, "val": 55})


def suggest(study: optuna.Study, count: int) -> list[float]:
    values = []
    for _ in range(count):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        study.tell(trial, trial.params["x"])
        values.append(trial.params["x"])
    return values


def test_a_resumed_search_goes_on_as_one_that_never_stopped(tmp_path):
    whole = suggest(studies.open_study(spec(tmp_path / "a")), 14)
    parts = [suggest(studies.open_study(spec(tmp_path / "b")), 7) for _ in range(2)]
    assert parts[0] + parts[1] == whole and len(set(whole)) == 14  # ten random ones, four of TPE


def test_another_config_is_refused_for_a_study_that_exists(tmp_path):
    studies.open_study(spec(tmp_path), {"config": 1})
    studies.open_study(spec(tmp_path), {"config": 1})
    with pytest.raises(ConfigError, match="made with another config"):
        studies.open_study(spec(tmp_path), {"config": 2})


def test_a_trial_whose_process_was_killed_is_begun_anew_with_its_point(tmp_path):
    made = spec(tmp_path)
    code = ("import os, sys; sys.path.insert(0, '.'); from pathlib import Path; import optuna\n"
            "from benchmark.tuning import study as s\n"
            f"spec = s.{made!r}\n"
            "study = s.open_study(spec)\n"
            "with s.claimed(Path(spec.workers)) as name:\n"
            "    trial = study.ask({'x': optuna.distributions.FloatDistribution(0, 1)})\n"
            "    trial.set_user_attr('worker', name)\n"
            "    os._exit(9)\n")
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2], check=False)
    study = studies.open_study(made)
    point = study.get_trials()[0].params
    assert studies.recover(study, made) == 1 and studies.recover(study, made) == 0
    assert studies.spent(study) == 0 and studies.tally(study) == {"killed": 1, "waiting": 1}
    assert study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}).params == point


def test_a_trial_that_runs_elsewhere_is_left_alone(tmp_path):
    made = spec(tmp_path)
    study = studies.open_study(made)
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.set_user_attr("worker", "on-another-machine")
    assert studies.recover(study, made) == 0
    trial.set_user_attr("worker", "here")
    (tmp_path / "workers").mkdir()
    with (tmp_path / "workers" / "here.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert studies.recover(study, made) == 0


def test_the_default_is_trial_0_once(tmp_path):
    study = studies.open_study(spec(tmp_path))
    for _ in range(2):
        studies.enqueue_default(study, {"x": 0.25})
    first = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    assert first.number == 0 and first.params == {"x": 0.25} and len(study.get_trials()) == 1


def test_passwords_are_never_shown():
    address = "postgresql+psycopg://me:hunter2@localhost:1/studies"
    assert "hunter2" not in studies.shown(address) and "me" in studies.shown(address)
    with pytest.raises((StoreError, ConfigError)) as caught:
        studies.open_study(spec(NOWHERE, address))
    assert "hunter2" not in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_an_exported_trial_is_a_method_that_a_suite_takes(tmp_path):
    path = tmp_path / "best.py"
    export(path, "acm", {"optim_wrapper.optimizer.lr": 0.125, "+optim_wrapper.optimizer.weight_decay": 0.5}, "a test")
    selection = dict(profile="demo", data_root=NOWHERE, split=None)
    cells = expand(load_suite("table1"), Selection(methods=["acm", str(path)], **selection)).cells
    assert [cell.key.method for cell in cells] == ["acm", "acm_tuned"]
    assert cells[1].config["optim_wrapper"]["optimizer"] == {"type": "Adam", "lr": 0.125, "weight_decay": 0.5}
    assert "tuned" not in cells[1].config
    plain, tuned = ({name: value for name, value in cell.config.items() if name not in ("method", "optim_wrapper")}
                    for cell in cells)
    assert plain == tuned
    again = tmp_path / "again.py"
    export(again, str(path), {"optim_wrapper.optimizer.lr": 0.25}, "a test")
    (cell,) = expand(load_suite("table1"), Selection(methods=[str(again)], **selection)).cells
    assert cell.key.method == "acm_tuned" and cell.config["optim_wrapper"]["optimizer"]["lr"] == 0.25


def test_two_methods_of_one_name_are_refused(tmp_path):
    for name in ("one", "two"):
        export(tmp_path / f"{name}.py", "acm", {}, "a test")
    with pytest.raises(ConfigError, match="named 'acm_tuned' too"):
        expand(load_suite("table1"), Selection(profile="demo", data_root=NOWHERE,
                                               methods=[str(tmp_path / "one.py"), str(tmp_path / "two.py")]))


def test_tuned_values_must_be_in_the_config(tmp_path):
    export(tmp_path / "best.py", "acm", {"optim_wrapper.optimizer.rl": 0.125}, "a test")
    with pytest.raises(ConfigError, match="did you mean optim_wrapper.optimizer.lr"):
        expand(load_suite("table1"), Selection(profile="demo", data_root=NOWHERE, methods=[str(tmp_path / "best.py")]))
