"""What a network sees of an image, and how training images are turned."""

import io

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from training.core.augmentation import Turns, draw_turns, turned
from training.core.config import Config, resolve
from training.core.pixels import decode, enlarged, grown, prepare
from training.core.refusals import BadImages


def config(**changes: object) -> Config:
    return resolve("paper-code", "resnet18", {"image_size": 64, **changes})


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_a_grey_image_is_decoded_as_it_is() -> None:
    pixels = np.arange(48 * 48, dtype=np.uint32).reshape(48, 48).astype(np.uint8)
    assert np.array_equal(decode(png(pixels), name="this", side=48, colour="grey"), pixels[None])


def test_a_colour_image_can_be_seen_in_grey_or_in_colour() -> None:
    red = np.zeros((10, 10, 3), np.uint8)
    red[..., 0] = 255
    assert decode(png(red), name="this", side=10, colour="rgb")[:, 0, 0].tolist() == [255, 0, 0]
    # ITU-R 601: 0.299 of 255.
    assert decode(png(red), name="this", side=10, colour="grey")[:, 0, 0].tolist() == [76]


def test_an_image_of_any_shape_becomes_a_square() -> None:
    assert decode(png(np.zeros((30, 50), np.uint8)), name="this", side=24, colour="grey").shape == (1, 24, 24)


def test_bytes_that_are_no_image_are_refused() -> None:
    with pytest.raises(BadImages, match="this is not an image that can be read"):
        decode(b"not an image", name="this", side=24, colour="grey")


def test_grey_fills_the_networks_channels_between_0_and_1() -> None:
    images = torch.full((2, 1, 48, 48), 51, dtype=torch.uint8)
    pixels = prepare(images, config())
    assert pixels.shape == (2, 3, 64, 64)
    torch.testing.assert_close(pixels, torch.full((2, 3, 64, 64), 0.2))


def test_each_image_is_standardised_by_itself() -> None:
    images = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8)
    images[1] //= 4
    images[2] = 77
    pixels = prepare(images, config(normalisation="image", in_channels=1))
    torch.testing.assert_close(pixels.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(pixels[:2].std(dim=(1, 2, 3), correction=0), torch.ones(2))


def test_channels_last_changes_the_layout_only() -> None:
    images = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    last = prepare(images, config(channels_last=True))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last, prepare(images, config()))


def test_an_image_does_not_depend_on_its_batch() -> None:
    rows = torch.arange(100)
    whole = draw_turns(config(), epoch=3, rows=rows)
    some = draw_turns(config(), epoch=3, rows=torch.tensor([71, 5]))
    assert torch.equal(some.angles, whole.angles[[71, 5]])
    assert torch.equal(some.mirrored, whole.mirrored[[71, 5]])


@pytest.mark.parametrize("other", [{"epoch": 1, "seed": 0}, {"epoch": 0, "seed": 1}])
def test_an_image_looks_different_in_another_epoch_or_with_another_seed(other: dict[str, int]) -> None:
    rows = torch.arange(1000)
    here = draw_turns(config(), epoch=0, rows=rows)
    there = draw_turns(config(seed=other["seed"]), epoch=other["epoch"], rows=rows)
    assert (here.angles != there.angles).float().mean() > 0.99
    assert 0.4 < (here.mirrored != there.mirrored).float().mean() < 0.6


def test_turns_are_spread_evenly_over_their_range() -> None:
    turns = draw_turns(config(rotation=30, flip=0.5), epoch=0, rows=torch.arange(20_000))
    degrees = torch.rad2deg(turns.angles)
    assert degrees.min() >= -30.001
    assert degrees.max() <= 30.001
    shares = torch.histc(degrees, bins=6, min=-30, max=30) / 20_000
    torch.testing.assert_close(shares, torch.full((6,), 1 / 6), atol=0.01, rtol=0)
    assert turns.mirrored.float().mean() == pytest.approx(0.5, abs=0.015)
    assert abs(torch.corrcoef(torch.stack([degrees, turns.mirrored.float()]))[0, 1]) < 0.03


