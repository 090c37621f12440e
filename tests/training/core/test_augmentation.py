"""Crops, shifts, contrast and blanks of training images; mirrors and turns are in test_pixels."""

import pytest
import torch

from training.core.augmentation import Turns, contrasted, draw_turns, erased, turned
from training.core.config import Config, resolve
from training.core.draws import Draw, uniform, uniforms
from training.core.pixels import prepare

ROWS = torch.arange(4000)
ALL = {"crop": 0.3, "translate": 0.1, "contrast": 0.4, "erase": 0.5}


def config(**changes: object) -> Config:
    return resolve("paper-code", "resnet18", {"image_size": 32, **changes})


def still(count: int, **changes: torch.Tensor) -> Turns:
    return Turns(torch.full((count,), False), torch.zeros(count), **changes)


def test_a_crop_of_half_the_side_is_that_quarter_grown() -> None:
    pixels = torch.arange(64.0).view(1, 1, 8, 8)
    quarter = still(1, sides=torch.tensor([0.5]), shifts=torch.tensor([[-0.5, -0.5]]))
    seen = turned(pixels, quarter)
    grown = torch.nn.functional.interpolate(pixels[..., :4, :4], size=8, mode="bilinear")
    # At the rim one sees a little of what lies beyond; inside they are the same.
    torch.testing.assert_close(seen[..., 1:-1, 1:-1], grown[..., 1:-1, 1:-1])


def test_a_shift_moves_the_image_and_brings_zeros_in() -> None:
    pixels = torch.rand(1, 1, 8, 8) + 1
    seen = turned(pixels, still(1, shifts=torch.tensor([[0.25, 0.0]])))
    torch.testing.assert_close(seen[..., :-1], pixels[..., 1:])
    assert (seen[..., -1] == 0).all()


def test_a_crop_never_leaves_the_image_and_a_shift_keeps_to_its_share() -> None:
    drawn = draw_turns(config(crop=0.3), epoch=0, rows=ROWS)
    assert drawn.sides is not None
    assert drawn.shifts is not None
    assert 0.7 <= drawn.sides.min() < 0.71
    assert 0.99 < drawn.sides.max() <= 1
    assert (drawn.shifts.abs() + drawn.sides[:, None]).max() <= 1 + 1e-6
    shifted = draw_turns(config(translate=0.1), epoch=0, rows=ROWS).shifts
    assert shifted is not None
    # In halves of the side: a tenth of the side is a fifth of its half.
    assert 0.19 < shifted.abs().max() <= 0.2
    assert shifted.mean().abs() < 0.01


def test_contrast_keeps_the_mean() -> None:
    pixels = torch.rand(2, 1, 8, 8)
    seen = contrasted(pixels, torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(seen.mean(dim=(1, 2, 3)), pixels.mean(dim=(1, 2, 3)))
    torch.testing.assert_close(seen.std(dim=(1, 2, 3)), pixels.std(dim=(1, 2, 3)) * torch.tensor([0.5, 2.0]))


def test_a_box_is_blanked_and_nothing_else() -> None:
    seen = erased(torch.ones(2, 3, 8, 8), torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.3, 0.3, 0.3, 0.3]]))
    assert (seen[0, :, 4:, 2:4] == 0).all()
    assert seen[0].sum() == 3 * (64 - 8)
    assert (seen[1] == 1).all()


def test_boxes_lie_inside_and_come_as_often_as_asked() -> None:
    boxes = draw_turns(config(erase=0.25), epoch=2, rows=ROWS).erased
    assert boxes is not None
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    some = areas > 0
    assert some.float().mean() == pytest.approx(0.25, abs=0.03)
    assert boxes.min() >= 0
    assert boxes.max() <= 1 + 1e-6
    assert areas[some].min() >= 0.0199
    assert areas.max() <= 0.2001


def test_what_an_image_becomes_does_not_depend_on_its_batch() -> None:
    images = torch.randint(0, 256, (50, 1, 24, 24), dtype=torch.uint8)
    chosen = config(**ALL)
    whole = prepare(images, chosen, draw_turns(chosen, epoch=5, rows=torch.arange(50)))
    some = torch.tensor([41, 3])
    few = prepare(images[some], chosen, draw_turns(chosen, epoch=5, rows=some))
    torch.testing.assert_close(few, whole[some])
    other = prepare(images, chosen, draw_turns(chosen, epoch=6, rows=torch.arange(50)))
    assert ((other - whole).abs().amax(dim=(1, 2, 3)) > 0.01).all()


def test_contrast_stays_between_black_and_white() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).repeat(2, 1, 32, 16)
    chosen = config(contrast=1.0, flip=0, rotation=0)
    seen = prepare(images, chosen, draw_turns(chosen, epoch=0, rows=torch.arange(2)))
    assert seen.min() >= 0
    assert seen.max() <= 1


@pytest.mark.parametrize("side", [17, 48])
def test_images_are_turned_as_torchs_own_grid_turns_them(side: int) -> None:
    some = config(**ALL)
    turns, pixels = draw_turns(some, epoch=0, rows=torch.arange(8)), torch.rand(8, 1, side, side)
    assert turns.sides is not None
    assert turns.shifts is not None
    sign = 1 - 2 * turns.mirrored.float()
    cos, sin = turns.sides * turns.angles.cos(), turns.sides * turns.angles.sin()
    rows = [sign * cos, -sign * sin, turns.shifts[:, 0], sin, cos, turns.shifts[:, 1]]
    grid = torch.nn.functional.affine_grid(
        torch.stack(rows, dim=1).view(-1, 2, 3), [8, 1, side, side], align_corners=False
    )
    wanted = torch.nn.functional.grid_sample(pixels, grid, align_corners=False)
    torch.testing.assert_close(turned(pixels, turns), wanted, atol=1e-5, rtol=0)


def test_what_is_drawn_for_one_thing_does_not_depend_on_what_else_is_drawn() -> None:
    rows = torch.tensor([0, 3, 28_708, 2**31])
    together = uniforms(7, 2, rows, tuple(Draw))
    alone = torch.stack([uniform(7, 2, rows, draw) for draw in Draw])
    assert torch.equal(together, alone)
    assert len(torch.unique(together)) == together.numel()


def test_the_numbers_are_those_of_earlier_versions() -> None:
    # A run that goes on after an update must not see other images.
    found = uniform(1, 2, torch.tensor([0, 1, 5]), Draw.TURN)
    assert (found * 2**24).long().tolist() == [2103682, 10002757, 154632]
