"""Blind spots: one in every square, new values from beside them, and along correlated noise its whole span hidden."""

import pytest
import torch

from zooscope.data import load_dataset
from zooscope_zoo.training.blind_spots import blind_spots


@pytest.fixture
def images() -> torch.Tensor:
    """Two images of real noise, the second one of three channels as the first: (2, 3, 64, 48)."""
    first, second = (sample.image.values[:64, :48] for sample in list(load_dataset("demo-noisy"))[:2])
    planes = [torch.from_numpy(first.copy()), torch.from_numpy(second.copy()), torch.from_numpy(first[::-1].copy())]
    return torch.stack([torch.stack(planes), torch.stack(planes[::-1])])


def test_every_square_has_one_blind_spot_the_same_for_all_channels(images: torch.Tensor):
    _, spots = blind_spots(images, share=1 / 64, radius_px=2, replacement="uniform")
    assert spots.shape == (2, 1, 64, 48)
    squares = spots.unfold(2, 8, 8).unfold(3, 8, 8).sum((-1, -2))
    assert (squares == 1).all()
    assert not torch.equal(spots[0], spots[1]), "each image of a batch has its own"


def test_in_many_draws_every_pixel_is_a_blind_spot_about_as_often(images: torch.Tensor):
    torch.manual_seed(0)
    drawn = sum(
        blind_spots(images[:, :1, :32, :32], share=1 / 16, radius_px=2, replacement="uniform")[1].double()
        for _ in range(800)
    )
    assert isinstance(drawn, torch.Tensor)
    assert drawn.min() > 15
    assert drawn.max() < 100
    assert drawn.mean() == pytest.approx(50)


@pytest.mark.parametrize("share", [0.002, 0.02, 0.2])
def test_as_many_pixels_are_hidden_as_asked_for(images: torch.Tensor, share: float):
    _, spots = blind_spots(images, share=share, radius_px=2, replacement="uniform")
    assert float(spots.float().mean()) == pytest.approx(share, rel=0.5)


def test_only_blind_spots_change_and_to_a_value_from_beside_them(images: torch.Tensor):
    torch.manual_seed(1)
    hidden, spots = blind_spots(images, share=0.02, radius_px=1, replacement="uniform")
    assert torch.equal(hidden[~spots.expand_as(images)], images[~spots.expand_as(images)])
    for b, _, y, x in spots.nonzero().tolist():
        beside = [
            images[b, :, v, u]
            for v in (y - 1, y, y + 1)
            for u in (x - 1, x, x + 1)
            if (v, u) != (y, x) and 0 <= v < 64 and 0 <= u < 48
        ]
        for c in range(3):
            assert any(values[c] == hidden[b, c, y, x] for values in beside)


def test_the_median_is_that_of_the_square_without_its_middle(images: torch.Tensor):
    torch.manual_seed(2)
    hidden, spots = blind_spots(images, share=0.02, radius_px=2, replacement="median")
    inner = [place for place in spots.nonzero().tolist() if 2 <= place[2] < 62 and 2 <= place[3] < 46]
    assert len(inner) > 50
    for b, _, y, x in inner:
        around = images[b, :, y - 2 : y + 3, x - 2 : x + 3].flatten(1)
        expected = torch.cat([around[:, :12], around[:, 13:]], dim=1).median(dim=1).values
        assert torch.equal(hidden[b, :, y, x], expected)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_along_correlated_noise_what_lies_beside_a_blind_spot_is_hidden_too(images: torch.Tensor, axis: str):
    torch.manual_seed(3)
    hidden, spots = blind_spots(images, share=0.005, radius_px=2, replacement="uniform", axis=axis, span_px=4)
    changed = (hidden != images).any(1)
    for b, _, y, x in spots.nonzero().tolist():
        for offset in range(-4, 5):
            v, u = (y, x + offset) if axis == "x" else (y + offset, x)
            if offset and 0 <= v < 64 and 0 <= u < 48:
                assert changed[b, v, u]
    assert float(changed.float().mean()) < 10 * float(spots.float().mean())


def test_the_same_seed_draws_the_same(images: torch.Tensor):
    drawn = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        drawn.append(blind_spots(images, share=0.02, radius_px=2, replacement="uniform")[0])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
