"""Products of small matrices: right, and nothing is changed beside the tile, in both forms."""

import numpy as np
import pytest
from numba import njit

from fsp.stationary import elimination, tiles

SHAPES = [(4, 8, 16), (4, 16, 16), (4, 8, 1), (4, 16, 1)]
COMPILED = [tiles.add_4_by_8, tiles.add_4_by_16, tiles.add_row_to_4_by_8, tiles.add_row_to_4_by_16]


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize(("shape", "compiled"), list(zip(SHAPES, COMPILED, strict=True)))
def test_a_tile_gets_a_product_and_nothing_else_changes(shape, compiled, checked):

    rows, columns, depth = shape
    add = tiles._checked_tile(*shape) if checked else compiled
    rng = np.random.default_rng(depth + columns)
    c, left, right = rng.random((7, 29)), rng.random((6, tiles.PANEL)), rng.random((20, 23))
    expected = c.copy()
    expected[2 : 2 + rows, 3 : 3 + columns] += (
        left[1 : 1 + rows, :depth] @ right[2 : 2 + depth, 1 : 1 + columns]
    )
    flat = c.ravel().copy()

    @njit
    def call(c, left, right):
        add(c, 2 * 29 + 3, 29, left, tiles.PANEL, right, 2 * 23 + 1, 23)

    call(flat, left.ravel(), right.ravel())
    np.testing.assert_allclose(flat.reshape(c.shape), expected, rtol=1e-14)
    beside = expected == c
    assert (flat.reshape(c.shape)[beside] == c[beside]).all()


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 9, 15, 17, 29])
@pytest.mark.parametrize("rows", [1, 3, 4, 6, 10])
def test_products_that_end_within_the_next_rows_leave_those_right(rows, width):
    rng = np.random.default_rng(width)
    ld = width + 1  # a tile reaches over several rows
    padded = (width + tiles.LANES - 1) // tiles.LANES * tiles.LANES
    c = rng.random(elimination.matrix_size(rows, 1, ld))
    left, right = np.zeros((rows + 4, tiles.PANEL)), np.zeros((tiles.PANEL, padded))
    left[:rows], right[:, :width] = rng.random((rows, tiles.PANEL)), rng.random((tiles.PANEL, width))
    expected = c.copy()
    for i in range(rows):
        expected[1 + i * ld : 1 + i * ld + width] += left[i] @ right[:, :width]
    elimination.add_product(c, 1, ld, rows, padded, left.ravel(), right.ravel(), 0, padded)
    np.testing.assert_allclose(c, expected, rtol=1e-14)
