"""The gather beside transformers' own deformable attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
    multi_scale_deformable_attention,
)

from rs_adapt.cost.live_bytes import LiveBytes
from rs_adapt.heads import Mask2FormerHead, deformable
from rs_adapt.heads.deformable_gather import can_gather, gather

SHAPES = [(8, 6), (4, 3), (2, 2)]


def tensors(
    dtype: torch.dtype, *, shapes: list[tuple[int, int]] = SHAPES, batch: int = 2, queries: int = 20, width: int = 4
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, places (a third of them outside of the image) and attention of 2 heads and 3 points."""
    generator = torch.Generator().manual_seed(0)
    cells, levels = sum(high * wide for high, wide in shapes), len(shapes)
    value = torch.randn(batch, cells, 2, width, generator=generator, dtype=dtype)
    where = torch.rand(batch, queries, 2, levels, 3, 2, generator=generator, dtype=dtype) * 1.6 - 0.3
    attention = torch.randn(batch, queries, 2, levels * 3, generator=generator, dtype=dtype).softmax(-1)
    return value.requires_grad_(), where.requires_grad_(), attention.view(where.shape[:-1]).requires_grad_()


def run(form: Any, given: tuple[Tensor, ...], shapes: list[tuple[int, int]] = SHAPES) -> list[Tensor]:
    """Return the output and the three gradients."""
    value, where, attention = given
    output = form(value, shapes, where, attention)
    generator = torch.Generator().manual_seed(1)
    grad = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    return [output, *torch.autograd.grad(output, given, grad)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("shapes", [SHAPES, [(16, 16), (8, 8), (4, 4)], [(5, 7)]])
def test_output_and_gradients_are_those_of_transformers(
    dtype: torch.dtype, tolerance: float, shapes: list[tuple[int, int]]
) -> None:
    given = tensors(dtype, shapes=shapes, queries=50)
    expected, found = (run(form, given, shapes) for form in (multi_scale_deformable_attention, gather))
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= tolerance * one.abs().max()


def test_samples_at_centres_and_borders_have_the_same_slopes() -> None:
    # Multiples of a quarter of a cell, so centres of cells and borders of the image are among them.
    shapes = [(4, 4), (2, 2)]
    value, where, attention = tensors(torch.float64, shapes=shapes, queries=400)
    given = (value, ((where * 16).round() / 16).detach().requires_grad_(), attention)
    expected, found = (run(form, given, shapes) for form in (multi_scale_deformable_attention, gather))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    given = tensors(torch.float64, batch=1, queries=3, width=2)
    assert torch.autograd.gradcheck(lambda value, where, attention: gather(value, SHAPES, where, attention), given)


@pytest.mark.parametrize("place", [-1e30, -5.0, -0.3, 1.3, 7.0, 1e30, float("inf")])
def test_what_is_outside_of_the_image_is_zero(place: float) -> None:
    value, where, attention = tensors(torch.float32)
    output, d_value, d_where, d_attention = run(
        gather, (value, where.detach().fill_(place).requires_grad_(), attention)
    )
    assert not any(each.any() for each in (output, d_value, d_where, d_attention))


def test_a_place_that_is_no_number_is_passed_on() -> None:
    value, where, attention = tensors(torch.float32)
    assert run(gather, (value, where.detach().fill_(torch.nan).requires_grad_(), attention))[0].isnan().all()


def test_two_runs_and_a_recomputed_one_are_equal() -> None:
    given = tensors(torch.float32, shapes=[(16, 16), (8, 8)], queries=200)

    def recomputed(*args: Any) -> Any:
        return checkpoint(gather, *args, use_reentrant=False)

    runs = [run(form, given, [(16, 16), (8, 8)]) for form in (gather, gather, recomputed)]
    for each in zip(*runs, strict=True):
        assert torch.equal(each[0], each[1])
        assert torch.equal(each[0], each[2])


def test_inputs_that_are_not_contiguous_change_nothing() -> None:
    value, where, attention = tensors(torch.float64)
    turned = tuple(
        each.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
        for each in (value, where, attention)
    )
    for one, other in zip(run(gather, (value, where, attention)), run(gather, turned), strict=True):
        assert torch.equal(one, other)


def test_only_real_tensors_of_one_type_are_gathered() -> None:
    given = tensors(torch.float32)
    assert can_gather(SHAPES, *given)
    assert not can_gather([(8, 6), (4, 3), (1, 4)], *given)
    assert not can_gather(SHAPES, given[0].bfloat16(), *given[1:])
    assert not can_gather(SHAPES, *(each.to("meta") for each in given))
    with LiveBytes():
        assert not can_gather(SHAPES, *given)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert not can_gather(SHAPES, *(mode.from_tensor(each) for each in given))


def test_the_head_gathers_in_training_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head = Mask2FormerHead(
        in_channels=[8] * 4, num_classes=3, channels=32, num_queries=5, encoder_layers=2, decoder_layers=2,
        num_heads=4, encoder_ffn=64, decoder_ffn=64,
    )  # fmt: skip
    features = [torch.randn(2, 8, side, side) for side in (32, 16, 8, 4)]
    calls = []

    def counted(*args: Any) -> Tensor:
        calls.append(args)
        return gather(*args)

    monkeypatch.setattr(deformable, "gather", counted)
    head(features)
    assert not calls
    for layer in head.pixel_decoder.encoder.layers:
        layer.self_attn.gathers = True
    with torch.no_grad():
        head.eval()(features)
    assert not calls
    classes, masks = head.train()(features)
    assert len(calls) == 2
    for layer in head.pixel_decoder.encoder.layers:
        layer.self_attn.__class__ = Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention
    expected_classes, expected_masks = head(features)
    assert len(calls) == 2
    torch.testing.assert_close(classes[0], expected_classes[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(masks[0], expected_masks[0], rtol=1e-5, atol=1e-5)
    # Where nothing is gathered, the numbers are those of transformers to the last bit.
    for layer in head.pixel_decoder.encoder.layers:
        layer.self_attn.__class__ = deformable.DeformableAttention
    monkeypatch.setattr(deformable, "can_gather", lambda *_: False)
    for one, other in zip(head(features)[1], expected_masks, strict=True):
        assert torch.equal(one, other)
