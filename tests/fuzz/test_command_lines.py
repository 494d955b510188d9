"""Commands with any options: they do what was asked, or say in one line why not. Nothing is trained or fetched."""

from __future__ import annotations

import argparse
import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark import compare, data, evaluate, predict, report, run, tune

FUZZ = settings.get_profile("fuzz")
# What a shell can pass: anything without NUL, bytes that are no text included.
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff"),
                max_size=10) | st.sampled_from([
    "", "-", "--", "-1", "0", "1", "2", "1.5", "nan", "inf", "1e9", "²", "٣", "9" * 5000, "a" * 300, "../..", "/", "\n",
    "%s", "{id}", "\x1b[31m", "auto", "cpu", "cuda:0", "cuda:²", "cuda:99", "top_hat", "acm", "saist", "table1", "all",
    "demo", "nuaa-sirst", "synth-sirst", "official", "paper", "0,1", ",", "a.b=1", "model={}", "iou", "@x", "30m", "s"])



def options_of(parser: argparse.ArgumentParser, skip: tuple[str, ...] = ()) -> st.SearchStrategy[list[str]]:
    """Command lines of a parser's own options, right and wrong, and of words that it does not expect."""
    found = []
    for action in parser._actions:
        if not action.option_strings or action.option_strings[-1] in skip or action.dest == "help":
            continue
        name = st.sampled_from(action.option_strings)
        values = WORDS | st.sampled_from(sorted(map(str, action.choices))) if action.choices else WORDS
        given_value = st.tuples(name, values) | st.builds(lambda name, value: (f"{name}={value}",), name, values)
        found.append(st.tuples(name) if action.nargs == 0 else given_value)
    one = st.one_of(found) if found else st.just(())
    return st.lists(one | st.tuples(WORDS), max_size=4).map(lambda parts: [word for part in parts for word in part])


