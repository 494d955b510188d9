"""MSLSTIPT: the tensor algebra by definition, both solvers against textbook loops, and what the score maps promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.classical.mslstipt import (
    MSLSTIPT,
    encode,
    from_tensor,
    kept_rank,
    learn_dictionary,
    shrink_schatten,
    to_tensor,
)
from baselines.classical.tensor_svd import (
    from_slices,
    shrink_slices,
    t_product,
    t_svd,
    t_transpose,
    tensor_nuclear_norm,
    tensor_rpca,
    to_slices,
)


def random_tensor(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def full_svd(tensor):
    # Of every frequency, conjugates included, one at a time; tensors are (n3, rows, columns) throughout.
    return [np.linalg.svd(one, full_matrices=False) for one in np.fft.fft(tensor, axis=0)]


def full_product(left, right):
    pairs = zip(np.fft.fft(left, axis=0), np.fft.fft(right, axis=0), strict=True)
    return np.fft.ifft(np.stack([one @ two for one, two in pairs]), axis=0).real


def with_spectrum(tensor, spectrum):
    shrunk = [(left * spectrum(values)) @ right for left, values, right in full_svd(tensor)]
    return np.fft.ifft(np.stack(shrunk), axis=0).real


def apart(ours, expected):
    return np.linalg.norm(ours.numpy() - expected) / np.linalg.norm(expected)


def soft(tensor, amount):
    return np.sign(tensor) * np.maximum(np.abs(tensor) - amount, 0)


@pytest.mark.parametrize("n3", [1, 4, 5])
class TestAlgebra:
    def test_a_t_product_is_the_product_with_the_block_circulant_matrix(self, n3):
        left, right = random_tensor(n3, 3, 2), random_tensor(n3, 2, 4, seed=1)
        circulant = torch.cat([torch.cat([left[(row - column) % n3] for column in range(n3)], 1) for row in range(n3)])
        expected = (circulant @ right.reshape(n3 * 2, 4)).reshape(n3, 3, 4)
        assert torch.allclose(t_product(left, right), expected)

    def test_a_product_transposed_is_the_product_of_the_transposed_in_reverse(self, n3):
        left, right = random_tensor(n3, 3, 2), random_tensor(n3, 2, 4, seed=1)
        assert torch.allclose(t_transpose(t_product(left, right)), t_product(t_transpose(right), t_transpose(left)))

    def test_the_t_svd_multiplies_back_and_its_factors_are_orthogonal(self, n3):
        tensor = random_tensor(n3, 5, 3)
        left, values, right = t_svd(tensor)
        assert torch.allclose(from_slices((left * values[:, None]) @ right, n3), tensor)
        identity = torch.zeros(n3, 3, 3, dtype=torch.float64)
        identity[0] = torch.eye(3)  # of the t-product
        spatial = from_slices(left, n3)
        assert torch.allclose(t_product(t_transpose(spatial), spatial), identity, atol=1e-12)

    def test_the_nuclear_norm_of_a_rank_one_tensor_is_the_product_of_its_factors_norms(self, n3):
        column, row = torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0, 2.0])  # of norms 5 and 3
        matrix = torch.outer(column, row).double()
        tensor = torch.zeros(n3, 2, 3, dtype=torch.float64)
        tensor[0] = matrix  # every frequency is the matrix itself
        assert tensor_nuclear_norm(tensor) == pytest.approx(15)
        # A constant tube has one frequency only, n3 times as large, and the mean over n3 takes that back.
        assert tensor_nuclear_norm(matrix.expand(n3, 2, 3)) == pytest.approx(15)

    def test_the_nuclear_norm_counts_all_frequencies(self, n3):
        tensor = random_tensor(n3, 4, 3)
        expected = sum(values.sum() for _, values, _ in full_svd(tensor.numpy())) / n3
        assert tensor_nuclear_norm(tensor) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(6, 9, 4), (5, 4, 9), (4, 6, 6)])
def test_shrinking_through_gram_matrices_equals_full_decompositions(shape):
    tensor = random_tensor(*shape)
    tensor[:] *= torch.linspace(0.1, 3, shape[2])
    amount = float(np.median([values[0] for _, values, _ in full_svd(tensor.numpy())]))  # half of the slices vanish
    for low in (amount, 0.3 * amount, 1e-6):
        shrunk = from_slices(shrink_slices(to_slices(tensor), lambda s: (s - low).clamp_min(0)), shape[0])  # noqa: B023
        expected = with_spectrum(tensor.numpy(), lambda s: np.maximum(s - low, 0))  # noqa: B023
        assert np.allclose(shrunk, expected, atol=1e-10)


def low_rank_and_spikes(n3=8, rows=30, columns=20):
    low = t_product(random_tensor(n3, rows, 2), random_tensor(n3, 2, columns, seed=1)) / 10
    spikes = torch.zeros(n3, rows, columns, dtype=torch.float64)
    generator = np.random.default_rng(2)
    where = tuple(torch.from_numpy(generator.integers(0, size, 60)) for size in spikes.shape)
    spikes[where] = 1.0
    return low, spikes


def test_tensor_rpca_takes_a_low_rank_tensor_and_spikes_apart():
    low, spikes = low_rank_and_spikes()
    found = tensor_rpca(low + spikes, 1 / np.sqrt(8 * 30))
    assert found.converged and found.iterations < 200 and found.residual < 1e-8
    assert torch.linalg.norm(found.low_rank - low) < 1e-4 * torch.linalg.norm(low)
    assert torch.equal(found.sparse.abs() > 1e-3, spikes > 0)


def test_tensor_rpca_equals_the_textbook_loop():
    low, spikes = low_rank_and_spikes()
    data, lam, mu = (low + spikes).numpy(), 1 / np.sqrt(8 * 30), 1e-4
    sparse = multiplier = np.zeros_like(data)
    found = tensor_rpca(torch.from_numpy(data), lam)
    for _ in range(found.iterations):
        expected = with_spectrum(data - sparse - multiplier / mu, lambda s: np.maximum(s - 1 / mu, 0))  # noqa: B023
        sparse = soft(data - expected - multiplier / mu, lam / mu)
        multiplier = multiplier + mu * (expected + sparse - data)
        mu *= 1.2
    assert apart(found.low_rank, expected) < 1e-6 and apart(found.sparse, sparse) < 1e-6


def textbook_encode(data, dictionary, weight, power, iterations):
    # The subspace model with whole tensors and an explicit inverse.
    n3, lam, beta = len(data), 1 / np.sqrt(len(data) * max(data.shape[1:])), 1e-4
    adjoint = np.roll(dictionary.transpose(0, 2, 1), -1, 0)[::-1]
    identity = np.zeros((n3, *adjoint.shape[1:2] * 2))
    identity[0] = np.eye(adjoint.shape[1])
    inverse = np.fft.ifft(np.linalg.inv(np.fft.fft(full_product(adjoint, dictionary) + identity, axis=0)), axis=0).real
    twin = first = np.zeros((n3, adjoint.shape[1], data.shape[2]))
    sparse = second = np.zeros_like(data)

    def spectrum(values):
        return shrink_schatten(torch.from_numpy(values), weight / beta, power).numpy()

    for _ in range(iterations):
        code = with_spectrum(twin - first / beta, spectrum)
        sparse = soft(data - full_product(dictionary, twin) + second / beta, lam / beta)
        pull = full_product(adjoint, data - sparse + second / beta)
        twin = full_product(inverse, code + first / beta + pull)
        first = first + beta * (code - twin)
        second = second + beta * (data - full_product(dictionary, twin) - sparse)
        beta *= 1.1
    return full_product(dictionary, twin), sparse


def test_encoding_equals_the_textbook_loop():
    low, spikes = low_rank_and_spikes()
    data = low + spikes
    left, values = learn_dictionary(tensor_rpca(data, 1 / np.sqrt(8 * 30)).low_rank)
    found = encode(data, left, values, weight=3e-3)
    assert found.converged and found.residual < 1e-4
    dictionary = from_slices(left * values[:, None], len(data)).numpy()
    background, sparse = textbook_encode(data.numpy(), dictionary, 3e-3, 0.8, found.iterations)
    assert apart(found.low_rank, background) < 1e-6 and apart(found.sparse, sparse) < 1e-6


def test_a_solver_that_is_cut_short_says_so():
    low, spikes = low_rank_and_spikes()
    found = tensor_rpca(low + spikes, 0.06, max_iterations=3)
    assert not found.converged and found.iterations == 3 and found.residual > 1e-8
    left, values = learn_dictionary(low)
    found = encode(low + spikes, left, values, weight=3e-3, max_iterations=3)
    assert not found.converged and found.iterations == 3 and found.residual > 1e-4


def test_one_round_of_schatten_shrinking_finds_the_minimum_that_a_grid_finds():
    values = torch.tensor([0.0, 0.05, 0.3, 0.7, 1.5, 4.0], dtype=torch.float64)
    weight, power = 0.2, 0.8
    found = shrink_schatten(values, weight, power, rounds=1, steps=100)
    grid = np.linspace(0, 5, 500_001)
    for value, ours in zip(values.tolist(), found.tolist(), strict=True):
        penalty = weight / (value ** (1 / power) + 1e-16)
        expected = grid[np.argmin(penalty * grid**power + (grid - value) ** 2 / 2)]
        assert ours == pytest.approx(expected, abs=2e-5)


def test_schatten_shrinking_keeps_zero_and_large_values_and_the_order():
    values = torch.cat([torch.zeros(1), torch.logspace(-3, 3, 400)]).double()
    found = shrink_schatten(values, 0.01, 0.8)
    assert found[0] == 0 and (found <= values).all() and (found >= 0).all()
    assert (found.diff() >= 0).all() and (found > 0).any() and (found[1:] == 0).any()
    assert found[-1] == pytest.approx(1000, rel=1e-6)


@pytest.mark.parametrize(("values", "expected"), [
    ([8, 7, 6, 5, 4, 3], 6),          # no steep drop: everything
    ([100, 1, 0.9, 0.8, 0.7], 1),     # first drop is 100
    ([100, 90, 1, 0.9, 0.01, 0.009], 2),  # two steep drops: the first
    ([30, 1, 1, 1, 1, 1], 1),         # 30 is not above 50, but 4 * 30 > 20 * 3
    ([8, 7, 6, 5, 4, 1e-6], 6),       # the last drop does not count
    ([5, 1e-9], 2),                   # too few to compare
    ([5, 4, 1e-30, 1e-31], 2),        # numerically of rank 2
    ([0, 0, 0], 0),
])
def test_a_dictionary_ends_at_a_steep_drop_of_singular_values(values, expected):
    assert kept_rank(np.array(values, float), 10) == expected


@pytest.mark.parametrize("shape", [(30, 30), (20, 44), (61, 90), (64, 31)])
@pytest.mark.parametrize("count", [1, 3])
def test_frames_come_back_from_the_tensor_that_they_were_put_in(shape, count):
    frames = list(np.random.default_rng(3).random((count, *shape)))
    tensor = to_tensor(frames, 30)
    rows, columns = -(-shape[0] // 30), -(-shape[1] // 30)
    assert tensor.shape == (30, 30, count * rows * columns)
    assert np.array_equal(from_tensor(tensor, count, shape), frames)


def test_the_tensor_is_the_column_major_reshape_of_the_stacked_patches():
    image = np.random.default_rng(4).random((60, 90))
    patches = np.stack([image[y:y + 30, x:x + 30] for y in (0, 30) for x in (0, 30, 60)], axis=2)
    expected = patches.reshape((30, 6, 30), order="F")  # rows, columns, third mode
    assert np.array_equal(to_tensor([image], 30), expected.transpose(2, 0, 1))


def test_published_patches_of_a_256_image_are_nine():
    assert to_tensor([np.zeros((256, 256))], 100).shape == (100, 100, 9)


def scene(shape=(90, 120), at=(40, 60), phase=0.0):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = 0.4 + 0.1 * np.sin(rows / 30 + phase) + 0.1 * np.cos(columns / 25)
    image += 0.005 * np.random.default_rng(5).standard_normal(shape)
    image[at[0] - 1:at[0] + 2, at[1] - 1:at[1] + 2] += 0.4
    return np.round(image * 255).astype(np.uint8)


def test_a_spot_on_a_smooth_background_is_found_and_nothing_else():
    score = MSLSTIPT(rule="max", level=0.5).score(scene())
    expected = np.zeros(score.shape, bool)
    expected[39:42, 59:62] = True
    assert np.array_equal(score > 0.5, expected)
    assert score.dtype == np.float32 and 0 <= score.min() <= score.max() <= 1


def test_both_solvers_report_how_they_ended():
    found = MSLSTIPT(patch=30).separate([scene() / 255])
    assert found.learning.converged and found.coding.converged
    assert 0 < found.learning.residual < 1e-8 and 0 < found.coding.residual < 1e-4
    assert found.learning.iterations < 800 and found.coding.iterations < 200
    assert len(found.targets) == 1 and found.targets[0].shape == (90, 120) and found.targets[0].min() >= 0


@pytest.mark.parametrize("frames", [1, 3])
def test_a_constant_sequence_scores_nothing(frames):
    for score in MSLSTIPT(patch=30).score_sequence([np.full((40, 50), 9, np.uint8)] * frames):
        assert score.shape == (40, 50) and not score.any()


def test_a_bright_pixel_on_black_leaves_no_dictionary_and_is_the_target():
    image = np.zeros((60, 60), np.uint8)
    image[20, 30] = 255
    assert MSLSTIPT(patch=30).separate([image / 255]).coding is None
    assert np.argwhere(MSLSTIPT(patch=30).score(image) > 0.5).tolist() == [[20, 30]]


@pytest.mark.parametrize("shape", [(7, 5), (30, 29), (64, 91)])
def test_any_size_gives_the_same_map_of_that_size_twice(shape):
    image = np.random.default_rng(6).integers(0, 256, shape, dtype=np.uint8)
    score = MSLSTIPT(patch=30).score(image)
    assert score.shape == shape and np.array_equal(score, MSLSTIPT(patch=30).score(image))


def test_scores_and_the_callers_threads_do_not_depend_on_each_other():
    image, before = scene(), torch.get_num_threads()
    try:
        scores = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            scores.append(MSLSTIPT(patch=30).score(image))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*scores)


def test_eight_and_sixteen_bits_of_one_scene_give_one_score():
    image = scene((60, 60), at=(20, 30))
    wide = MSLSTIPT(patch=30).score(image.astype(np.uint16) * 257)
    assert np.allclose(MSLSTIPT(patch=30).score(image), wide, atol=1e-6)


def test_a_moving_spot_is_found_in_every_frame_of_a_sequence():
    # Five frames in tensors of two: the last is joined by the one before it.
    places = [(20, 20 + 4 * index) for index in range(5)]
    scores = MSLSTIPT(patch=30, frames=2).score_sequence([scene((60, 60), at=place) for place in places])
    for score, (row, column) in zip(scores, places, strict=True):
        found_row, found_column = np.unravel_index(score.argmax(), score.shape)
        assert abs(found_row - row) <= 1 and abs(found_column - column) <= 1 and score.max() > 0.5


def test_frames_are_taken_together_in_groups():
    frames = [scene((60, 60), at=(20, 20 + 4 * index)) for index in range(3)]
    method = MSLSTIPT(patch=30, frames=2)
    scores = method.score_sequence(frames)
    assert np.array_equal(scores[:2], method.score_sequence(frames[:2]))
    assert np.array_equal(scores[2], method.score_sequence(frames[1:])[1])
    assert not np.array_equal(scores[0], method.score(frames[0]))
    assert method.score_sequence([]) == []


def test_frames_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="of one size"):
        MSLSTIPT().score_sequence([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)])


@pytest.mark.parametrize("arguments", [dict(patch=1), dict(frames=0), dict(weight=0.0), dict(power=1.0)])
def test_impossible_settings_are_refused(arguments):
    with pytest.raises(ValueError, match="must hold"):
        MSLSTIPT(**arguments)
