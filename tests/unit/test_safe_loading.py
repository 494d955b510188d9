"""Nothing that is read from disk can run code: the calls that could are not in the tree, or have it switched off."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDERS = ("benchmark", "models", "baselines", "reports", "configs")
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
HARMLESS = {"pickle.UnpicklingError"}  # the error by which torch refuses
# Calls that unpickle or run what they read, by the end of their dotted name, with the argument that forbids it.
SWITCHES = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False),
            "numpy.load": ("allow_pickle", False), "read_array": ("allow_pickle", False)}
FORBIDDEN_CALLS = ("torch.hub.load", "torch.jit.load", "model_zoo.load_url", "pd.read_pickle", "yaml.load",
                   "yaml.unsafe_load", "eval", "exec")
SAFE_LOADERS = ("yaml.BaseLoader", "yaml.SafeLoader")


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def offences(source: str) -> list[str]:
    """What in the source could run code that it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if name not in HARMLESS]
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if name == "yaml.load" and dotted(given.get("Loader", node.func)) in SAFE_LOADERS:
                continue
            for call, (argument, wanted) in SWITCHES.items():
                value = given.get(argument)
                safe = isinstance(value, ast.Constant) and value.value is wanted
                if (name == call or name.endswith("." + call)) and not safe:
                    found.append(f"{name} without {argument}={wanted}")
            found += [name for call in FORBIDDEN_CALLS if name == call or ("." in call and name.endswith("." + call))]
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_of_the_tree_can_run_what_it_reads(project, folder):
    files = sorted((project / folder).rglob("*.py"))
    assert files
    for path in files:
        assert not offences(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(("source", "count"), [
    ("torch.load(p)", 1), ("torch.load(p, weights_only=False)", 1), ("torch.load(p, weights_only=flag)", 1),
    ("torch.load(p, weights_only=True)", 0), ("np.load(p)", 1), ("np.load(p, allow_pickle=True)", 1),
    ("np.lib.format.read_array(f)", 1), ("np.load(p, allow_pickle=False)", 0), ("import pickle", 1),
    ("from pickle import loads", 1), ("from pickle import UnpicklingError", 0), ("import joblib", 1),
    ("torch.hub.load(a, b)", 1), ("model.eval()", 0), ("eval(text)", 1), ("yaml.load(f)", 1),
    ("yaml.load(f, Loader=yaml.Loader)", 1), ("yaml.load(f, Loader=yaml.BaseLoader)", 0), ("yaml.safe_load(f)", 0),
    ("json.load(f)", 0), ("pd.read_pickle(p)", 1),
])
def test_the_search_itself_finds_what_it_looks_for(source, count):
    assert len(offences(source)) == count


def test_every_checkpoint_that_mmengine_opens_by_path_goes_through_the_safe_loader(stack, tmp_path):
    from mmengine.runner.checkpoint import CheckpointLoader

    loader = CheckpointLoader._get_checkpoint_loader(str(Path(tmp_path) / "any.pth"))
    assert loader.__module__ == "benchmark.engine.compat"
