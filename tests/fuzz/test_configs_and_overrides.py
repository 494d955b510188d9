"""Configs and ``--set`` with anything in them: a config that can be hashed and run, or a line that says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark import configs, grid
from benchmark.datasets.synthetic import SyntheticSource
from benchmark.suites import Selection, expand, identity, load_suite
from benchmark.tuning.space import defaults, distributions, load_space

FUZZ = settings.get_profile("fuzz")
TEXTS = [
    "", "=", "a", "a=", "=1", "train_cfg.max_epochs=9", "dataset.counts={[]:1}", "a={{}:1}", "a={1,2}", "a=1j", "a=b''",
    "a=...", "a=1e999", "a=-1e999", "a=[1e999]", "a=" + "(" * 2000, "a=" + "[" * 90 + "]" * 90, "a=" + "-" * 5000 + "1",
    "a=" + "9" * 5000, "a='\\0'", "a='\\ud800'", "a=\0", "a=__import__('os').system('false')", "a={1: {2: 3}}", "a.=1",
    "..=1", "dataset.size=[64,64]", "dataset.size=abc", "dataset.seed=True", "+a=1", "a=1_000", "a=0x10", "a=\n1"]
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**20) | st.floats() | st.text(max_size=5) | st.sampled_from(
        ["auto", "exact", "last", "\0", "../x", "a" * 300, -1, 0, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner,
                                                                max_size=3), max_leaves=4)


@settings(FUZZ, max_examples=500)
@given(st.sampled_from(TEXTS) | st.text(max_size=20) | st.builds(
    "{}={}".format, st.sampled_from(["a.b", "dataset", "x"]), st.text("[](){},:'\"0e9.-+jb xTrue", max_size=12)))
@example("a={[]:1}")
@example("a=1j")
@example("a={1,2}")
@example("a=[1e999]")
@example("a=" + "(" * 2000)
@example("a=" + "-" * 5000 + "1")
def test_an_override_is_a_path_and_a_json_value_or_is_refused(attempt, text: str) -> None:
    found = attempt(lambda: configs.parse_override(text), "--set")
    if isinstance(found, tuple):
        path, value = found
        assert path and path == path.strip()
        json.dumps(configs.to_plain(value), allow_nan=False)


@pytest.fixture(scope="module")
def paths(quick_configs) -> list[str]:
    """Dotted path of every value in the configs of a classical and of a trained method."""
    plan = expand(load_suite("table1"), selection())
    return sorted({path for cell in plan.cells for path in configs._paths(cell.config)})


def selection(**more: Any) -> Selection:
    """Two methods on generated images."""
    return Selection(**({"profile": "demo", "data_root": Path("nowhere"), "methods": ["top_hat", "acm"]} | more))


@settings(FUZZ, max_examples=220)
@given(st.integers(0, 10**6), LITERALS)
def test_an_override_gives_cells_with_an_identity_or_is_refused(paths, attempt, quick_configs, place, value) -> None:
    text = f"{paths[place % len(paths)]}={value!r}"
    found = attempt(lambda: expand(load_suite("table1"), selection(overrides=[configs.parse_override(text)])))
    for cell in getattr(found, "cells", ()):
        assert len(cell.id) == 16 and cell.key.slot


@settings(FUZZ, max_examples=160)
@given(st.dictionaries(st.sampled_from(["size", "counts", "scr", "scenes", "seed", "text", "more"]), LITERALS,
                       max_size=3))
@example({"text": 5})
@example({"scr": [float("nan"), 3]})
def test_parameters_of_generated_data_are_taken_or_refused(attempt, config: dict[str, Any]) -> None:
    found = attempt(lambda: SyntheticSource.from_config(config))
    if isinstance(found, SyntheticSource):
        assert len(found.fingerprint()) == 16


SUITE = {"name": "mine", "title": "Mine", "metrics": ["iou", "fa"], "methods": ["top_hat", "acm"]}
VARIANT = {"name": "v", "base": "acm", "title": "V", "set": {"train_cfg.max_epochs": 2}}


@st.composite
def suites(draw: st.DrawFn) -> Any:
    """A suite with fields of any value, lacking or added."""
    if draw(st.integers(0, 9)) == 0:
        return draw(LITERALS)
    suite = SUITE | draw(st.dictionaries(st.sampled_from([
        *SUITE, "published", "datasets", "seeds", "notes", "labels", "kind", "figures", "images", "suites", "more"]),
        LITERALS, max_size=2))
    if draw(st.booleans()):
        suite["methods"] = draw(st.lists(st.sampled_from(["top_hat", "nothing", VARIANT, VARIANT | {"base": "no"}])
                                         | LITERALS, max_size=3))
    if draw(st.booleans()):
        suite["kind"] = draw(st.sampled_from(grid.SUITE_KINDS))
    return suite


@settings(FUZZ, max_examples=280)
@given(suites())
@example(SUITE | {"methods": 5})
@example(SUITE | {"methods": [["top_hat"]]})
@example(SUITE | {"metrics": ["nothing"]})
@example(SUITE | {"name": "../../mine"})
@example(SUITE | {"seeds": ["x"]})
@example(SUITE | {"labels": {"x": ["X"]}})
@example({"name": "all", "title": "all", "suites": 5})
def test_a_suite_is_planned_or_refused_by_name(attempt, quick_configs, suite: Any) -> None:
    found = attempt(lambda: grid.check_suite(suite, "mine.py"), "mine.py")
    if isinstance(found, dict) and "suites" not in found:
        plan = attempt(lambda: expand(found, selection(methods=None)))
        assert all(cell.id for cell in getattr(plan, "cells", ()))


METHOD = {"method": {"name": "mine", "title": "Mine", "type": "classical", "trainable": False, "text": False},
          "model": {"type": "TopHat"}, "evaluation": {"threshold": 0.5}}


@settings(FUZZ, max_examples=150)
@given(st.dictionaries(st.sampled_from([*METHOD, "recipes", "profiles", "tuned", "train_cfg"]), LITERALS, max_size=2),
       st.dictionaries(st.sampled_from([*METHOD["method"]]), LITERALS, max_size=1), st.booleans())
@example({}, {"name": 5}, False)
@example({"recipes": 5}, {}, False)
@example({}, {}, True)
def test_a_method_file_is_planned_or_refused_by_name(scratch, attempt, quick_configs, content, method, lacking) -> None:
    whole = METHOD | {"method": METHOD["method"] | method} | content
    if lacking and isinstance(whole["method"], dict):
        whole["method"].pop("trainable", None)
    path = scratch / "mine.py"
    path.write_text("\n".join(f"{name} = {value!r}" for name, value in whole.items()).replace("inf", "1e999").replace(
        "nan", "None"), encoding="utf-8", errors="replace")
    loaded = attempt(lambda: configs.load_method(str(path)), path)
    if isinstance(loaded, dict):
        plan = attempt(lambda: expand(load_suite("table1"), selection(methods=[str(path)])))
        assert all(cell.id for cell in getattr(plan, "cells", ()))


@settings(FUZZ, max_examples=150)
@given(st.text(max_size=60) | st.binary(max_size=40) | st.sampled_from([
    "raise SystemExit", "import os; os._exit", "x = 1/0", "_base_ = 'mine.py'", "_base_ = 5", "_base_ = ['a', 'b']",
    "\0",
    "suite = " + "(" * 2000, "raise KeyboardInterrupt()", "x: int", "def f(): pass",
    "_base_ = '../../../../etc/passwd'"]))
@example("raise SystemExit")
def test_a_config_file_is_read_or_refused_by_name(scratch, attempt, text: str | bytes) -> None:
    if text == "raise KeyboardInterrupt()":
        return  # is the user's own
    path = scratch / "config.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "ignore"))
    attempt(lambda: configs.load_file(path), path)


RANGES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("low", "high", "log", "step", "of", "default", "more"), LITERALS))


@settings(FUZZ, max_examples=140)
@given(st.dictionaries(st.text(max_size=4) | st.sampled_from(["model.level", "+a.b", "x"]), LITERALS | RANGES,
                       max_size=2))
@example({"x": {"low": "a", "high": 3}})
@example({"x": {"of": 5}})
@example({"x": {"low": 1, "high": 5, "step": 0}})
@example({"x": {"low": -1.0, "high": 5.0, "log": True}})
def test_a_search_space_can_be_drawn_from_or_is_refused_by_name(scratch, attempt, space: dict[str, Any]) -> None:
    path = scratch / "space.py"
    path.write_text(f"space = {space!r}".replace("inf", "1e999").replace("nan", "1e999"), encoding="utf-8",
                    errors="replace")
    found = attempt(lambda: load_space({"method": {"name": "mine", "trainable": True}}, str(path)), path)
    if isinstance(found, dict):
        assert distributions(found).keys() == found.keys()
        attempt(lambda: defaults(found, {"x": 3, "model": {"level": 4.0}}))


def test_an_identity_does_not_depend_on_the_order_of_keys() -> None:
    assert identity({"a": 1, "b": [2]}) == identity({"b": [2], "a": 1})


@pytest.mark.parametrize("text", [
    "model=None", "selection=None", "selection=''", "dataset={}", "dataset={'name': 'x'}", "dataset.layout=folder",
    "dataset.scenes={'cloud': 1" + "0" * 400 + "}", "method.trainable=None", "evaluation=5", "weights=None",
    "split=None",
    "split=''", "seed=None", "dataset.name=None", "dataset.default_split=None", "evaluation.threshold=None"])
def test_an_override_that_once_broke_the_plan_is_planned_or_refused(attempt, quick_configs, text: str) -> None:
    found = attempt(lambda: expand(load_suite("table1"), selection(overrides=[configs.parse_override(text)])))
    assert all(len(cell.id) == 16 for cell in getattr(found, "cells", ()))
