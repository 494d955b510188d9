"""Running out of memory is known by its many names, and batches are cut into equal parts."""

from __future__ import annotations

import pytest
import torch
from torch import nn


@pytest.fixture(scope="module")
def memory(stack):
    from benchmark.engine import memory

    return memory


@pytest.mark.parametrize("error", [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
                 "to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4000000000000 bytes."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: out of memory"),
])
def test_every_name_of_too_little_memory_is_known(memory, error):
    assert memory.is_out_of_memory(error)
    with pytest.raises(memory.MemoryShortage, match="out of memory with batch 4"), memory.told("batch 4"):
        raise error


def test_what_the_allocator_of_this_machine_really_raises_is_known(memory):
    with pytest.raises(memory.MemoryShortage), memory.told("one image"):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_pass_as_they_are(memory):
    with pytest.raises(RuntimeError, match="^shapes differ$"), memory.told("batch 4"):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize(("batch_size", "parts", "expected"), [
    (4, 1, 2), (4, 2, 4), (4, 4, None), (1, 1, None), (6, 1, 2), (6, 2, 6), (5, 1, 5), (9, 1, 3), (9, 3, 9), (2, 1, 2),
])
def test_a_batch_is_cut_into_equal_parts_of_half_its_size_or_less(memory, batch_size, parts, expected):
    assert memory.halved(batch_size, parts) == expected


def test_a_damaged_note_of_the_cut_means_whole_batches(memory, tmp_path):
    memory.keep_parts(tmp_path, batch_size=6, parts=3, epoch=2, reason="why")
    assert memory.kept_parts(tmp_path) == 3 and memory.kept_cut(tmp_path)["micro_batch"] == 2
    (tmp_path / memory.MICRO_BATCH_FILE).write_text("{")
    assert memory.kept_parts(tmp_path) == 1 and memory.kept_cut(tmp_path) is None


class Squares(nn.Module):
    """Loss: mean over the images of (w · image)²."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))

    def train_step(self, batch, optim_wrapper):
        loss = (torch.stack(batch["inputs"]) @ self.weight).square().mean()
        optim_wrapper.update_params(loss)
        return {"loss": loss.detach()}


@pytest.mark.parametrize("start", [0, 3])  # 3: resumed, where iterations are no multiple of the parts
def test_cut_batches_take_the_steps_of_whole_ones(memory, start):
    from types import SimpleNamespace

    from mmengine.optim import OptimWrapper

    generator = torch.Generator().manual_seed(0)
    batches = [{"inputs": list(torch.randn(6, 2, generator=generator)), "data_samples": list(range(6))}
               for _ in range(5)]
    found = {}
    for parts in (1, 2, 3, 6):
        model, heard = Squares(), []
        wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=0.1), accumulative_counts=parts)
        runner = SimpleNamespace(
            model=model, optim_wrapper=wrapper, val_loop=None, visualizer=SimpleNamespace(dataset_meta=None),
            call_hook=lambda name, heard=heard, **more: heard.append(float(more["outputs"]["loss"]))
            if name == "after_train_iter" else None)
        loader = SimpleNamespace(dataset=SimpleNamespace(metainfo={}), __len__=lambda: 5)
        loop = object.__new__(memory.MicroBatchLoop)
        loop._runner, loop.dataloader, loop.parts, loop._iter, loop._max_iters = runner, loader, parts, start, start + 5
        wrapper.initialize_count_status(model, loop.iter * parts, loop.max_iters * parts)
        for index, batch in enumerate(batches):
            loop.run_iter(index, batch)
        assert loop.iter == start + 5 and len(heard) == 5
        found[parts] = torch.tensor([*heard, *model.weight.detach()])
    for parts in (2, 3, 6):
        assert torch.allclose(found[parts], found[1], rtol=1e-4), parts
