"""H-CLIP: rotations keep the hyperspherical energy on the right side, and mixing follows its formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import HClip
from rs_adapt.adapters.hclip import BlockDiagonal, TransformBank, cayley
from rs_adapt.errors import ConfigError


def energy(rows: Tensor) -> Tensor:
    """Hyperspherical energy: the sum of inverse distances of all pairs of rows on the unit sphere."""
    unit = torch.nn.functional.normalize(rows, dim=1)
    distance = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = ~torch.eye(len(rows), dtype=torch.bool)
    return (1 / distance[pairs]).sum()


def transformed(weight: Tensor, r_MPP: Tensor, *, on_inputs: bool) -> Tensor:
    """A block-diagonal transform in double precision, which the class itself takes in single."""
    whole = torch.block_diag(*r_MPP)
    return weight @ whole if on_inputs else whole @ weight


def bank(*, orthogonal: bool = False, relations: bool = True) -> TransformBank:
    torch.manual_seed(0)
    made = TransformBank(num_slots=8, num_blocks=3, block_dim=4, depth=2, orthogonal=orthogonal, relations=relations)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(torch.randn(p.shape) * 0.3)
    return made


def test_cayley_gives_rotations_and_starts_at_the_identity() -> None:
    r = cayley(torch.randn(5, 6, 6, dtype=torch.float64))
    eye = torch.eye(6, dtype=torch.float64).expand(5, 6, 6)
    torch.testing.assert_close(r @ r.mT, eye)
    torch.testing.assert_close(torch.linalg.det(r), torch.ones(5, dtype=torch.float64))
    assert torch.equal(cayley(torch.zeros(2, 3, 3)), torch.eye(3).expand(2, 3, 3))


def test_rotations_preserve_the_energy_of_rows_or_columns() -> None:
    weight = torch.randn(12, 12, dtype=torch.float64)
    r_MPP = cayley(torch.randn(3, 4, 4, dtype=torch.float64))
    inputs, outputs = (transformed(weight, r_MPP, on_inputs=side) for side in (True, False))
    assert energy(inputs).item() == pytest.approx(energy(weight).item(), rel=1e-9)
    assert energy(outputs.T).item() == pytest.approx(energy(weight.T).item(), rel=1e-9)
    assert energy(outputs).item() != pytest.approx(energy(weight).item(), rel=1e-4)


@pytest.mark.parametrize("on_inputs", [True, False])
def test_blocks_act_on_the_declared_side(on_inputs: bool) -> None:
    made, weight = bank(), torch.randn(12, 12)
    change = BlockDiagonal(made, 5, on_inputs=on_inputs)
    expected = transformed(weight, made.transforms(5), on_inputs=on_inputs)
    torch.testing.assert_close(change.merged_weight(weight), expected)


def test_mixing_follows_its_formula() -> None:
    made = bank()
    for slot in (0, 3, 4, 7):
        of_blocks = made.relation_blocks[slot // 4]
        expected = torch.zeros(3, 4, 4)
        for m in range(3):
            for u in range(8):
                for n in range(3):
                    expected[m] += made.relation_slots[slot, u] * of_blocks[m, n] * made.core[u, n]
        torch.testing.assert_close(made.transforms(slot), expected)


def test_without_relations_a_slot_has_its_own_blocks() -> None:
    made = bank(relations=False)
    assert torch.equal(made.transforms(6), made.core[6])


def test_parameter_counts_are_the_published_ones() -> None:
    # The released tensor serves 4 blocks of a text and 6 of an image encoder: ten blocks of 128 in 12 layers.
    core = HClip.num_params(embed_dim=1280, depth=12, block_dim=128, relations=False)
    assert core == 7_864_320
    assert HClip.num_params(embed_dim=1280, depth=12, block_dim=128) == 7_867_824


def test_refuses_blocks_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="block_dim is 7; it must divide"):
        HClip(embed_dim=32, depth=1, block_dim=7)