def turn(pixels: torch.Tensor, *, mirrored: bool = False, degrees: float = 0.0) -> torch.Tensor:
    count = len(pixels)
    return turned(pixels, Turns(torch.full((count,), mirrored), torch.full((count,), degrees).deg2rad()))


def test_a_mirrored_image_is_exactly_mirrored() -> None:
    pixels = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(turn(pixels, mirrored=True), pixels.flip(-1), atol=1e-5, rtol=0)


def test_a_quarter_turn_is_exactly_a_quarter_turn() -> None:
    pixels = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(turn(pixels, degrees=90), pixels.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_a_mirrored_quarter_turn_mirrors_first() -> None:
    pixels = torch.rand(1, 1, 16, 16)
    both = turn(pixels, mirrored=True, degrees=90)
    torch.testing.assert_close(both, pixels.flip(-1).rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_what_comes_in_from_outside_is_zero() -> None:
    assert turn(torch.ones(1, 1, 32, 32), degrees=45)[0, 0, 0, 0] == 0


@pytest.mark.parametrize("order", ["resize-then-rotate", "rotate-then-resize"])
def test_both_orders_show_nearly_the_same(order: str) -> None:
    ramp = torch.linspace(0, 255, 48).to(torch.uint8).expand(1, 1, 48, 48)
    turns = Turns(torch.tensor([False]), torch.tensor([0.3]))
    chosen = prepare(ramp, config(augment_order=order), turns)
    grown_first = turned(prepare(ramp, config()), turns)
    inside = (..., slice(24, 40), slice(24, 40))
    torch.testing.assert_close(chosen[inside], grown_first[inside], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("side", "after", "channels"), [(48, 224, 1), (48, 224, 3), (40, 100, 1), (32, 33, 1)]
)
def test_enlarging_in_32_bits_gives_what_bfloat16_gives_to_the_bit(
    side: int, after: int, channels: int
) -> None:
    some = config(image_size=after, bf16=True, channels_last=True, colour="rgb" if channels == 3 else "grey")
    pixels = torch.rand(2, channels, side, side)
    one, other = (enlarged(pixels, some, kind) for kind in (torch.float32, torch.bfloat16))
    assert one.dtype == torch.bfloat16
    assert one.stride() == other.stride()
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("side", "after", "channels"),
    [
        (48, 224, 1),
        (48, 224, 3),
        (48, 49, 1),
        (47, 224, 1),
        (64, 96, 3),
        (1, 5, 1),
        (128, 224, 1),
        (60, 61, 1),
    ],
)
def test_enlarging_in_32_bits_is_interpolation_whoever_else_is_in_the_batch(
    side: int, after: int, channels: int
) -> None:
    pixels = torch.rand(5, channels, side, side)
    found = grown(pixels, after)
    wanted = torch.nn.functional.interpolate(
        pixels, size=(after, after), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)
    assert torch.equal(found[3:4], grown(pixels[3:4], after))


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def test_what_is_no_plain_picture_is_decoded_as_everywhere_else() -> None:
    grey = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
    plain, kept = Image.fromarray(grey), np.where(grey > 100, 255, 0).astype(np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    found = {
        "16 bits": saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "turned": saved(plain.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif),
        "palette": saved(plain.convert("P"), "PNG"),
        "clear": saved(Image.merge("LA", (plain, Image.fromarray(kept))), "PNG"),
        "clear where it is 0": saved(plain, "PNG", transparency=0),
    }
    on_white = np.where(grey > 100, grey, 255)
    wanted = dict.fromkeys(found, grey) | {
        "clear": on_white,
        "clear where it is 0": np.where(grey, grey, 255),
    }
    for name, data in found.items():
        assert np.array_equal(decode(data, name=name, side=8, colour="grey")[0], wanted[name]), name
        assert np.array_equal(decode(data, name=name, side=8, colour="rgb"), np.stack([wanted[name]] * 3)), (
            name
        )


def test_no_program_is_started_to_look_at_a_face() -> None:
    with pytest.raises(BadImages, match="face 1 is not an image that can be read"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", name="face 1", side=8, colour="grey")
