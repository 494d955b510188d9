"""Reading weights files and giving them to modules; everything that can be wrong with one is a one-line error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.weights import WeightsError

SHOWN = 3
REFUSED = "damaged, or holds Python objects beside tensors: those are never loaded, they could run any code"
WRAPPERS = ("state_dict", "model")
Resize = Callable[[str, Tensor, torch.Size], Tensor]


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a torch (``weights_only``) or safetensors file, without a common ``module.`` prefix.

    Raises:
        WeightsError: For a file that is damaged, or holds anything but tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise many unrelated types
        reason = " ".join(str(error).split())[:160]
        if isinstance(error, UnpicklingError):  # torch's own message advises to switch the protection off
            raise WeightsError(f"{path}: cannot be read as weights: {REFUSED}") from error
        if "TorchScript" in reason:
            reason = "a TorchScript archive; take the safetensors or state-dict file of the same weights"
        raise WeightsError(f"{path}: cannot be read as weights ({type(error).__name__}: {reason})") from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: holds no tensors by name; expected a state dict")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def load_exactly(module: nn.Module, state: dict[str, Tensor], *, path: Path, prefix: str = "",
                 rename: Callable[[str], str] = lambda name: name, ignore: Iterable[str] = (),
                 resize: Resize | None = None) -> None:
    """Give the module the entries of a file, all of them, or nothing.

    Args:
        module: Receives the values.
        state: What ``read_state`` gave.
        path: For messages.
        prefix: Only entries whose name begins so are looked at.
        rename: Gives the file's name (without prefix) for a name of the module.
        ignore: Beginnings of full entry names to pass over.
        resize: May change a tensor whose shape is not the wanted one; called with the module's name for it.

    Raises:
        WeightsError: If an entry is missing, left over or of another shape; says how many and names some.
    """
    ignore = tuple(ignore)
    given = {name.removeprefix(prefix): value for name, value in state.items()
             if name.startswith(prefix) and not name.startswith(ignore)}
    own = module.state_dict()
    wanted = {rename(name): name for name in own}
    missing = [prefix + name for name in wanted if name not in given]
    left_over = [prefix + name for name in given if name not in wanted]
    values, shapes = {}, []
    for name in wanted.keys() & given.keys():
        value, expected = given[name], own[wanted[name]].shape
        if value.shape != expected and resize is not None:
            value = resize(wanted[name], value, expected)
        if value.shape != expected:
            shapes.append(f"{prefix}{name} {_shape(value.shape)}, expected {_shape(expected)}")
        values[wanted[name]] = value
    problems = [f"{len(found)} {kind} ({_some(found)})" for kind, found in
                (("missing", missing), ("unexpected", left_over), ("of another shape", sorted(shapes))) if found]
    if problems:
        raise WeightsError(f"{path}: not weights of this network: {'; '.join(problems)}")
    module.load_state_dict(values)


def resize_positions(name: str, value: Tensor, wanted: torch.Size) -> Tensor:
    """SAM's position tables for another input size; any other tensor as it is.

    ``pos_embed`` (1, h, w, C) by bicubic interpolation, ``rel_pos_h`` and ``rel_pos_w`` (L, C) by linear.
    """
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "pos_embed" and value.dim() == 4 and value.shape[-1] == wanted[-1]:
        resized = F.interpolate(value.permute(0, 3, 1, 2), size=tuple(wanted[1:3]), mode="bicubic",
                                align_corners=False)
        return resized.permute(0, 2, 3, 1)
    if leaf in ("rel_pos_h", "rel_pos_w") and value.dim() == 2 and value.shape[-1] == wanted[-1]:
        return F.interpolate(value.T[None], size=wanted[0], mode="linear", align_corners=False)[0].T
    return value


def _shape(shape: torch.Size) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
