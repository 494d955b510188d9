"""The t-product, the t-SVD, and robust principal component analysis with the nuclear norm that belongs to them.

Along its third mode a tensor is a circle. The Fourier transform over it turns the t-product into products of matrices,
one for each frequency, and so the t-SVD into one decomposition for each. The third mode lies first in memory here:
tensors are (n3, rows, columns). For real tensors the frequencies above n3 / 2 are conjugates of those below, so that
only the first n3 // 2 + 1, the ``slices``, are ever kept and decomposed.

Sources: Kilmer and Martin, "Factorization strategies for third-order tensors", LAA 435(3), 2011; Lu et al., "Tensor
robust principal component analysis with a new tensor nuclear norm", TPAMI 42(4), 2020, arXiv 1804.03728.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TensorParts:
    """A tensor as the sum of two, and how the solver ended."""

    low_rank: Tensor
    sparse: Tensor
    iterations: int
    residual: float
    """Largest absolute value of what the stopping rule watches."""
    converged: bool


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch uses one CPU thread.

    With more, the last bits of an SVD change, and slices as small as ours are decomposed no faster.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_slices(tensor: Tensor) -> Tensor:
    """(n3 // 2 + 1, rows, columns) complex frequencies of a real tensor (n3, rows, columns)."""
    return torch.fft.rfft(tensor, dim=0)


def from_slices(slices: Tensor, n3: int) -> Tensor:
    """Real tensor (n3, rows, columns) of its frequencies."""
    return torch.fft.irfft(slices, n=n3, dim=0)


def t_product(left: Tensor, right: Tensor) -> Tensor:
    """(n3, a, c) of (n3, a, b) and (n3, b, c): a matrix product whose entries, circles, multiply by convolution."""
    return from_slices(to_slices(left) @ to_slices(right), len(left))


def t_transpose(tensor: Tensor) -> Tensor:
    """(n3, columns, rows): each matrix transposed, and all but the first in reverse order."""
    return tensor.mT.roll(-1, 0).flip(0)


def t_svd(tensor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of each slice: (S, rows, k), (S, k) in descending order, (S, k, columns); k is the smaller side.

    The tensor is ``from_slices((left * values[:, None]) @ right, n3)``.
    """
    return torch.linalg.svd(to_slices(tensor), full_matrices=False)


def tensor_nuclear_norm(tensor: Tensor) -> float:
    """Mean over all n3 frequencies of the sum of singular values."""
    sums = torch.linalg.svdvals(to_slices(tensor)).sum(1)
    repeated = sums[1:(len(tensor) + 1) // 2]  # these stand for their conjugates too
    return float((sums.sum() + repeated.sum()) / len(tensor))


def shrink_slices(slices: Tensor, spectrum: Callable[[Tensor], Tensor]) -> Tensor:
    """Slices with every singular value s replaced by ``spectrum(s)``.

    Diagonalises the Gram matrix of the smaller side, which takes a fraction of the time of a decomposition.

    Args:
        slices: (S, rows, columns) complex128; a Gram matrix leaves half of the digits to small singular values.
        spectrum: Elementwise on a real tensor of any shape; increasing, and between 0 and its argument.
    """
    wide = slices.shape[1] < slices.shape[2]
    gram = slices @ slices.mH if wide else slices.mH @ slices
    # No singular value exceeds the norm of its slice: where that vanishes, all of them do.
    alive = spectrum(gram.diagonal(dim1=1, dim2=2).real.sum(1).sqrt()) > 0
    squares, vectors = torch.linalg.eigh(gram[alive])
    values = squares.clamp_min(0.0).sqrt()
    factors = torch.where(values > 0, spectrum(values) / values, 0.0)
    filtering = (vectors * factors[:, None, :]) @ vectors.mH
    result = torch.zeros_like(slices)
    result[alive] = filtering @ slices[alive] if wide else slices[alive] @ filtering
    return result


def tensor_rpca(data: Tensor, lam: float, tolerance: float = 1e-8, max_iterations: int = 800, mu: float = 1e-4,
                growth: float = 1.2, cap: float = 1e10) -> TensorParts:
    """min ||L||_* + lam ||S||_1 with data = L + S, by alternating directions with a growing penalty ``mu``.

    As in the code of Lu et al., singular values of the unscaled frequencies are lowered by 1 / mu, and the solver stops
    when no entry of L + S - data, and no change of L or S, exceeds ``tolerance``.

    Args:
        data: (n3, rows, columns) float64; single precision does not reach the tolerance.
        lam: Weight of the sparse part.
        tolerance: Absolute.
        max_iterations: Upper bound.
        mu: First penalty.
        growth: Its factor from one iteration to the next.
        cap: Its upper bound.
    """
    low, sparse, dual, work = (torch.zeros_like(data) for _ in range(4))  # dual: the multiplier over mu
    for iteration in range(1, max_iterations + 1):
        low_before, sparse_before = low, sparse
        torch.sub(data, sparse, out=work).sub_(dual)
        low = from_slices(shrink_slices(to_slices(work), lambda s: (s - 1.0 / mu).clamp_min(0.0)), len(data))  # noqa: B023
        rest = torch.sub(data, low).sub_(dual)
        lost = torch.clamp(rest, -lam / mu, lam / mu, out=work)
        sparse = rest.sub_(lost)
        residual = largest(dual.add_(lost))  # = data - L - S
        if residual < tolerance or iteration == max_iterations:
            residual = max(residual, largest(low - low_before), largest(sparse - sparse_before))
            if residual < tolerance:
                break
        mu, mu_before = min(mu * growth, cap), mu
        torch.mul(lost, -mu_before / mu, out=dual)
    return TensorParts(low, sparse, iteration, residual, residual < tolerance)


def largest(tensor: Tensor) -> float:
    """Greatest absolute value of any entry of a real tensor."""
    low, high = torch.aminmax(tensor)
    return max(-float(low), float(high))
