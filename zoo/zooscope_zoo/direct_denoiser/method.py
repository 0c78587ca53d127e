"""The Direct Denoiser as a method: settings, loss, what its teacher gives to the training."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from zooscope.errors import UsageError
from zooscope_zoo.direct_denoiser.teacher import drawn, read_teacher, weights_sha256
from zooscope_zoo.method import RestorationMethod, Taught, Teacher
from zooscope_zoo.nn.denoiser import Denoiser
from zooscope_zoo.restoration import DenoiserConfig, DenoiserMethod

OF_THE_LOSS = {"teacher", "teacher_sha256", "prior_levels", "loss"}
"""Settings that the network does not take."""


class DirectDenoiserConfig(DenoiserConfig):
    """Keyword arguments of `Denoiser`, the teacher, and the loss.

    Attributes
    ----------
    teacher : folder of a run whose network draws (of `hdn`, say), or the id of such shipped weights. The package does
        without it.
    teacher_sha256 : of the teacher's weights; found where it is not given, and a training goes on with no others.
    prior_levels : so many of the lowest levels of an `hdn` are not asked about the image, in place of its own setting.
    loss : "squared" learns the mean of the draws (the minimum mean square error estimate), "absolute" the median of
        each pixel.
    """

    teacher: str = ""
    teacher_sha256: str = ""
    prior_levels: int | None = Field(default=None, ge=0)
    loss: Literal["squared", "absolute"] = "squared"

    @model_validator(mode="before")
    @classmethod
    def _of_the_teacher(cls, values: Any) -> Any:
        source = values.get("teacher") if isinstance(values, Mapping) else None
        if not (source and isinstance(source, str)) or values.get("teacher_sha256"):
            return values
        return {**values, "teacher_sha256": weights_sha256(source)}


class DirectDenoiser(DenoiserMethod[DirectDenoiserConfig]):
    """Learns to give at once what the mean, or the median, of many draws of another network would be.

    Salmon and Krull 2023, arXiv:2310.18116; there both networks learn side by side, here the teacher is done.
    """

    id = "direct-denoiser"
    config = DirectDenoiserConfig
    teacher: Teacher = "itself"
    scaled_alike = "its teacher knows them in their units"
    curve_note = "distance to random draws of the teacher: its floor is how much those differ, not zero"
    purpose = "what its teacher removes (noise, from noisy images alone), in one pass instead of many draws"

    def network(self, config: DirectDenoiserConfig) -> nn.Module:
        """A new network."""
        return Denoiser(**config.model_dump(exclude=OF_THE_LOSS))

    def taught(self, config: DirectDenoiserConfig, *, patch_px: int) -> Taught:
        """What the teacher's run gives; UsageError where it cannot teach this network, or not on such patches."""
        levels = config.prior_levels
        trained = read_teacher(config.teacher, config.teacher_sha256, channels=config.channels, prior_levels=levels)
        multiple = trained.method.multiple_px(trained.settings)
        if patch_px % multiple:
            raise UsageError(f"training.patch_px={patch_px} is not a multiple of {multiple}, as its teacher needs")
        normalisation: Any = trained.normalisation
        return Taught(config.teacher, normalisation, (*trained.data, *trained.earlier))

    def terms(
        self, network: Any, images: Tensor, targets: Tensor, config: DirectDenoiserConfig
    ) -> Mapping[str, Tensor]:
        """Mean squared or absolute error of what is found in the images, to one draw for each of the noisy targets.

        Of the squared error to x drawn from p(x | y) the minimum is the mean of p(x | y), of the absolute error the
        median of each pixel.
        """
        found = network.logits(images).float()
        draws = drawn(config.teacher, config.teacher_sha256, targets, config.prior_levels)
        if config.loss == "squared":
            return {"squared-error": nn.functional.mse_loss(found, draws)}
        return {"absolute-error": nn.functional.l1_loss(found, draws)}


METHOD: RestorationMethod = DirectDenoiser()
