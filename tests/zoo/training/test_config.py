import pytest

from zooscope import plugins
from zooscope.errors import UsageError
from zooscope_zoo.training.config import make_config


def test_settings_change_what_they_name_and_nothing_else() -> None:
    method = plugins.load("methods", "stardist")
    plain, _ = make_config(method, ["demo"])
    changed, network = make_config(method, ["demo"], ["training.steps=7", "network.grid=1", "training.strata=fluo-*"])
    assert (changed.training.steps, network.grid, changed.training.strata) == (7, 1, "fluo-*")
    assert changed.training.batch == plain.training.batch
    assert changed.augment == plain.augment


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("training.stepps=7", "setting 'training.stepps'"),
        ("training.steps=0", "setting 'training.steps'.*but it is 0"),
        ("network.grid=3", "setting 'network.grid'"),
        ("training.seed=-1", "setting 'training.seed'"),
        ("augment.zoom=[0, 1]", "setting 'augment.zoom.0'.*greater than 0"),
        ("augment.gain=[2, 0.5]", "setting 'augment.gain'.*first number must not be above the second"),
        ("method.x=1", "section 'method' of the settings is not one of network, training, augment"),
        ("steps=7", r"section\.key=value is expected"),
        ("training.steps", r"section\.key=value is expected"),
    ],
)
def test_a_wrong_setting_is_named(change: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        make_config(plugins.load("methods", "stardist"), ["demo"], [change])


def test_a_loss_that_does_not_go_with_the_output_is_refused() -> None:
    with pytest.raises(UsageError, match=r"settings network: .*cross-entropy needs three-classes"):
        make_config(plugins.load("methods", "unet"), ["demo"], ["network.loss=cross-entropy"])
