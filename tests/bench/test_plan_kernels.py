"""Kernels, bytes and products of planned programs, on texts whose numbers are known by hand."""

import pytest

from launch.bench.plan_kernels import kernels_of
from launch.bench.plan_roofline import KERNEL_US, added, cost, seconds
from launch.bench.plan_target import TARGETS
from launch.bench.plan_text import PlanTextError, instruction

PICKED = """
%picking (p.0: f32[100,8], p.1: s32[4]) -> f32[4,8] {
  %p.0 = f32[100,8]{1,0} parameter(0)
  %p.1 = s32[4]{0} parameter(1)
  ROOT %rows = f32[4,8]{1,0} gather(%p.0, %p.1), offset_dims={1}, slice_sizes={1,8}
}

%writing (p.0: f32[100,8], p.1: f32[1,8], p.2: s32[]) -> f32[100,8] {
  %p.0 = f32[100,8]{1,0} parameter(0)
  %p.1 = f32[1,8]{1,0} parameter(1)
  %p.2 = s32[] parameter(2)
  %zero = s32[] constant(0)
  ROOT %new = f32[100,8]{1,0} dynamic-update-slice(%p.0, %p.1, %p.2, %zero)
}

ENTRY %main (table: f32[100,8], ids: s32[4], row: f32[1,8], at: s32[]) -> (f32[4,8], f32[100,8]) {
  %table = f32[100,8]{1,0} parameter(0)
  %ids = s32[4]{0} parameter(1)
  %row = f32[1,8]{1,0} parameter(2)
  %at = s32[] parameter(3)
  %picked = f32[4,8]{1,0} fusion(%table, %ids), kind=kLoop, calls=%picking
  %written = f32[100,8]{1,0} fusion(%table, %row, %at), kind=kLoop, calls=%writing
  ROOT %both = (f32[4,8]{1,0}, /*index=1*/f32[100,8]{1,0}) tuple(%picked, %written)
}
"""

CONVOLVED = """
ENTRY %main (x: bf16[2,8,8,4], w: bf16[16,3,3,4], y: f32[2,8,8,16], v: f32[2,8,8,4]) -> f32[1] {
  %x = bf16[2,8,8,4]{3,2,1,0} parameter(0)
  %w = bf16[16,3,3,4]{3,2,1,0} parameter(1)
  %y = f32[2,8,8,16]{3,2,1,0} parameter(2)
  %v = f32[2,8,8,4]{3,2,1,0} parameter(3)
  %there = (bf16[2,8,8,16]{3,2,1,0}, u8[999]{0}) custom-call(%x, %w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %back = (f32[16,3,3,4]{3,2,1,0}, u8[0]{0}) custom-call(%v, %y), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardFilter"
  %taken = f32[16,3,3,4]{3,2,1,0} get-tuple-element(%back), index=0
  ROOT %in = (f32[2,8,8,4]{3,2,1,0}, u8[0]{0}) custom-call(%y, %taken), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, operand_precision={highest,highest}, custom_call_target="__cudnn$convBackwardInput"
}
"""  # noqa: E501

