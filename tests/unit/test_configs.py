"""Composing configs, and overrides that cannot be mistyped."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark import configs, run
from benchmark.errors import ConfigError

DATASET = {"name": "toy", "title": "Toy", "layout": "folder", "real": True, "default_split": "official"}


def merge(method="acm", profile="fast", dataset=DATASET, **more):
    return configs.merge(profile=configs.load("profiles", profile), method=configs.load("methods", method),
                         dataset=dataset, split="official", seed=3, protocol=None, **more)


def compose(method="acm", profile="fast", overrides=(), dataset=DATASET, **more):
    return configs.compose(merge(method, profile, dataset, **more), overrides)


def test_the_authors_recipe_wins_over_the_profile_and_the_profile_over_the_base():
    config = compose()
    assert config["optim_wrapper"]["optimizer"]["type"] == "Adagrad"  # acm's; the base has Adam
    assert config["train_dataloader"]["batch_size"] == 4  # the fast profile's; the base has 8
    assert config["seed"] == 3 and config["split"] == "official"


def test_a_methods_own_recipe_applies_only_in_its_profile():
    assert compose(profile="paper")["train_cfg"]["max_epochs"] == 300
    assert compose(profile="fast")["train_cfg"]["max_epochs"] != 300


def test_an_untrained_method_keeps_no_training_key_that_could_make_it_stale():
    config = compose("top_hat")
    assert not set(configs.TRAINING_KEYS) & config.keys()
    assert config["evaluation"]["protocol"] == "standard"


def test_synthetic_sizes_of_a_profile_do_not_touch_real_datasets():
    synthetic = DATASET | {"layout": "synthetic", "size": [256, 256]}
    assert compose(profile="demo", dataset=synthetic)["dataset"]["size"] == [128, 128]
    assert "size" not in compose(profile="demo")["dataset"]


def test_override_changes_the_named_value_only():
    before, after = compose(), compose(overrides=[("train_cfg.max_epochs", 2)])
    assert after["train_cfg"].pop("max_epochs") == 2
    before["train_cfg"].pop("max_epochs")
    assert before == after


def test_a_mistyped_override_is_refused_with_the_near_match():
    with pytest.raises(ConfigError, match=r"train_cfg.max_epoch: .* did you mean train_cfg.max_epochs"):
        configs.check_overrides([("train_cfg.max_epoch", 9)], [compose()])


def test_an_override_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="expected int like"):
        configs.check_overrides([("train_cfg.max_epochs", "many")], [compose()])


def test_an_override_that_a_method_has_no_use_for_is_accepted_and_leaves_it_alone():
    configs.check_overrides([("train_cfg.max_epochs", 9)], [merge("top_hat")])
    assert "train_cfg" not in compose("top_hat", overrides=[("train_cfg.max_epochs", 9)])


@pytest.mark.parametrize(("text", "expected"), [
    ("a.b=3", ("a.b", 3)), ("a=1e-3", ("a", 1e-3)), ("a=last", ("a", "last")), ("a=(64, 64)", ("a", (64, 64))),
    ("a=None", ("a", None)), ("a=x=y", ("a", "x=y")),
])
def test_override_values_are_literals_or_strings(text, expected):
    assert configs.parse_override(text) == expected


@pytest.mark.parametrize("text", ["", "a", "=3", "  =3"])
def test_an_override_without_key_or_value_is_refused(text):
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        configs.parse_override(text)


def test_an_unknown_config_names_near_matches():
    with pytest.raises(ConfigError, match="unknown method 'acmm'; did you mean acm"):
        configs.load("methods", "acmm")


def test_a_broken_config_file_is_one_line(tmp_path):
    path = tmp_path / "suite.py"
    path.write_text("suite = dict(\n")
    with pytest.raises(ConfigError) as caught:
        configs.load_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_common_recipe_trains_every_network_alike_and_is_named():
    own = compose()
    common = configs.merge(profile=configs.load("profiles", "fast"), method=configs.load("methods", "acm"),
                           dataset=DATASET, split="official", seed=3, protocol=None, recipe="common")
    assert "recipe" not in own and common["recipe"] == "common"
    assert common["optim_wrapper"]["optimizer"] == {"type": "Adam", "lr": 2e-3}
    assert common["train_cfg"] == own["train_cfg"] and common["model"] == own["model"]


def test_the_demonstration_trains_with_the_common_recipe():
    assert compose(profile="demo")["recipe"] == "common"
    assert compose(profile="demo")["optim_wrapper"]["optimizer"]["type"] == "Adam"


def test_a_method_without_a_recipe_of_its_authors_has_the_common_one():
    method = dict(configs.load("methods", "acm"))
    del method["recipes"]
    found = configs.merge(profile=configs.load("profiles", "paper"), method=method, dataset=DATASET, split="paper",
                          seed=0, protocol=None, recipe="authors")
    assert found["recipe"] == "common"


def test_a_profile_like_another_has_the_methods_settings_of_that_one_and_a_name_of_its_own():
    like, own = (compose("saist_mobile", profile=name) for name in ("fast", "cpu"))
    assert (like["profile_name"], own["profile_name"]) == ("fast", "cpu")
    assert own["view"] == like["view"] and own["model"]["sam"] == like["model"]["sam"]
    assert own["view"]["size"] == [512, 512]


def test_what_a_profile_says_of_networks_reaches_those_and_no_other_method():
    profile = configs.load("profiles", "fast") | {"networks": {"model": {"autocast": "bfloat16"}}}
    network, classical = (configs.merge(profile=profile, method=configs.load("methods", name), dataset=DATASET,
                                        split="official", seed=0, protocol=None) for name in ("saist", "ipi"))
    assert network["model"]["autocast"] == "bfloat16" and "networks" not in network
    assert "autocast" not in classical["model"]


def test_networks_that_are_compared_with_an_equal_budget_have_one():
    suite = configs.load("suites", "measured_networks")["suite"]
    found = [compose(name, profile="cpu") for name in suite["methods"]]
    assert len({(config["train_cfg"]["max_epochs"], config["recipe"]) for config in found}) == 1
    assert found[0]["recipe"] == "common"


def test_one_gpu_trains_networks_by_their_authors_recipe_or_all_by_one_budget_and_the_sams_at_1024():
    networks, sams = (configs.load("suites", f"measured_gpu_{name}")["suite"] for name in ("networks", "sam"))
    theirs, papers = (compose("uiunet", profile=name, recipe="authors") for name in ("gpu", "paper"))
    assert theirs["view"] == papers["view"] and theirs["train_cfg"]["max_epochs"] == papers["train_cfg"]["max_epochs"]
    assert theirs["train_dataloader"]["batch_size"] == papers["train_dataloader"]["batch_size"]
    alike = [compose(name, profile="gpu", recipe="common") for name in networks["methods"]]
    assert all(config["train_cfg"]["max_epochs"] == 200 and config["view"]["size"] == [256, 256] for config in alike)
    for row in sams["methods"]:
        config = compose(row["base"], profile="gpu", settings=row["set"])
        assert config["view"]["size"] == [1024, 1024] and config["train_dataloader"]["batch_size"] == 4
        assert config["optim_wrapper"]["optimizer"]["lr"] == 1e-4


def test_a_suite_may_bring_its_profile_and_the_user_has_the_last_word():
    suite = {"name": "mine", "profile": "cpu"}
    assert run._choose_profile(None, suite, Path(), "cpu") == ("cpu", "the suite's own")
    assert run._choose_profile("demo", suite, Path(), "cpu")[0] == "demo"
    with pytest.raises(ConfigError, match="suite mine: unknown profile 'cup'; did you mean cpu"):
        run._choose_profile(None, suite | {"profile": "cup"}, Path(), "cpu")


@pytest.mark.parametrize("name", ["sam", "sam_hq", "saist", "saist_mobile", "saist_t"])
def test_the_high_rate_of_short_trainings_is_not_that_of_transformers(name):
    for profile in ("fast", "cpu"):
        assert compose(name, profile=profile)["optim_wrapper"]["optimizer"]["lr"] <= 5e-4


@pytest.mark.parametrize("epochs", [0, -3])
def test_a_training_without_epochs_is_refused_before_it_starts(epochs):
    with pytest.raises(ConfigError, match=f"train_cfg.max_epochs must be a whole number of at least 1, got {epochs}"):
        compose(overrides=[("train_cfg.max_epochs", epochs)])


def test_a_config_of_ones_own_that_takes_a_section_away_is_no_crash():
    assert configs.compose(merge() | {"train_cfg": None}, ())["train_cfg"] is None


def test_a_network_given_as_a_config_says_what_a_config_is(tmp_path):
    (tmp_path / "net.py").write_text("raise RuntimeError\n")
    with pytest.raises(ConfigError, match="net.py: RuntimeError: no message; a config holds plain values"):
        configs.load_method(str(tmp_path / "net.py"))
