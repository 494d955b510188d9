"""Which predicted component is paired with which target, once it is known who is near whom.

Both rules take the near pairs as three equally long arrays and give the chosen positions in them. Every target and
every prediction is in at most one chosen pair.
"""

from __future__ import annotations

import numpy as np

_DECIMALS = 9  # distances that agree to a nanopixel differ by rounding only, and are ties


def pair_nearest(target: np.ndarray, prediction: np.ndarray, distance: np.ndarray,
                 preference: np.ndarray) -> np.ndarray:
    """Positions of the pairs chosen by maximum cardinality, then least total distance.

    The result does not depend on the order of the input. It is exact: solved as an assignment in each group of
    targets and predictions that are linked by near pairs.

    Args:
        target: (n,) int, index of the target of each near pair.
        prediction: (n,) int, index of its predicted component.
        distance: (n,) float, their distance.
        preference: (n,) int, property of the prediction that settles ties of distance: lower wins.
    """
    if not len(target):
        return np.zeros(0, np.int64)
    if _all_different(prediction):  # no prediction is wanted twice: each target takes its own nearest
        order = np.lexsort((preference, np.round(distance, _DECIMALS), target))
        first = np.ones(len(order), bool)
        first[1:] = np.diff(target[order]) != 0
        return np.sort(order[first])
    chosen = [_assign(group, target, prediction, distance, preference) for group in _groups(target, prediction)]
    return np.sort(np.concatenate(chosen))


def pair_in_order(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Positions of the pairs chosen greedily: targets in ascending order, each taking its lowest unused prediction.

    The rule of BasicIRSTD's and DNA-Net's ``PD_FA`` when indices follow raster order. A target can lose its only
    prediction to an earlier one that had another choice.
    """
    chosen, used, served = [], set(), set()
    for position in np.lexsort((prediction, target)):
        if target[position] not in served and prediction[position] not in used:
            served.add(target[position])
            used.add(prediction[position])
            chosen.append(position)
    return np.sort(np.array(chosen, np.int64))


def _all_different(values: np.ndarray) -> bool:
    return len(values) < 2 or len(set(values.tolist())) == len(values)


def _groups(target: np.ndarray, prediction: np.ndarray) -> list[np.ndarray]:
    from scipy.sparse import coo_array  # slow to import, and few images have targets and predictions in conflict
    from scipy.sparse.csgraph import connected_components

    targets, rows = np.unique(target, return_inverse=True)
    columns = np.unique(prediction, return_inverse=True)[1] + len(targets)
    nodes = int(columns.max()) + 1
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(nodes, nodes))
    group = connected_components(graph, directed=False)[1][rows]
    return [np.flatnonzero(group == value) for value in np.unique(group)]


def _assign(group: np.ndarray, target: np.ndarray, prediction: np.ndarray, distance: np.ndarray,
            preference: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    rows = np.unique(target[group], return_inverse=True)[1]
    columns = np.unique(prediction[group], return_inverse=True)[1]
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    # Ties: a nudge by rank, so small that all nudges together stay below the resolution of distances.
    rank = np.unique(preference[group], return_inverse=True)[1]
    nudge = 0.4 * 10.0 ** -_DECIMALS / (len(group) ** 2) * rank
    length = np.round(distance[group], _DECIMALS) + nudge
    # A pair more outweighs any total distance; positions without a near pair cost nothing and pair nobody.
    reward = length.max() * min(shape) + 1.0
    cost = np.zeros(shape)
    cost[rows, columns] = length - reward
    solved = linear_sum_assignment(cost)
    position = np.full(shape, -1)
    position[rows, columns] = group
    found = position[solved]
    return found[found >= 0]
