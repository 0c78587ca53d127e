"""Directions whose number 4 does not divide have none to turn into: test-time augmentation refuses them."""

import pytest

from zooscope.errors import UsageError
from zooscope_zoo.splinedist.method import METHOD as SPLINEDIST
from zooscope_zoo.splinedist.method import SplineDistConfig
from zooscope_zoo.stardist.method import METHOD as STARDIST
from zooscope_zoo.stardist.method import StarDistConfig


def test_classes_stay_what_they_are_when_the_image_turns():
    config = StarDistConfig(rays=8, classes=["round", "long"])
    turning = STARDIST.turning(config)
    for turned in (turning.flip_y, turning.flip_x, turning.transpose):
        assert turned[-2:] == ((9, 1), (10, 1))
        assert len(turned) == len(STARDIST.map_names(config)) == 11


def test_rays_and_control_points_that_a_quarter_turn_does_not_bring_onto_others_are_refused():
    with pytest.raises(UsageError, match="10 rays do not turn with the image"):
        STARDIST.turning(StarDistConfig(rays=10))
    with pytest.raises(UsageError, match="6 control points do not turn with the image"):
        SPLINEDIST.turning(SplineDistConfig(control_points=6))
