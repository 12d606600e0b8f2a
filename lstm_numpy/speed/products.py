"""y += x @ W inside compiled loops: the product that a recurrence repeats at every time step.  Read it last, or never.

BLAS copies W into the order that its inner loop likes, at every call.  With few rows in x this takes as long as the
multiplications.  Here W is laid out once for all time steps (`in_blocks`), and a tile of the product stays in registers
from the first k to the last (`add_tile`; the method is that of Goto and van de Geijn 2008).  Each sum runs over k in its
order, so a row of y has the same bits whatever rows stand beside it: in training, in writing, in any number of parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.compiled import kernel

Array = npt.NDArray[Any]

_REGISTER = 64  # bytes: of AVX-512.  Where registers are smaller, the compiler takes several for one.
_REGISTERS = 2  # side by side: the columns of a tile
_ROWS = 8 if binding.get_host_cpu_features().get("avx512f") else 2  # of a tile: 16 sums fill half of all registers


def in_blocks(W: Array, name: str, buffers: Buffers) -> Array:
    """W (K, N) as add_product needs it: (blocks, K, columns), in memory of `buffers`; 0 behind the last column."""
    columns = _REGISTERS * _REGISTER // W.itemsize
    blocks = buffers.empty(name, (-(-W.shape[1] // columns), W.shape[0], columns), W.dtype)
    _copy_into_blocks(W, blocks)
    return blocks


@kernel
def _copy_into_blocks(W: Array, blocks: Array) -> None:
    K, N = W.shape
    columns = blocks.shape[2]
    for b in range(blocks.shape[0]):
        for line in range(0, K, 16):  # 16 rows at a time: W may be a transposed matrix, whose columns lie in cache lines
            for j in range(columns):
                for k in range(line, min(line + 16, K)):
                    blocks[b, k, j] = W[k, b * columns + j] if b * columns + j < N else 0


@kernel
def add_product(x: Array, W: Array, y: Array) -> None:
    """y += x @ W, for x (B, K) and y (B, N), whose rows are contiguous, and W as in_blocks lays it out."""
    B, N = y.shape
    columns = W.shape[2]
    for b in range(W.shape[0]):
        left, right = b * columns, min((b + 1) * columns, N)
        if right - left == columns:
            _add_rows(x, W[b], y[:, left:right])
        else:
            edge = np.zeros((B, columns), y.dtype)
            edge[:, : right - left] = y[:, left:right]
            _add_rows(x, W[b], edge)
            y[:, left:right] = edge[:, : right - left]


@kernel
def _add_rows(x: Array, W: Array, y: Array) -> None:
    whole = len(x) - len(x) % _ROWS
    for n in range(0, whole, _ROWS):
        add_tile(x[n : n + _ROWS], W, y[n : n + _ROWS])
    for n in range(whole, len(x)):
        add_row(x[n : n + 1], W, y[n : n + 1])


def add_tile(x: Array, W: Array, y: Array) -> None:
    """y += x @ W for _ROWS rows and the columns of one block.  This is for a debugger; machine code stands below."""
    y += x @ W


def add_row(x: Array, W: Array, y: Array) -> None:
    """The same for one row."""
    y += x @ W


def _machine_code(rows: int) -> Any:
    """add_tile for so many rows: y is loaded into registers, a loop over k adds x[n, k] * W[k], and y is stored.

    Compiled from loops, every sum would go to memory and back for each k.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def add(context: Any, x: Any, W: Any, y: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, W, y = (
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args, arguments, strict=True)
            )
            number = context.get_data_type(signature.args[2].dtype)
            size = context.get_abi_sizeof(number)
            register = ir.VectorType(number, _REGISTER // size)
            integer = ir.IntType(64)
            stretch = ir.Constant(ir.VectorType(ir.IntType(32), register.count), None)  # all from place 0
            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(register, [register] * 3), f"llvm.fma.v{register.count}f{8 * size}"
            )

            def at(array: Any, row: Any, column: Any, kind: Any) -> Any:
                """The address of array[row, column]."""
                strides = (builder.extract_value(array.strides, axis) for axis in (0, 1))
                offset = builder.add(*(builder.mul(*pair) for pair in zip(strides, (row, column), strict=True)))
                start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
                return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())

            columns = [integer(j * register.count) for j in range(_REGISTERS)]
            places = [at(y, integer(n), column, register) for n in range(rows) for column in columns]
            sums = [cgutils.alloca_once(builder, register) for _ in places]
            for place, total in zip(places, sums, strict=True):
                builder.store(builder.load(place, align=size), total)
            with cgutils.for_range(builder, builder.extract_value(x.shape, 1)) as loop:
                k = loop.index
                w = [builder.load(at(W, k, column, register), align=size) for column in columns]
                for n in range(rows):
                    one = builder.load(at(x, integer(n), k, number))
                    first = builder.insert_element(ir.Constant(register, ir.Undefined), one, ir.IntType(32)(0))
                    factor = builder.shuffle_vector(first, first, stretch)
                    for j in range(_REGISTERS):
                        total = sums[n * _REGISTERS + j]
                        builder.store(builder.call(fma, [factor, w[j], builder.load(total)]), total)
            for place, total in zip(places, sums, strict=True):
                builder.store(builder.load(total), place, align=size)
            return context.get_dummy_value()

        return types.void(x, W, y), build

    return add


_add_tile, _add_row = _machine_code(_ROWS), _machine_code(1)


@overload(add_tile, strict=False)  # type: ignore[untyped-decorator]
def _compiled_tile(x: Any, W: Any, y: Any) -> Any:
    return lambda x, W, y: _add_tile(x, W, y)


@overload(add_row, strict=False)  # type: ignore[untyped-decorator]
def _compiled_row(x: Any, W: Any, y: Any) -> Any:
    return lambda x, W, y: _add_row(x, W, y)