@pytest.fixture(scope="module", autouse=True)
def nothing_runs(tmp_path_factory) -> Iterator[None]:
    """In an empty folder, with no data, weights, network, training or drawing to be had."""
    def refuse(*arguments: Any, **more: Any) -> Any:
        raise AssertionError("a case tried to run something")

    def no_network(*arguments: Any, **more: Any) -> Any:
        raise OSError("no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        for name in ("IRSTD_DATA_ROOT", "IRSTD_WEIGHTS_ROOT", "OPTUNA_STORAGE", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
            patch.delenv(name, raising=False)
        patch.setattr("benchmark.schedule.run", refuse)
        patch.setattr("benchmark.tuning.pool.run", refuse)
        patch.setattr("socket.create_connection", no_network)
        patch.setattr("benchmark.fetch_weights._pip_download", refuse)
        patch.setattr("benchmark.provenance.gpus", lambda: [])
        patch.setattr("benchmark.provenance.git_state", lambda: {"commit": None, "dirty": None})
        patch.setattr("reports.build.draw_figures", lambda *arguments, **more: [])
        yield


@settings(FUZZ, max_examples=140)
@given(st.sampled_from(["table1", "fig5", "scr", "cross", "nothing", "a" * 300 + ".py", "x.py", "\udcff.py"]),
       st.sampled_from(["--list", "--dry-run"]),
       options_of(run._parser(), ("--suite", "--list", "--dry-run", "--collect")))
@example("table1", "--list", ["--split", "a" * 300])
@example("table1", "--list", ["--methods", ""])
@example("table1", "--list", ["--datasets", "a" * 300])
@example("table1", "--list", ["--work-dir", "\udcff", "--profile", "demo", "--methods", "top_hat"])
@example("table1", "--list", ["--profile", "demo", "--methods", "top_hat", "--set", "dataset.seed={[]:1}"])
def test_run_lists_what_would_run_or_refuses(command, quick_configs, suite, look, options) -> None:
    few = [] if {"--methods", "-h"} & set(options) else ["--methods", "top_hat,acm"]
    command(run.main, ["--suite", suite, look, *few, *options])


@settings(FUZZ, max_examples=120)
@given(st.booleans(), options_of(tune._parser(), ("--trials", "--storage", "--list")))
@example(False, ["--method", "top_hat", "--dataset", "synth-sirst", "--study", "a" * 300])
@example(False, ["--method", "top_hat", "--dataset", "synth-sirst", "--study", "a/../../b"])
@example(False, ["--method", "top_hat", "--dataset", "synth-sirst", "--set", "model.level=x"])
@example(False, ["--method", "top_hat", "--dataset", "synth-sirst", "--work-dir", "/dev/null"])
def test_tune_plans_lists_or_refuses(command, quick_configs, quiet_study, look, options) -> None:
    command(tune.main, [*(["--list"] if look else ["--trials", "0"]), *options])


@pytest.fixture(scope="module")
def quiet_study() -> Iterator[None]:
    """Studies are opened and reported without a picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.tuning.pool.run", lambda *arguments, **more: None)
        patch.setattr("reports.study.build_study_report", lambda study, folder, **more: folder / "README.md")
        yield


@settings(FUZZ, max_examples=40)
@given(WORDS | st.sampled_from([
    "sqlite:///x.db", "sqlite:////nowhere/x.db", "postgresql://u:secret@127.0.0.1:9/x", "x://y", "mysql://u:secret@h/x",
    "://", "sqlite://", "journal.log", "/dev/null", "/dev/null/x", "."]))
@example("postgresql://u:secret@[bad/x")
def test_tune_says_what_is_wrong_with_a_storage_and_no_password(command, storage: str) -> None:
    ended = command(tune.main, ["--list", f"--storage={storage}"])
    assert "secret" not in ended.out + ended.err


@settings(FUZZ, max_examples=150)
@given(options_of(report._parser(), ("--work-dir",)), st.booleans())
@example(["--suite", "table1", "--out", "a" * 300], True)
def test_report_is_made_or_refused(command, quick_configs, small_store, options, there) -> None:
    if not {"--suite"} & set(options):
        options = ["--suite", "table1", *options]
    command(report.main, [*options, "--format", "md,csv", "--work-dir", str(small_store if there else "nowhere")])


@pytest.fixture(scope="module")
def small_store(report_store, scratch: Path) -> Path:
    """The records of two methods."""
    return report_store.fill(scratch / "small", ("table1",), methods=["top_hat", "acm"]).root


@settings(FUZZ, max_examples=150)
@given(st.lists(WORDS, max_size=3), options_of(compare._parser(), ("--work-dir",)))
@example(["top_hat", "acm"], ["--dataset", "a" * 300])
def test_compare_answers_or_refuses(command, small_store, methods, options) -> None:
    command(compare.main, [*methods, *options, "--work-dir", str(small_store)])


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser by name."""
    (action,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return action.choices


DATA = {name: parser for name, parser in subparsers(data._parser()).items() if name in ("verify", "prepare", "weights")}


@settings(FUZZ, max_examples=110)
@given(st.sampled_from(sorted(DATA)).flatmap(lambda name: st.tuples(
    st.just(name), st.lists(WORDS, max_size=2), options_of(DATA[name], ("--package",)))))
@example(("verify", ["a" * 300], []))
@example(("verify", ["."], ["--split", "\udcff"]))
@example(("weights", ["mobile_sam"], ["--from", "."]))
@example(("weights", ["sam_vit_b"], []))
@example(("prepare", ["nuaa-sirst"], ["--url", "x"]))
@example(("prepare", ["nuaa-sirst"], ["--url", "http://a\nb/c"]))
@example(("prepare", ["nuaa-sirst"], ["--url", "http://[x/"]))
@example(("weights", ["mobile_sam"], ["--from", "/dev/null", "--weights-root", "/dev/null"]))
def test_data_looks_or_refuses(command, quick_configs, case: tuple[str, list[str], list[str]]) -> None:
    name, words, options = case
    command(data.main, [name, *words, *options])


@settings(FUZZ, max_examples=100)
@given(st.lists(WORDS, max_size=2), st.lists(st.sampled_from([
    "--dry-run", "--without-masks", "--limit=0", "--limit=²", "--engine=clip", "--rpm=nan", "--rpm=0", "--price-in=x",
    "--captions=/dev/null", "--out=.", "--model=m"]), max_size=3))
@example(["synth-sirst"], [])
def test_captioning_estimates_or_refuses(command, quick_configs, words, options) -> None:
    command(data.main, ["caption", *words, *options, "--dry-run"])


def encoded(array: np.ndarray) -> bytes:
    """A PNG."""
    content = io.BytesIO()
    Image.fromarray(array).save(content, "PNG")
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    """A .npy file."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


SCORES = st.sampled_from([
    ("1.npy", npy(np.zeros((8, 8), np.float32))), ("1.npy", npy(np.full((8, 8), 0.7))),
    ("1.npy", npy(np.full((8, 8), np.nan))), ("1.npy", npy(np.full((8, 8), np.inf, np.float32))),
    ("3.npy", npy(np.ones((8, 8), int))), ("1.npy", npy(np.ones((8, 8), bool))), ("1.npy", npy(np.zeros((4, 8)))),
    ("1.npy", npy(np.zeros((0, 0)))), ("1.npy", npy(np.zeros((8, 8), np.float16))), ("1.npy", b""),
    ("1.npy", npy(np.zeros((8, 8), np.longdouble))), ("1.npy", npy(np.zeros((8, 8), complex))),
    ("1.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 4) + b"{}  "), ("1.png", b"x"),
    ("2.png", encoded(np.full((8, 8), 200, np.uint8))), ("1.png", encoded(np.zeros((8, 8, 3), np.uint8))),
    ("1_pixels0.png", encoded(np.zeros((8, 8), np.uint8))), ("\udcff.npy", npy(np.zeros((8, 8)))), ("a\nb.npy", b"")])
MASKS = st.sampled_from([
    ("1.png", encoded(np.eye(8, dtype=np.uint8))), ("1_pixels0.png", encoded(np.eye(8, dtype=np.uint8) * 255)),
    ("2.png", encoded(np.zeros((8, 8), np.uint8))), ("1.png", encoded(np.full((8, 8), 60, np.uint8))),
    ("3.png", encoded(np.ones((8, 8), np.uint8))), ("1.png", encoded(np.full((8, 8), 255, np.uint8))),
    ("\udcff.png", encoded(np.zeros((8, 8), np.uint8))), ("a\nb.png", b""), ("1.png", b"")])
EVALUATE = st.lists(st.sampled_from([
    ("--threshold", "0"), ("--threshold", "1"), ("--threshold", "nan"), ("--threshold", "-1"),
    ("--protocol", "overlap"), ("--protocol", "shooting"), ("--protocol", "opdc"), ("--protocol", "x"), ("--roc",),
    ("--roc", "exact"),
    ("--roc", "0"), ("--roc", "1"), ("--roc", "²"), ("--roc", "999999999999"), ("--bootstrap", "0"),
    ("--bootstrap", "1"), ("--bootstrap", "-1"), ("--bootstrap", "999999999999"), ("--seed", "-1"),
    ("--seed", "9" * 30), ("--seed", "9" * 5000), ("--json",), ("x",)]),
    max_size=3).map(lambda parts: [word for part in parts for word in part])


@settings(FUZZ, max_examples=190)
@given(st.lists(SCORES, max_size=2), st.lists(MASKS, max_size=2), EVALUATE)
@example([("1.npy", npy(np.full((8, 8), 0.7)))], [("1.png", encoded(np.eye(8, dtype=np.uint8)))], ["--bootstrap", "0"])
@example([], [], ["--roc", "999999999999"])
def test_evaluate_scores_or_refuses(command, scratch, scores, masks, options) -> None:
    folders = {"pred": scratch / "pred", "gt": scratch / "gt"}
    for folder, files in zip(folders.values(), (scores, masks), strict=True):
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, content in files:
            (folder / name).write_bytes(content)
    command(evaluate.main, ["--pred", str(folders["pred"]), "--gt", str(folders["gt"]), *options])


@settings(FUZZ, max_examples=150)
@given(st.lists(WORDS | st.sampled_from(["image.png", "broken.png", "absent.png", "folder", "clip.avi", ".", "a" * 300,
                                         "\udcff.png"]), max_size=3),
       options_of(predict._parser(), ("--export",)), st.sampled_from(["top_hat", "acm", "nothing"]))
@example(["\udcff.png"], [], "top_hat")
@example(["\udcff.avi"], [], "top_hat")
@example(["image.png"], ["--out", "/dev/null"], "top_hat")
@example(["image.png"], ["--weights", "a" * 300], "acm")
@example(["a" * 300], [], "top_hat")
def test_predict_finds_or_refuses(command, quick_configs, images, paths, options, method) -> None:
    out = [] if {"--out", "--explain"} & set(options) else ["--out", "found"]
    command(predict.main, ["--method", method, *out, *options, *paths])


@pytest.fixture(scope="module")
def images(nothing_runs) -> Iterator[None]:
    """A few inputs in the current folder, and a detector that needs no network."""
    def bright(source: Any, device: str) -> Callable[..., np.ndarray]:
        def score(image: np.ndarray, text: str | None) -> np.ndarray:
            return (image / np.iinfo(image.dtype).max).astype(np.float32)

        score.threshold, score.origin = 0.5, "bright"
        score.explain = lambda image, text: {}
        return score

    grey = encoded(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    Path("folder").mkdir()
    files = {"image.png": grey, "broken.png": grey[:40], "folder/a.png": grey, "folder/\udcff.png": grey,
             "\udcff.png": grey, "clip.avi": b"RIFF", "\udcff.avi": b"RIFF"}
    for name, content in files.items():
        Path(name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.engine.detector.Detector", bright)
        patch.setattr("reports.explanation.draw_explanation", lambda *arguments, **more: None)
        yield
