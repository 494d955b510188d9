"""The SLURM files of ``configs/cluster``, with stand-ins for SLURM's commands and the variables that it sets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "configs" / "cluster"
CELL = ["--suite", "table1", "--methods", "top_hat", "--profile", "demo", "--device", "cpu", "--wandb", "disabled",
        "--set", "dataset.counts={'train': 6, 'val': 3, 'test': 3}", "--set", "evaluation.bootstrap=50"]
# srun leaves out its own options and becomes the command; two "nodes" are two names of this machine.
COMMANDS = {
    "srun": 'echo "srun $*" >>"$CALLS"\nwhile [[ $1 == -* ]]; do shift; done\nexec "$@"\n',
    "scontrol": '[[ "$*" == "show hostnames node[1-2]" ]] && printf "127.0.0.1\\nlocalhost\\n"\n',
}


@pytest.fixture
def environment(tmp_path) -> Iterator[dict[str, str]]:
    """Variables of a job on two nodes, with the stand-ins first on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in COMMANDS.items():
        (programs / name).write_text("#!/usr/bin/env bash\n" + body)
        (programs / name).chmod(0o755)
    ray = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie in it
    yield {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"),
           "BIN": str(Path(sys.executable).parent), "IRSTD_DATA_ROOT": str(tmp_path / "none"), "RAY_TMPDIR": ray,
           "SLURM_SUBMIT_DIR": str(PROJECT), "SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "node[1-2]",
           "SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "1", "OMP_NUM_THREADS": "1"}
    shutil.rmtree(ray, ignore_errors=True)
    for log in PROJECT.glob(f"ray-{os.getpid()}-*.log"):
        log.unlink()


def submit(name: str, environment: dict[str, str], work: Path) -> str:
    result = subprocess.run(["bash", str(FOLDER / name), *CELL, "--work-dir", str(work)], env=environment, text=True,
                            capture_output=True, cwd=work.parent, timeout=500)
    assert result.returncode == 0 and list(work.glob("cells/top_hat__*/record.json")), result.stdout + result.stderr
    return Path(environment["CALLS"]).read_text()


def test_the_single_node_file_runs_a_cell_and_takes_run_pys_options(environment, tmp_path):
    assert "benchmark/run.py --jobs 1 --suite table1" in submit("single.sbatch", environment, tmp_path / "work")


@pytest.mark.slow
def test_the_ray_file_starts_ray_on_each_node_runs_a_cell_and_leaves_no_process(environment, tmp_path):
    pytest.importorskip("ray")
    calls = submit("ray.sbatch", environment, tmp_path / "work").splitlines()
    head, other = calls
    assert "--nodelist=127.0.0.1" in head and "--head" in head and "--num-cpus=1 --num-gpus=0" in head
    assert "--nodelist=localhost" in other and "--address=127.0.0.1:" in other
    left = subprocess.run(["pgrep", "-f", environment["RAY_TMPDIR"]], capture_output=True, text=True).stdout
    assert not left


def test_every_file_is_valid_bash_and_says_what_to_edit():
    files = sorted(FOLDER.glob("*.sbatch"))
    assert {path.name for path in files} == {"ray.sbatch", "single.sbatch"}
    for path in files:
        assert subprocess.run(["bash", "-n", str(path)]).returncode == 0
        assert "# Edit:" in path.read_text() and "#SBATCH --nodes=" in path.read_text()