REPEATED = """
%once (p: (s32[], f32[10])) -> (s32[], f32[10]) {
  %p = (s32[], f32[10]{0}) parameter(0)
  %n = s32[] get-tuple-element(%p), index=0
  %a = f32[10]{0} get-tuple-element(%p), index=1
  %sum = f32[10]{0} add(%a, %a)
  ROOT %next = (s32[], f32[10]{0}) tuple(%n, %sum)
}

%more (p: (s32[], f32[10])) -> pred[] {
  %p = (s32[], f32[10]{0}) parameter(0)
  ROOT %yes = pred[] constant(true)
}

%product (p.0: f32[10,20], p.1: f32[20,6]) -> f32[10,6] {
  %p.0 = f32[10,20]{1,0} parameter(0)
  %p.1 = f32[20,6]{1,0} parameter(1)
  ROOT %dot = f32[10,6]{1,0} dot(%p.0, %p.1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

ENTRY %main (s: (s32[], f32[10]), l: f32[10,20], r: f32[20,6]) -> f32[10,6] {
  %s = (s32[], f32[10]{0}) parameter(0)
  %l = f32[10,20]{1,0} parameter(1)
  %r = f32[20,6]{1,0} parameter(2)
  %loop = (s32[], f32[10]{0}) while(%s), condition=%more, body=%once, backend_config={"known_trip_count":{"n":"5"}}
  %called = (f32[10,6]{1,0}, s8[64]{0}) custom-call(%l, %r), custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"]}}}
  %shared = f32[10,20]{1,0} all-reduce-start(%l), to_apply=%sum, metadata={op_name="a/BatchNorm_0/psum"}
  %done = f32[10,20]{1,0} all-reduce-done(%shared)
  ROOT %fused = f32[10,6]{1,0} fusion(%done, %r), kind=kOutput, calls=%product
}
"""  # noqa: E501


def test_a_fusion_moves_the_rows_it_picks_and_writes():
    picked, written = kernels_of(PICKED)
    assert picked.moved == 4 * 8 * 4 + 4 * 4 + 4 * 8 * 4  # rows, indices, result
    assert written.moved == 2 * 8 * 4 + 4  # the row read, the row written, its place


def test_convolutions_of_both_passes_do_the_same_products():
    there, back, into = kernels_of(CONVOLVED)
    products = 2 * (2 * 8 * 8 * 16) * (3 * 3) * 4
    assert [k.flop for k in (there, back, into)] == [products] * 3
    assert [k.number for k in (there, back, into)] == ["bf16", "tf32", "f32"]
    assert there.moved == 2 * (2 * 8 * 8 * 4 + 16 * 9 * 4 + 2 * 8 * 8 * 16)  # without scratch space
    assert {k.kind for k in (there, back, into)} == {"convolution"}


def test_loops_products_and_reductions():
    step, called, reduced, fused = kernels_of(REPEATED)
    assert (step.times, step.moved) == (5, 2 * 40)  # one array is both operands
    assert called.flop == fused.flop == 2 * 10 * 6 * 20
    assert called.moved == fused.moved == 4 * (200 + 120 + 60)
    assert (reduced.kind, reduced.moved) == ("all-reduce", 2 * 800)  # its end starts nothing


def test_costs_are_sums_and_the_longer_of_two_times():
    target = TARGETS["h100"]
    found = cost(kernels_of(REPEATED), target, calls=2)
    assert (found["kernels"], found["kernels_small"]) == (16, 16)
    assert (found["all_reduces"], found["all_reduces_small"]) == (2, 2)
    assert found["gb"] == pytest.approx(2 * (5 * 80 + 2 * 1520 + 1600) / 1e9)
    assert found["starts_ms"] == pytest.approx(16 * KERNEL_US / 1e3)
    there, *_ = kernels_of(CONVOLVED)
    assert seconds(there, target) == there.moved / (3.35232e12 * 0.8)  # so small, it only moves
    both = added([found, cost(kernels_of(CONVOLVED), target)])
    assert both["kernels"] == 16 + 3
    assert set(both["tflop"]) == {"tf32", "bf16", "f32"}


def test_the_h200_moves_faster_and_computes_alike():
    large = next(k for k in kernels_of(PICKED))
    slow, fast = (seconds(large, TARGETS[name]) for name in ("h100", "h200"))
    assert slow / fast == pytest.approx(4.8 / 3.35232)
    assert TARGETS["h100"].flop_per_s == TARGETS["h200"].flop_per_s


def test_other_texts_are_refused():
    with pytest.raises(PlanTextError, match="expected the text of a compiled program"):
        kernels_of("module @jit_f { func.func public @main() }")
    with pytest.raises(PlanTextError, match="a bracket is not closed"):
        instruction("  %a = f32[2]{0} add(%b, %c")
