"""Cellpose's network: what its settings change."""

import torch

from zooscope import plugins
from zooscope_zoo.cellpose.method import CellposeConfig
from zooscope_zoo.cellpose.network import CellposeNetwork

METHOD = plugins.load("methods", "cellpose")


def far_influence(network: CellposeNetwork) -> float:
    """How much the maps at one corner change with the image beyond the convolutions' field."""
    torch.manual_seed(0)
    image = torch.rand(1, 1, 96, 96)
    other = image.clone()
    other[..., 64:, 64:] = 1
    with torch.inference_mode():
        return float((network(image) - network(other))[..., :4, :4].abs().max())


def test_it_is_as_large_as_the_papers() -> None:
    config = CellposeConfig(style=True, blank_channels=1)
    assert METHOD.describe(config).parameters == 6_600_843
    assert METHOD.describe(CellposeConfig()).receptive_field_px == 255


def test_only_with_a_style_does_the_whole_image_steer_each_pixel() -> None:
    torch.manual_seed(0)
    assert far_influence(CellposeNetwork(width=8, depth=1).eval()) == 0
    assert far_influence(CellposeNetwork(width=8, depth=1, style=True).eval()) > 1e-5


def test_a_blank_channel_is_a_second_stain_that_is_zero() -> None:
    torch.manual_seed(0)
    blank, two = CellposeNetwork(width=8, blank_channels=1).eval(), CellposeNetwork(channels=2, width=8).eval()
    two.load_state_dict(blank.state_dict())
    image = torch.rand(2, 1, 32, 40)
    with torch.inference_mode():
        torch.testing.assert_close(blank(image), two(torch.cat([image, torch.zeros_like(image)], 1)), rtol=0, atol=0)


def test_the_loss_is_half_the_error_of_five_times_the_flow_and_the_entropy_of_being_inside() -> None:
    targets = torch.zeros(1, 3, 4, 4)
    targets[:, 0], targets[:, 2] = 1, 1
    logits = torch.zeros(1, 3, 4, 4)
    terms = METHOD.loss(logits, targets, CellposeConfig())
    torch.testing.assert_close(terms["flow"], torch.tensor(0.5 * 25 / 2))
    torch.testing.assert_close(terms["cell"], torch.log(torch.tensor(2.0)))
