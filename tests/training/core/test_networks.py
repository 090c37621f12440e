"""The networks are the published ones, and they learn."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from training.core.networks import NETWORKS, network
from training.core.networks.measure import measured, multiply_adds, on_paper, parameters
from training.core.networks.resmasking import DEPTHS, WIDTHS, MaskingBlock, ResMaskingNet
from training.core.networks.torchvision_classifiers import SameConvolution, models
from training.core.refusals import BadConfig

PLAIN = ("resnet18", "resnet34", "resnet50")


def small_faces(side: int = 64, faces: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(faces, 3, side, side, generator=generator), torch.arange(faces) % 4


def last_map_side(net: nn.Module, side: int) -> int:
    """The side of the last feature map of more than one pixel, for square images of `side` pixels."""
    sides = []
    hooks = [
        part.register_forward_hook(lambda _part, _given, made: sides.append(made.shape[-1]))
        for part in net.modules()
        if isinstance(part, nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d | nn.AvgPool2d)
    ]
    with torch.device("meta"):
        net.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    last: int = [side for side in sides if side > 1][-1]
    return last


def trained_losses(net: torch.nn.Module, steps: int, rate: float) -> list[float]:
    images, labels = small_faces()
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    net.train()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


PUBLISHED = {
    "resmasking": (137_796_423, 21.903),
    "resnet18": (11_180_103, 1.814),
    "resnet34": (21_288_263, 3.663),
    "resnet152": (58_158_151, 11.512),
    "vgg19": (139_598_919, 19.628),
    "googlenet": (5_607_079, 1.497),
    "inception_v3": (21_799_911, 2.836),
    "densenet121": (6_961_031, 2.833),
    "efficientnet-b2b": (7_710_857, 0.658),
    "cbam-resnet50": (26_054_967, 4.094),
    "bam-resnet50": (23_880_442, 4.169),
    "resattnet56": (29_776_071, 6.269),
}
"""Parameters with 7 classes, GMACs at 224 pixels: the networks the paper compares (its Tables II and IV)."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_its_published_size(name: str) -> None:
    count, gmacs = PUBLISHED[name]
    size = measured(network(name), image_size=224)
    assert size.parameters == count
    assert size.multiply_adds / 1e9 == pytest.approx(gmacs, abs=0.0006)


def test_inception_works_harder_on_its_own_images_and_was_counted_with_its_unused_head() -> None:
    size = measured(network("inception_v3"), image_size=299)
    assert size.multiply_adds / 1e9 == pytest.approx(5.711, abs=0.0006)
    with torch.device("meta"):
        headed = models.inception_v3(weights=None, num_classes=7, aux_logits=True, init_weights=False)
        headed.AuxLogits.fc = nn.Linear(768, 1000)  # which had kept ImageNet's classes
    assert parameters(headed) == 25_126_607


def test_efficientnet_b2b_is_padded_as_tensorflow_does() -> None:
    plain = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)
    nn.init.ones_(plain.weight)
    same = SameConvolution(plain)
    ones = torch.ones(1, 1, 4, 4)
    assert same(ones).flatten().tolist() == [9, 6, 6, 4]  # short of pixels right and below only
    assert plain(ones).flatten().tolist() == [4, 6, 6, 9]
    assert torch.equal(same(torch.ones(1, 1, 5, 5)), plain(torch.ones(1, 1, 5, 5)))
    with torch.device("meta"):
        net = network("efficientnet-b2b")(classes=7)
    assert {part.eps for part in net.modules() if isinstance(part, nn.BatchNorm2d)} == {1e-3}
    assert all(
        isinstance(part, SameConvolution)
        for part in net.modules()
        if isinstance(part, nn.Conv2d) and part.stride == (2, 2)
    )


def test_the_further_dropouts_of_vgg_stay_as_published() -> None:
    with torch.device("meta"):
        net = network("vgg19")(classes=7, dropout=0.1)
    assert [part.p for part in net.modules() if isinstance(part, nn.Dropout)] == [0.5, 0.1]


def test_resmasking_blocks_have_the_published_sizes() -> None:
    net = on_paper(network("resmasking"))
    counts = {name: parameters(part) for name, part in net.named_children()}
    assert counts["conv1"] + counts["bn1"] == 9_536
    assert [counts[f"layer{i}"] for i in (1, 2, 3, 4)] == [221_952, 1_116_416, 6_822_400, 13_114_368]
    assert [counts[f"mask{i}"] for i in (1, 2, 3, 4)] == [32_366_080, 31_885_312, 29_965_312, 22_291_456]
    assert counts["fc"] == 3_591


