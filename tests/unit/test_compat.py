"""The stand-ins close real gaps only, and say what is missing when they are called."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str, project) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_whole_stack_imports_after_apply(project):
    code = ("from benchmark.engine import compat; compat.apply(); compat.apply()\n"
            "import torchvision, mmseg.models, mmengine.runner\n"
            "from mmengine.utils.dl_utils import collect_env\n"
            "print('MMEngine' in collect_env())")
    assert run(code, project) == "True"


def test_a_missing_operator_can_be_imported_and_explains_itself_when_called():
    from benchmark.engine.compat import MissingOps

    operator = MissingOps("mmcv._ext").point_sample
    with pytest.raises(RuntimeError, match="'point_sample' is not compiled here; install full mmcv"):
        operator(1)
    with pytest.raises(AttributeError):
        MissingOps("mmcv._ext").__wrapped__  # noqa: B018 - dunder look-ups must fail, or inspection goes astray


def test_mmengine_opens_local_checkpoints_with_weights_only(project, tmp_path):
    code = (f"import pickle, torch\nfrom benchmark.engine import compat; compat.apply()\n"
            "from mmengine.runner.checkpoint import CheckpointLoader\n"
            "class Evil:\n    def __reduce__(self):\n        return print, ('code ran',)\n"
            f"torch.save({{'state_dict': Evil()}}, r'{tmp_path}/evil.pth')\n"
            f"try:\n    CheckpointLoader.load_checkpoint(r'{tmp_path}/evil.pth')\n"
            "except pickle.UnpicklingError:\n    print('refused')")
    assert run(code, project).splitlines()[-1] == "refused"
