"""Matrix products inside compiled loops: y += x @ W and y += x.T @ z.  Read it last, or never.

BLAS copies W into the order that its inner loop likes, at every call.  With few rows in x this takes as long as the
multiplications.  Here W is laid out once for all time steps (`in_blocks`), and a tile of the product stays in registers
from the first k to the last (`_adder`; the method is that of Goto and van de Geijn 2008).  Each sum runs over k in its
order, so a row of y has the same bits whatever rows stand beside it: in training, in writing, in any number of parts.
Large products are as fast as with BLAS, use the registers that the processor has, and need no thread of their own.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from lstm_numpy.speed.buffers import Array, Buffers
from lstm_numpy.speed.compiled import kernel

tools: Any = cgutils  # numba has no type hints for it
_REGISTER = 64  # bytes: of AVX-512.  Where registers are smaller, the compiler takes several for one.
_REGISTERS = 2  # side by side: the columns of a tile
_ROWS = 8 if binding.get_host_cpu_features().get("avx512f") else 2  # of a tile: 16 sums fill half of all registers
_DEPTH = 512  # rows at a time in a sum over all time steps: what a tile reads stays in the second cache
_WIDE = 4  # blocks at a time where x has one row: with fewer sums, each addition would wait for the one before


def in_blocks(W: Array, name: str, buffers: Buffers) -> Array:
    """W (K, N) as add_product needs it: (blocks, K, columns), in memory of `buffers`.

    The last block holds the last columns, and 0 for those that the block before it holds already.
    """
    columns = _REGISTERS * _REGISTER // W.itemsize
    blocks = buffers.empty(name, (-(-W.shape[1] // columns), W.shape[0], columns), W.dtype)
    _copy_into_blocks(W, blocks)
    return blocks


@kernel
def _copy_into_blocks(W: Array, blocks: Array) -> None:
    for b in range(len(blocks)):
        _copy_block(W, b, blocks[b])


@kernel
def _copy_block(W: Array, b: int, block: Array) -> None:
    """The first K rows of block (..., columns) become block b of W (K, N), as in_blocks lays it out."""
    (K, N), columns = W.shape, block.shape[1]
    left, first = b * columns, _first_column(b, columns, N)
    if left + columns > N:
        block[:] = 0
    for k in range(K):
        row, to = W[k, left : left + columns], block[k, left - first :]
        for j in range(len(row)):
            to[j] = row[j]


@kernel
def _first_column(b: int, columns: int, N: int) -> int:
    """Of block b: the last block ends where the matrix does, unless this is smaller than a block."""
    return max(min(b * columns, N - columns), 0)


def _adder(rows: int, blocks: int) -> Callable[[Array, Array, Array, int, int, int, int], None]:
    """A tile of y += x @ W: `rows` rows, from x[n] and y[m] on, and `blocks` blocks, from W[b] and y[:, first] on.

    The machine code loads the tile of y into registers, adds x[n, k] * W[b, k] for each k, and stores it.  (Compiled
    from a loop in Python, every sum would go to memory and back for each k.)
    """

    def add(x: Array, W: Array, y: Array, n: int, b: int, m: int, first: int) -> None:
        """What the machine code does: this is for a debugger."""
        for row in range(rows):  # one by one: then their bits do not depend on how many there are
            sums = np.hstack([x[n + row] @ W[b + block, : x.shape[1]] for block in range(blocks)])
            y[m + row, first : first + len(sums)] += sums

    @intrinsic
    def machine_code(context: Any, x: Any, W: Any, y: Any, n: Any, b: Any, m: Any, first: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, W, y = (
                context.make_array(kind)(context, builder, argument)
                for kind, argument in zip(signature.args[:3], arguments[:3], strict=True)
            )
            n, b, m, first = arguments[3:]
            number = context.get_data_type(signature.args[2].dtype)
            size = context.get_abi_sizeof(number)
            count = _REGISTER // size
            register, place = ir.VectorType(number, count), ir.IntType(64)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), count), None)  # a register full of its first number
            multiply_add = tools.get_or_insert_function(
                builder.module, ir.FunctionType(register, [register] * 3), f"llvm.fma.v{count}f{8 * size}"
            )

            def address(array: Any, kind: Any, *places: Any) -> Any:
                strides = (builder.extract_value(array.strides, axis) for axis in range(len(places)))
                steps = (builder.mul(*pair) for pair in zip(places, strides, strict=True))
                start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
                return builder.bitcast(builder.gep(start, [reduce(builder.add, steps)]), kind.as_pointer())

            def plus(number: Any, more: int) -> Any:
                return builder.add(number, place(more))

            columns = [(plus(b, block), place(j * count)) for block in range(blocks) for j in range(_REGISTERS)]
            targets = [
                address(y, register, plus(m, row), plus(first, j * count))
                for row in range(rows) for j in range(blocks * _REGISTERS)
            ]  # fmt: skip
            sums = [tools.alloca_once(builder, register) for _ in targets]
            for target, total in zip(targets, sums, strict=True):
                builder.store(builder.load(target, align=size), total)
            with tools.for_range(builder, builder.extract_value(x.shape, 1)) as loop:
                weights = [
                    builder.load(address(W, register, block, loop.index, column), align=size)
                    for block, column in columns
                ]
                for row in range(rows):
                    one = builder.load(address(x, number, plus(n, row), loop.index))
                    first = builder.insert_element(ir.Constant(register, ir.Undefined), one, ir.IntType(32)(0))
                    factor = builder.shuffle_vector(first, first, everywhere)
                    for weight, total in zip(weights, sums[row * len(weights) :], strict=False):
                        builder.store(builder.call(multiply_add, [factor, weight, builder.load(total)]), total)
            for target, total in zip(targets, sums, strict=True):
                builder.store(builder.load(total), target, align=size)
            return context.get_dummy_value()

        return types.void(x, W, y, *[types.int64] * 4), build

    @overload(add, strict=False)
    def compiled(x: Any, W: Any, y: Any, n: Any, b: Any, m: Any, first: Any) -> Any:
        return lambda x, W, y, n, b, m, first: machine_code(x, W, y, n, b, m, first)  # type: ignore[call-arg]

    return add


_add_tile, _add_row, _add_piece = _adder(_ROWS, 1), _adder(1, _WIDE), _adder(1, 1)


@kernel
def _add(x: Array, y: Array) -> None:
    """y += x, as far as the narrower of the two goes."""
    for n in range(len(y)):
        for k in range(min(x.shape[1], y.shape[1])):
            y[n, k] += x[n, k]


@kernel
def add_product(x: Array, W: Array, y: Array) -> None:
    """y += x @ W, for x (B, K) and y (B, N), and W as in_blocks lays it out.

    All three are float32 or all float64, and the numbers of a row of y stand side by side; nothing checks this.
    """
    (B, N), columns = y.shape, W.shape[2]
    if columns > N:
        wide = np.zeros((B, columns), y.dtype)
        _add_tiles(x, W, wide)
        _add(wide, y)
    else:
        _add_tiles(x, W, y)


@kernel
def _add_tiles(x: Array, W: Array, y: Array) -> None:
    """The same, where y has the columns of a block or more."""
    (B, N), (count, _, columns) = y.shape, W.shape
    tiled, whole = B - B % _ROWS, N // columns // _WIDE * _WIDE
    for b in range(count):
        first = _first_column(b, columns, N)
        for n in range(0, tiled, _ROWS):
            _add_tile(x, W, y, n, b, n, first)
    for n in range(tiled, B):
        for b in range(0, whole, _WIDE):
            _add_row(x, W, y, n, b, n, b * columns)
        for b in range(whole, count):
            _add_piece(x, W, y, n, b, n, _first_column(b, columns, N))


@kernel
def add_transposed_product(x: Array, z: Array, y: Array) -> None:
    """y += x.T @ z, for x (K, M), z (K, N) and y (M, N): the gradient of a matrix, where K is all steps of all songs.

    Some rows at a time, x is copied into tiles, and one block of z after the other, so that what is read again and
    again lies side by side.
    """
    (K, M), N, columns = x.shape, z.shape[1], _REGISTERS * _REGISTER // y.itemsize
    if columns > N:
        wide_z, wide_y = np.zeros((K, columns), y.dtype), np.zeros((M, columns), y.dtype)
        _add(z, wide_z)
        _add_transposed_tiles(x, wide_z, wide_y)
        _add(wide_y, y)
    else:
        _add_transposed_tiles(x, z, y)


@kernel
def _add_transposed_tiles(x: Array, z: Array, y: Array) -> None:
    """The same, where y has the columns of a block or more."""
    (K, M), N, columns = x.shape, z.shape[1], _REGISTERS * _REGISTER // y.itemsize
    depth = min(K, _DEPTH)
    tiles, blocks = np.empty((M // _ROWS, depth, _ROWS), y.dtype), np.empty((1, depth, columns), y.dtype)
    for start in range(0, K, depth):
        x_rows, z_rows = x[start : start + depth], z[start : start + depth]
        rows = len(x_rows)
        for n in range(len(tiles)):
            for k in range(rows):
                for j in range(_ROWS):
                    tiles[n, k, j] = x_rows[k, n * _ROWS + j]
        for b in range(-(-N // columns)):
            first = _first_column(b, columns, N)
            _copy_block(z_rows, b, blocks[0])
            for n in range(len(tiles)):
                _add_tile(tiles[n, :rows].T, blocks, y, 0, 0, n * _ROWS, first)
            for n in range(len(tiles) * _ROWS, M):
                _add_piece(x_rows.T, blocks, y, n, 0, n, first)
