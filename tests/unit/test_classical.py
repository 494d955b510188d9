"""Top-Hat, the decision rules and IPI: what the published descriptions promise, and nothing lost at borders."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.classical.ipi import IPI, from_patches, patch_starts, to_patches
from baselines.classical.low_rank import accelerated_proximal_gradient, inexact_alm, soft_threshold
from baselines.classical.response import RULES, to_score, to_unit
from baselines.classical.shrinking import WarmShrinker, singular_values
from baselines.classical.top_hat import TopHat

PRESETS = [dict(outer=11, inner=10, box=21), dict(outer=9, inner=4, box=9), dict(outer=3, inner=1, box=3)]


@pytest.mark.parametrize("preset", PRESETS)
class TestTopHat:
    def test_a_constant_image_has_no_response(self, preset):
        assert not TopHat(**preset).response(np.full((60, 71), 0.3)).any()

    def test_a_single_bright_pixel_answers_with_its_value_and_nothing_else_does(self, preset):
        image = np.zeros((60, 71))
        image[30, 40] = 0.7
        response = TopHat(**preset).response(image)
        assert response[30, 40] == 0.7 and np.count_nonzero(response) == 1

    def test_a_step_edge_and_a_line_through_the_image_have_no_response(self, preset):
        edge, line = np.zeros((60, 71)), np.zeros((60, 71))
        edge[:, 35:] = 0.7
        line[:, 35:37] = 0.7
        assert not TopHat(**preset).response(edge).any() and not TopHat(**preset).response(line).any()

    @pytest.mark.parametrize("shape", [(1, 1), (5, 7), (33, 64)])
    def test_any_size_gives_a_map_of_that_size(self, preset, shape):
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        score = TopHat(**preset).score(image)
        assert score.shape == shape and score.dtype == np.float32 and 0 <= score.min() <= score.max() <= 1


def test_a_target_wider_than_the_hole_vanishes():
    image = np.zeros((80, 80))
    image[30:55, 30:55] = 0.7  # 25 wide, the hole is 21
    assert not TopHat().response(image)[40:45, 40:45].any()


@pytest.mark.parametrize("arguments", [dict(outer=3, inner=3), dict(box=4), dict(inner=-1)])
def test_impossible_elements_are_refused(arguments):
    with pytest.raises(ValueError, match="must hold"):
        TopHat(**arguments)


def test_eight_and_sixteen_bits_of_one_scene_give_one_score():
    image = np.random.default_rng(1).integers(0, 256, (40, 50), dtype=np.uint8)
    image[20, 20] = 255
    assert np.allclose(TopHat().score(image), TopHat().score(image.astype(np.uint16) * 257), atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_a_score_exceeds_half_exactly_where_the_rule_decides_for_target(rule):
    generator = np.random.default_rng(2)
    for _ in range(50):
        response = generator.exponential(size=(20, 20)) * generator.uniform(0.01, 1)
        value = {"std": (response - response.mean()) / response.std(), "max": response / response.max(),
                 "grey": response * 255}[rule]
        level = float(np.sort(value.ravel())[-5])  # a level that one pixel meets exactly
        score = to_score(response, rule, level)
        assert np.array_equal(score > 0.5, value > level)
        assert score.dtype == np.float32 and score.min() >= 0 and score.max() < 1


def test_scores_grow_with_the_response_and_a_flat_response_scores_nothing():
    response = np.linspace(0, 1, 100).reshape(10, 10)
    assert (np.diff(to_score(response, "max", 0.3).ravel()) > 0).all()
    assert not to_score(np.full((4, 4), 0.7), "std", 3.0).any()
    with pytest.raises(ValueError, match="rule must be one of"):
        to_score(response, "median", 3.0)


def test_images_must_be_unsigned_integers():
    with pytest.raises(ValueError, match="expected an unsigned-integer image"):
        to_unit(np.zeros((4, 4)))


def test_published_patches_of_a_256_image_are_2500_by_441_and_one_more_row_and_column_meets_the_border():
    starts = patch_starts(256, 50, 10)
    assert len(starts) == 22 and starts[-1] == 206
    assert to_patches(np.zeros((256, 256)), (starts[:-1], starts[:-1]), 50).shape == (2500, 441)


@pytest.mark.parametrize("shape", [(50, 50), (57, 91), (120, 64)])
def test_patches_come_together_to_the_image_they_were_cut_from(shape):
    image = np.random.default_rng(3).random(shape)
    starts = tuple(patch_starts(length, 50, 10) for length in shape)
    assert np.array_equal(from_patches(to_patches(image, starts, 50), starts, 50, shape), image)


def test_a_pixel_is_the_median_over_the_patches_that_cover_it():
    starts = (np.array([0, 1]), np.array([0, 1, 2]))
    matrix = np.random.default_rng(4).random((9, 6))
    image = from_patches(matrix, starts, 3, (4, 5))
    covering = []
    for index, (row, column) in enumerate([(r, c) for r in starts[0] for c in starts[1]]):
        if row <= 2 < row + 3 and column <= 2 < column + 3:
            covering.append(matrix.reshape(3, 3, 6)[2 - row, 2 - column, index])
    assert image[2, 2] == np.median(covering)


def low_rank_problem():
    generator = np.random.default_rng(5)
    low = generator.random((200, 4)) @ generator.random((4, 60))
    sparse = np.zeros((200, 60))
    sparse[generator.integers(0, 200, 60), generator.integers(0, 60, 60)] = 3.0
    return low, sparse


@pytest.mark.parametrize("solver", [inexact_alm, accelerated_proximal_gradient])
def test_the_solvers_take_a_low_rank_and_a_sparse_part_apart(solver):
    low, sparse = low_rank_problem()
    found = solver(low + sparse, 1 / np.sqrt(200))
    # APG's rule for a settled run ends it a little early.
    assert np.linalg.norm(found.low_rank - low) / np.linalg.norm(low) < 0.05
    assert ((np.abs(found.sparse) > 1) == (sparse > 0)).all()
    assert found.stopped_by in ("tolerance", "settled") and found.iterations < 300


def test_shrinking_along_a_run_equals_a_full_decomposition_at_each_step():
    low, sparse = low_rank_problem()
    warm = WarmShrinker()
    for step in range(12):
        matrix = low + sparse * (1 - 0.05 * step)
        amount = 30 * 0.8**step
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        expected = (left * np.maximum(values - amount, 0)) @ right
        shrunk, rank = warm(matrix, amount)
        assert rank == (values > amount).sum()
        assert np.linalg.norm(shrunk - expected) <= 1e-3 * np.linalg.norm(expected) + 1e-9


def test_wide_matrices_are_shrunk_like_tall_ones():
    matrix = np.random.default_rng(6).random((20, 70))
    assert np.allclose(WarmShrinker()(matrix, 0.5)[0], WarmShrinker()(matrix.T, 0.5)[0].T, atol=1e-5)
    assert np.allclose(singular_values(matrix, 3), np.linalg.svd(matrix, compute_uv=False)[:3], rtol=1e-4)


def test_soft_threshold_by_hand():
    assert soft_threshold(np.array([-3.0, -1.0, 0.5, 2.0]), 1.0).tolist() == [-2.0, 0.0, 0.0, 1.0]


def spot_image(shape=(100, 120), at=(40, 60)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = 0.4 + 0.1 * np.sin(rows / 30) + 0.1 * np.cos(columns / 25)
    image[at[0] - 1:at[0] + 2, at[1] - 1:at[1] + 2] += 0.4
    return np.round(image * 255).astype(np.uint8)


@pytest.mark.parametrize("solver", ["apg", "ialm"])
def test_a_spot_on_a_smooth_background_is_found_and_nothing_else(solver):
    score = IPI(solver=solver, rule="max", level=0.5).score(spot_image())
    expected = np.zeros(score.shape, bool)
    expected[39:42, 59:62] = True
    assert np.array_equal(score > 0.5, expected)


def test_targets_in_the_last_pixels_of_an_image_are_not_lost():
    # 97 is no multiple of the step: the published starts leave the strip from row 90 on uncovered.
    score = IPI(rule="max", level=0.5).score(spot_image((97, 117), at=(94, 114)))
    assert (score[93:96, 113:116] > 0.5).all()


@pytest.mark.parametrize("shape", [(20, 30), (50, 49), (200, 61)])
def test_images_smaller_than_a_patch_and_odd_sizes_give_maps_of_their_size(shape):
    image = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)
    score = IPI(max_patches=60).score(image)
    assert score.shape == shape and np.array_equal(score, IPI(max_patches=60).score(image))


def test_the_step_grows_until_the_patches_are_few_enough():
    rows, columns = IPI(max_patches=500)._starts((512, 512))
    assert len(rows) * len(columns) <= 500
    assert rows[-1] == columns[-1] == 462


@pytest.mark.parametrize("arguments", [dict(solver="svd"), dict(lam="size"), dict(step=0)])
def test_unknown_settings_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        IPI(**arguments)
