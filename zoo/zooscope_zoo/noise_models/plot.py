"""A noise model as a picture: the probability of what is observed, and the noise's variance, over the signal."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import torch

from zooscope.report.figures.style import COLOURS, STYLE, WIDE_IN, new_figure
from zooscope_zoo.noise_models.camera import CameraNoise
from zooscope_zoo.noise_models.check import densities
from zooscope_zoo.noise_models.files import NoiseModel


def noise_model_png(model: NoiseModel, camera: CameraNoise | None = None, *, signals: int = 200) -> bytes:
    """Left the density of the observed value for each signal, right the variance; the camera's line over both."""
    signal = torch.linspace(float(model.low), float(model.high), signals)
    values, density, _ = densities(model, signal)
    picture = density.numpy().T
    seen = np.flatnonzero(picture.max(1) > 1e-4 * picture.max())
    s = signal.numpy()
    deviation = np.sqrt(np.maximum(camera.variance(s), 0)) if camera else None
    with mpl.rc_context(STYLE):
        figure = new_figure(WIDE_IN, 2.9)
        left, right = figure.subplots(1, 2)
        image = left.pcolormesh(
            s, values.numpy()[_thinned(seen)], picture[_thinned(seen)], rasterized=True, cmap="Blues"
        )
        left.plot(s, s, color="black", linewidth=0.6, label="observed = signal")
        right.plot(s, model.variance(signal).numpy(), color=COLOURS[0], label="noise model")
        if camera and deviation is not None:
            for index, sign in enumerate((-2, 2)):
                label = None if index else "2 deviations of Poisson + read noise"
                left.plot(s, s + sign * deviation, color=COLOURS[1], linestyle="--", linewidth=0.8, label=label)
            text = f"Poisson + read noise: gain {camera.gain:.3g}, read noise {camera.read_noise:.3g}"
            right.plot(s, camera.variance(s), color=COLOURS[1], linestyle="--", label=text)
        left.set(xlabel="signal", ylabel="observed value")
        right.set(xlabel="signal", ylabel="variance of the noise")
        figure.colorbar(image, ax=left, label="probability density")
        for axes in (left, right):
            axes.legend(loc="upper left")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()


def _thinned(places: Any, most: int = 400) -> Any:
    """At most so many, evenly, from the first to the last."""
    return np.unique(np.linspace(places[0], places[-1], most).astype(int))
