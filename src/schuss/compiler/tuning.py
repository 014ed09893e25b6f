"""The numbers by which the compiler chooses between ways that give the same bits. All were measured (docs/speed.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tuning:
    """Handed on from the executor to whoever chooses; part of a plan, and of the key of its code.

    Memory
    spacing        bytes: rows of a multiple of this are spaced out, lest a column fall into one set of a cache

    A right operand that lies transposed (passes/materialize.py)
    few_rows       up to so many rows are multiplied with blocks of it that are transposed in registers
    panel_rows     up to so many rows with panels of it that are packed, if it takes
    panel_bytes    so many bytes; else it is copied

    A matrix of the state in panels (passes/panels.py)
    panel_registers  on machines of no more vector registers, for batches of few_rows to k_block_rows
    panels_bytes   a matrix of so many bytes
    gather_tiles   a weight gradient there copies panels of its right operand if as many tiles lie below each other,
    gather_most    so many panels at most, as far as they take
    gather_bytes   so many bytes: they lie on the stack
    reread         one of so many panels reads its left operand from a copy in panels

    Kernels and threads (schedule/)
    most_maps      elementwise nodes in one kernel: LLVM's scheduler and register allocator take the square of a block's
                   length: a kernel of 300 sums takes 0.5 s to compile, one of 900 takes 4 s, and Ctrl-C waits for it;
                   no layer or optimizer comes near
    few_stages     up to so many stages `run` calls in turn, more by walking through a table (lower/run.py)
    alike          so many kernels of the same code share a function, and parts of a concatenation their loops: to look
                   where it works costs each call some 50 cycles
    alike_flat     so many kernels of maps that are alike but for their shapes share one
    shared_map     elements: below this a map or copy is not worth sharing
    shared_sum     elements: below this a sum over examples is not worth sharing by columns
    column_unit    columns: a thread's part of those is a multiple of two vectors of the widest kind
    column_split_bytes  a right operand of so many bytes that is so many times as large as the
    column_split_ratio  left one has its product partitioned by columns

    Blocks of k (lower/gemm/k_blocking.py)
    k_block_rows   for batches of more rows long sums go in blocks, where a matrix takes
    k_block_bytes  so many bytes
    block          steps of a sum at a time
    block_bytes    of the left operand that such a block may take

    What is asked for in advance (lower/)
    far_bytes      a right operand of so many bytes is asked for
    far_rows       so many rows in advance
    row_least      bytes that are read of a row of data, from which on it is asked for in advance, and
    row_most       no more than these of it: then the core sees where it goes on
    spread_steps, spread_bytes  steps and size of a result from which on what is read with it is asked for in turn
    side_by_side   rows of a product without vectors computed together, to hide each multiply-add's latency
    examples_bytes of both operands that a block of examples may take, where examples are summed with other axes

    What the estimate of sharing takes a core to do (schedule/cost.py); measured on Zen 4 and Zen 5
    flops, bytes   operations a second, and bytes from its own cache
    cross_core_bytes  from the cache of another core, which has just written them
    barrier        seconds

    Functions of arrays (exec/native/function.py)
    chunk          rows that a row-wise graph computes at a time
    worth_sharing  floating-point operations of a call below which one thread does it all

    Giving up (exec/native/stop.py)
    looks          operations, or bytes, of a kernel from which on it looks meanwhile whether it is to be given up, and
                   of a program from which on it looks before each kernel, and its caller only waits: less takes no time
    """

    spacing: int = 1024
    few_rows: int = 8
    panel_rows: int = 1024
    panel_bytes: int = 1 << 19
    panel_registers: int = 16
    panels_bytes: int = 1 << 15
    gather_tiles: int = 8
    gather_most: int = 4
    gather_bytes: int = 1 << 16
    reread: int = 32
    most_maps: int = 128
    few_stages: int = 64
    alike: int = 4
    alike_flat: int = 16
    shared_map: int = 4096
    shared_sum: int = 1 << 18
    column_unit: int = 32
    column_split_bytes: int = 1 << 19
    column_split_ratio: int = 16
    k_block_rows: int = 1024
    k_block_bytes: int = 1 << 19
    block: int = 512
    block_bytes: int = 1 << 19
    far_bytes: int = 1 << 19
    far_rows: int = 64
    row_least: int = 256
    row_most: int = 2048
    spread_steps: int = 64
    spread_bytes: int = 1 << 17
    side_by_side: int = 16
    examples_bytes: int = 1 << 18
    flops: float = 100e9
    bytes: float = 60e9
    cross_core_bytes: float = 8e9
    barrier: float = 1.5e-6
    chunk: int = 512
    worth_sharing: int = 2_000_000
    looks: float = 2e9


DEFAULT = Tuning()
