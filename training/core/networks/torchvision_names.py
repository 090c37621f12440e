"""What must be known of torchvision's classifiers before torch is imported."""

from collections.abc import Iterator

_FAMILIES: tuple[tuple[tuple[str, ...], float, int, int], ...] = (
    # names; dropout before the last layer as published; smallest image; step of the image's side
    (("alexnet",), 0.0, 63, 1),
    (("convnext_base", "convnext_large", "convnext_small", "convnext_tiny"), 0.0, 32, 1),
    (("densenet161", "densenet169", "densenet201"), 0.0, 32, 1),
    (("efficientnet_b0", "efficientnet_b1", "efficientnet_v2_s"), 0.2, 32, 1),
    (("efficientnet_b2", "efficientnet_b3", "efficientnet_v2_m"), 0.3, 32, 1),
    (("efficientnet_b4", "efficientnet_b5", "efficientnet_v2_l"), 0.4, 32, 1),
    (("efficientnet_b6", "efficientnet_b7"), 0.5, 32, 1),
    # Its windows of 7×7 must fill the maps of all four stages, up to the 32nd of the image's side.
    (("maxvit_t",), 0.0, 224, 224),
    (("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"), 0.2, 32, 1),
    (("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"), 0.2, 32, 1),
    (
        (
            *("regnet_x_16gf", "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf"),
            *("regnet_x_800mf", "regnet_x_8gf", "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf"),
            *("regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf"),
        ),
        *(0.0, 32, 1),
    ),
    (("resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d"), 0.0, 32, 1),
    (("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"), 0.0, 32, 1),
    (("squeezenet1_0",), 0.5, 21, 1),
    (("squeezenet1_1",), 0.5, 17, 1),
    (("swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t"), 0.0, 32, 1),
    (("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19_bn"), 0.5, 32, 1),
    # A patch is the least they can look at.
    (("vit_b_16", "vit_l_16"), 0.0, 16, 16),
    (("vit_b_32", "vit_l_32"), 0.0, 32, 32),
    (("vit_h_14",), 0.0, 14, 14),
    (("wide_resnet101_2", "wide_resnet50_2"), 0.0, 32, 1),
)


def classifiers() -> Iterator[tuple[str, float, int, int]]:
    """(name, dropout, smallest image, step) of each that has no name of its own here."""
    for names, dropout, smallest, step in _FAMILIES:
        for name in names:
            yield name, dropout, smallest, step
