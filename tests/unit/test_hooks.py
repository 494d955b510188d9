"""Checkpoints open with ``weights_only`` and keep their history; the newest whole one is found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def hooks(stack):
    from benchmark.engine import hooks

    return hooks


def message_hub_state():
    from mmengine.logging import HistoryBuffer

    buffer = HistoryBuffer(max_length=5)
    for value in (1.0, 2.0, 4.0):
        buffer.update(value)
    return {"log_scalars": {"train/loss": buffer}, "runtime_info": {"best_score": np.float64(0.5), "epoch": 3},
            "resumed_keys": {}}


def test_a_checkpoint_written_through_the_hook_opens_with_weights_only(hooks, tmp_path):
    checkpoint = {"state_dict": {"w": torch.ones(2)}, "meta": {"epoch": 3}, "message_hub": message_hub_state()}
    hooks.PlainCheckpointHook().before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, tmp_path / "epoch_3.pth")
    loaded = torch.load(tmp_path / "epoch_3.pth", weights_only=True)
    assert loaded["message_hub"]["runtime_info"]["best_score"] == 0.5
    hooks.PlainCheckpointHook().after_load_checkpoint(None, loaded)
    buffer = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert buffer.data[0].tolist() == [1, 2, 4] and buffer.max_length == 5 and buffer.mean() == pytest.approx(7 / 3)


def test_without_the_hook_the_checkpoint_would_be_refused(stack, tmp_path):
    torch.save({"state_dict": {}, "message_hub": message_hub_state()}, tmp_path / "epoch_1.pth")
    with pytest.raises(Exception, match="[Ww]eights.only"):
        torch.load(tmp_path / "epoch_1.pth", weights_only=True)


def test_histories_are_shortened_to_their_last_values_and_short_ones_stay(hooks):
    from mmengine.logging import HistoryBuffer

    values = np.arange(hooks.KEPT_SCALARS + 7.0)
    short = HistoryBuffer([1.0, 2.0], [1, 1])
    scalars = {"train/loss": HistoryBuffer(values.tolist(), [1] * len(values)), "train/lr": short}
    runner = SimpleNamespace(message_hub=SimpleNamespace(log_scalars=scalars))
    hooks.ShortHistoryHook().before_train_epoch(runner)
    kept, counts = scalars["train/loss"].data
    assert np.array_equal(kept, values[7:]) and len(counts) == hooks.KEPT_SCALARS
    assert scalars["train/lr"] is short
    scalars["train/loss"].update(5.0)
    assert scalars["train/loss"].current() == 5.0
    assert scalars["train/loss"].mean(10) == pytest.approx((values[-9:].sum() + 5.0) / 10)


def test_epochs_draw_different_numbers_and_a_repeated_epoch_the_same(hooks):
    def draws(epoch):
        hooks.EpochSeedHook().before_train_epoch(SimpleNamespace(seed=1, epoch=epoch))
        return np.random.rand(), torch.rand(1).item()

    assert draws(0) != draws(1)
    assert draws(1) == draws(1)


def test_the_newest_whole_checkpoint_is_found_and_broken_ones_are_set_aside(stack, tmp_path):
    from benchmark.engine.checkpoints import newest_intact

    assert newest_intact(tmp_path) is None
    for epoch in (2, 10, 9):
        torch.save({"state_dict": {"w": torch.zeros(1000)}}, tmp_path / f"epoch_{epoch}.pth")
    (tmp_path / "epoch_best.pth").write_bytes(b"not a numbered checkpoint")
    whole = (tmp_path / "epoch_10.pth").read_bytes()
    (tmp_path / "epoch_10.pth").write_bytes(whole[: len(whole) // 2])
    assert newest_intact(tmp_path).name == "epoch_9.pth"
    assert (tmp_path / "epoch_10.pth.damaged").exists()
    assert newest_intact(tmp_path, usable=lambda epoch: epoch < 9).name == "epoch_2.pth"


def test_the_curve_joins_training_and_validation_and_ignores_a_line_cut_off(hooks, tmp_path):
    lines = '{"epoch": 1, "loss": 0.5}\n{"epoch": 1, "val_iou": 0.25}\n{"epoch": 2, "loss": 0.4}\n{"epoch": 3, "lo'
    (tmp_path / hooks.CURVE_FILE).write_text(lines)
    assert hooks.read_curve(tmp_path) == [{"epoch": 1, "loss": 0.5, "val_iou": 0.25}, {"epoch": 2, "loss": 0.4}]
    assert hooks.validated(tmp_path, 1) and not hooks.validated(tmp_path, 2)


def test_a_resumed_run_drops_the_curve_of_epochs_that_it_repeats(hooks, tmp_path):
    (tmp_path / hooks.CURVE_FILE).write_text('{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n')
    hooks.CurveHook(str(tmp_path)).before_train(SimpleNamespace(epoch=1))
    assert [row["epoch"] for row in hooks.read_curve(tmp_path)] == [1]


def test_a_bit_that_changed_anywhere_in_the_weights_is_found(stack, tmp_path):
    from benchmark.engine.checkpoints import is_intact, newest_intact

    path = tmp_path / "epoch_1.pth"
    torch.save({"state_dict": {"w": torch.arange(4000.0)}}, path)
    content = path.read_bytes()
    assert is_intact(path)
    for share in (0.2, 0.5, 0.8):
        changed = bytearray(content)
        changed[int(len(content) * share)] ^= 1
        path.write_bytes(changed)
        assert torch.load(path, weights_only=True)["state_dict"]["w"].shape == (4000,)  # torch does not notice
        assert not is_intact(path)
    assert newest_intact(tmp_path) is None and (tmp_path / "epoch_1.pth.damaged").exists()


def test_nobody_goes_on_from_a_checkpoint_without_an_optimiser(stack, tmp_path):
    from benchmark.engine.checkpoints import is_intact, newest_intact, strip

    for epoch in (1, 2):
        torch.save({"state_dict": {"w": torch.ones(3)}, "optimizer": {}, "meta": {}}, tmp_path / f"epoch_{epoch}.pth")
    strip(tmp_path / "epoch_2.pth")
    assert is_intact(tmp_path / "epoch_2.pth") and newest_intact(tmp_path).name == "epoch_1.pth"


def test_the_best_checkpoint_is_that_of_the_latest_epoch_whatever_the_files_dates_say(stack, tmp_path):
    import os

    from benchmark.engine.checkpoints import best, discard_later

    for epoch in (2, 10, 9):
        path = tmp_path / f"best_irstd_iou_epoch_{epoch}.pth"
        torch.save({"state_dict": {}}, path)
        os.utime(path, (10**9 - epoch, 10**9 - epoch))
    assert best(tmp_path).name == "best_irstd_iou_epoch_10.pth"
    discard_later(tmp_path, 9)
    assert best(tmp_path).name == "best_irstd_iou_epoch_9.pth"
