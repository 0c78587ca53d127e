"""What a card does to clean images: scale, blur, noise; to have something to restore, or to find objects in."""

from collections.abc import Iterator
from dataclasses import replace

from zooscope.data.blur import blurred
from zooscope.data.card import Card
from zooscope.data.noise import add_noise
from zooscope.data.scale import scaled
from zooscope.sample import Sample, Task, as_image


def degrade(sample: Sample, card: Card) -> Iterator[Sample]:
    """The sample as the card degrades it: one for its noise, one for each of its levels, or as it is without either.

    Parameters
    ----------
    sample : for restoration its target is the clean image, (y, x); else its image is.

    Returns
    -------
    Samples whose image is float32, and whose target is the clean image, scaled, or stays where objects are the target.
    Of several levels each has its name as stratum, and the id `<id>-<level>`. The id is the seed of the noise.
    """
    wanted = [(f"{sample.id}-{name}", name, noise) for name, noise in card.levels.items()]
    if card.noise:
        wanted = [(sample.id, sample.stratum, card.noise)]
    if not wanted:
        yield sample
        return
    restores = card.task is Task.RESTORATION
    clean = sample.target if restores else sample.image.values
    clean = scaled(clean, card.scale) if card.scale else clean
    light = blurred(clean, card.blur) if card.blur else clean
    for id, stratum, noise in wanted:
        noisy = as_image(add_noise(light, noise, seed=id), axes="yx", source=id)
        yield replace(sample, id=id, stratum=stratum, image=noisy, target=clean if restores else sample.target)
