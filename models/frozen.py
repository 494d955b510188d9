"""Parts that never train: the same wherever they are built, and absent from checkpoints of what did train."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

FINGERPRINT = "frozen_sha256"


@contextlib.contextmanager
def fixed_seed(seed: int = 0) -> Iterator[None]:
    """Random weights drawn inside do not depend on, and do not move, the generator outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def freeze(module: nn.Module) -> None:
    """No parameter of the module trains, and it stays in evaluation mode."""
    module.requires_grad_(False)
    module.eval()


class TrainedStateOnly(nn.Module):
    """A module whose state dict holds only what trains, and a hash of what does not.

    Frozen are parameters without gradient, and buffers of modules that hold no trained parameter. Loading such a
    state checks the hash: trained parts on another frozen base are another network. Raises ``ValueError`` then.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frozen_sha256: str | None = None
        self._register_state_dict_hook(_keep_trained)
        self.register_load_state_dict_pre_hook(_check_base)
        self.register_load_state_dict_post_hook(_excuse_frozen)

    def frozen_names(self) -> list[str]:
        """Names of the state's frozen entries, sorted."""
        names = []
        for prefix, module in self.named_modules():
            own = dict(module.named_parameters(recurse=False))
            trains = any(parameter.requires_grad for parameter in module.parameters())
            names += [_join(prefix, name) for name, parameter in own.items() if not parameter.requires_grad]
            if not trains:
                names += [_join(prefix, name) for name, _ in module.named_buffers(recurse=False)
                          if name not in module._non_persistent_buffers_set]
        return sorted(names)

    def frozen_sha256(self) -> str:
        """Hash over names and bits of all frozen entries; computed once."""
        if self._frozen_sha256 is None:
            tensors = dict(self.named_parameters()) | dict(self.named_buffers())
            digest = hashlib.sha256()
            for name in self.frozen_names():
                content = tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8)
                digest.update(name.encode())
                digest.update(content.numpy().tobytes())
            self._frozen_sha256 = digest.hexdigest()
        return self._frozen_sha256


def _keep_trained(module: TrainedStateOnly, state: dict[str, Tensor], prefix: str, metadata: Any) -> None:
    frozen = module.frozen_names()
    for name in frozen:
        state.pop(prefix + name, None)
    if frozen:
        state[prefix + FINGERPRINT] = torch.tensor(list(bytes.fromhex(module.frozen_sha256())), dtype=torch.uint8)


def _check_base(module: TrainedStateOnly, state: dict[str, Tensor], prefix: str, *unused: Any) -> None:
    stored = state.pop(prefix + FINGERPRINT, None)
    if stored is not None and bytes(stored.cpu().tolist()).hex() != module.frozen_sha256():
        raise ValueError("this checkpoint was trained on other frozen weights than those loaded here; give the model "
                         "the same SAM and CLIP checkpoints as then")


def _excuse_frozen(module: TrainedStateOnly, keys: Any) -> None:
    frozen = set(module.frozen_names())
    keys.missing_keys[:] = [name for name in keys.missing_keys if name not in frozen]


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
