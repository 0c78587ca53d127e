"""Trials beside upstreams: settings that the methods take, and both sides' figures in the report."""

from dataclasses import asdict
from types import ModuleType

from zooscope import plugins
from zooscope_zoo.training.config import make_config


def test_each_trials_settings_are_the_methods(tool: ModuleType) -> None:
    for method, trial in tool.TRIALS.items():
        changes = [f"training.steps={trial.steps}", *trial.changes]
        config, _ = make_config(plugins.load("methods", method), ["dsb2018"], changes=changes)
        assert config.training.steps == trial.steps
        assert config.training.steps % config.training.validate_every == 0


def test_the_report_has_both_sides_of_each_trial(tool: ModuleType) -> None:
    upstream = asdict(tool.TRIALS["stardist"].upstream)
    text = tool.report({"stardist": {"steps": 1234, "minutes": 21.5, "scores": [0.75, 0.25], "upstream": upstream}})
    assert "| `stardist`, 1,234 steps | 21.5 | 0.750 | 0.250 |" in text
    assert f"| {upstream['name']} | 25 | 0.829 | 0.520 |" in text
