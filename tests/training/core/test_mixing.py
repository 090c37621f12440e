"""Mixup: who is mixed with whom, and how far."""

import numpy as np
import pytest
import torch

from training.core.config import Config, resolve
from training.core.mixing import Mix, beta_quantiles, draw_mix

ROWS = torch.arange(20_000)
AMONG = torch.arange(100, 600)


def config(**changes: object) -> Config:
    return resolve("paper-code", "resnet18", {"mixup": 0.2, **changes})


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 2.5])
def test_shares_are_distributed_as_beta(alpha: float) -> None:
    quantiles = beta_quantiles(alpha)
    drawn = np.sort(np.random.default_rng(0).beta(alpha, alpha, 200_000))
    levels = np.linspace(0.01, 0.99, 99)
    found = np.interp(levels, np.linspace(0, 1, len(quantiles)), quantiles)
    assert np.abs(found - np.quantile(drawn, levels)).max() < 0.01
    assert (np.diff(quantiles) >= 0).all()
    assert (quantiles[0], quantiles[-1]) == (0, 1)


def test_the_larger_share_is_the_images_own() -> None:
    shares = draw_mix(config(mixup=1.0), epoch=0, rows=ROWS, among=AMONG).shares
    assert shares.min() >= 0.5
    assert shares.max() <= 1
    # Of a uniform number the larger of it and its complement is uniform from one half to one.
    torch.testing.assert_close(
        torch.histc(shares, 5, 0.5, 1) / 20_000, torch.full((5,), 0.2), atol=0.01, rtol=0
    )


def test_partners_are_training_images_each_as_often() -> None:
    partners = draw_mix(config(), epoch=0, rows=ROWS, among=AMONG).partners
    counts = torch.bincount(partners, minlength=600)
    assert counts[:100].sum() == 0
    assert counts[100:].min() > 10
    assert counts[100:].max() < 80


def test_a_partner_depends_on_seed_epoch_and_image_alone() -> None:
    whole = draw_mix(config(), epoch=3, rows=ROWS, among=AMONG)
    some = draw_mix(config(), epoch=3, rows=torch.tensor([71, 5]), among=AMONG)
    assert torch.equal(some.partners, whole.partners[[71, 5]])
    assert torch.equal(some.shares, whole.shares[[71, 5]])
    other = draw_mix(config(), epoch=4, rows=ROWS, among=AMONG)
    assert (other.partners != whole.partners).float().mean() > 0.9


def test_images_and_losses_are_mixed_by_the_same_share() -> None:
    mix = Mix(partners=torch.tensor([1, 0]), shares=torch.tensor([0.75, 1.0]))
    images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    mixed = mix.of_images(images, images[mix.partners])
    assert mixed[0].unique().tolist() == [0.25]
    assert torch.equal(mixed[1], images[1])
    assert mix.of_losses(torch.tensor([4.0, 2.0]), torch.tensor([8.0, 6.0])).tolist() == [5.0, 2.0]