def test_masks_are_the_same_on_any_resnet_of_basic_blocks_and_sixteenfold_on_bottlenecks() -> None:
    sizes = {
        name: measured(network(name)) for name in ("resmasking", *PLAIN, *(f"{name}+masks" for name in PLAIN))
    }
    masks = [sizes[f"{name}+masks"].parameters - sizes[name].parameters for name in PLAIN]
    assert masks[:2] == [116_508_160, 116_508_160]
    assert masks[2] == pytest.approx(16 * 116_508_160, rel=0.001)
    ours, published = sizes["resnet34+masks"], sizes["resmasking"]
    assert (ours.parameters, ours.multiply_adds) == (published.parameters, published.multiply_adds)


@pytest.mark.parametrize(("stage", "gmacs"), [(1, 8.028), (2, 5.716), (3, 3.404), (4, 1.092)])
def test_masking_blocks_do_the_published_work(stage: int, gmacs: float) -> None:
    channels, side = WIDTHS[stage - 1], 112 // 2**stage
    with torch.device("meta"):
        mask = MaskingBlock(channels, DEPTHS[stage - 1])
    work = multiply_adds(mask, torch.zeros(1, channels, side, side, device="meta"))
    assert work / 1e9 == pytest.approx(gmacs, abs=0.001)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_classes_channels_and_dropout_are_real_parameters(name: str) -> None:
    side = max(48, network(name).smallest_image)
    with torch.device("meta"):
        net = network(name)(classes=8, in_channels=1, dropout=0.25)
        assert net.train()(torch.zeros(2, 1, side, side)).shape == (2, 8)
        assert net.eval()(torch.zeros(2, 1, side, side)).shape == (2, 8)
    assert [part.p for part in net.modules() if isinstance(part, nn.Dropout)][-1] == 0.25


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_smallest_image_keeps_a_whole_pixel_to_the_end(name: str) -> None:
    """One pixel fewer, and a layer refuses, or the last feature map is cut from less than a whole step."""
    smallest = network(name).smallest_image
    with torch.device("meta"):
        net = network(name)(classes=7)
        assert net.train()(torch.zeros(2, 3, smallest, smallest)).shape == (2, 7)
        try:
            net(torch.zeros(2, 3, smallest - 1, smallest - 1))
        except (RuntimeError, ValueError):
            return
        assert last_map_side(net, 16 * smallest) == 16


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("side", [8, 13])
def test_a_mask_scores_every_activation_between_0_and_1(activation: str, side: int) -> None:
    mask = MaskingBlock(16, 4, activation)  # type: ignore[arg-type]
    features = torch.randn(3, 16, side, side)
    scores = mask(features)
    assert scores.shape == features.shape
    assert scores.min() >= 0
    assert scores.max() <= 1
    if activation == "softmax":
        torch.testing.assert_close(scores.sum(dim=1), torch.ones(3, side, side))


def test_resmasking_refuses_images_too_small_for_its_masks() -> None:
    with torch.device("meta"):
        net = ResMaskingNet(classes=7)
        with pytest.raises(ValueError, match="31×40 pixels are too few, give it at least 32×32"):
            net(torch.zeros(1, 3, 31, 40))
        assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_mask_blocks_start_as_their_shortcut() -> None:
    mask = MaskingBlock(8, 2)
    gammas = [parameter for name, parameter in mask.named_parameters() if name.endswith("bn2.weight")]
    assert len(gammas) == 4
    assert not any(gamma.any() for gamma in gammas)


@pytest.mark.slow
def test_resmasking_learns_a_handful_of_faces() -> None:
    torch.manual_seed(0)
    losses = trained_losses(ResMaskingNet(classes=4, dropout=0.0), steps=5, rate=0.01)
    assert losses[-1] < 0.5 * losses[0]


def test_resnet18_learns_a_handful_of_faces() -> None:
    torch.manual_seed(0)
    losses = trained_losses(network("resnet18")(classes=4), steps=8, rate=0.02)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", ["cbam-resnet50", "bam-resnet50", "resattnet56", "efficientnet-b2b"])
def test_every_weight_has_its_part_in_the_logits(name: str) -> None:
    torch.manual_seed(1)
    net = network(name)(classes=4).train()
    net(small_faces(faces=2)[0]).square().sum().backward()
    assert [
        key for key, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()
    ] == []


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return network("resnet18")(classes=7).state_dict()

    first, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vgg", r"no network vgg\. Choose one of: resmasking, resnet18"),
        ("torchvision:vgg19", r"no network torchvision:vgg19\. Did you mean vgg19\?"),
        ("torchvision:vgg17", r"Did you mean (torchvision:)?vgg1\d\?"),
        ("torchvision:resnet19", r"Did you mean resnet1\d\?"),
        ("torchvision:x", r"no network torchvision:x\.$"),
    ],
)
def test_an_unknown_network_is_refused(name: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        network(name)
