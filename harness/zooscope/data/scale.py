"""Scale: images of many exposures brought to one brightness before noise is added, so that a level of noise is one."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from zooscope.data.noise import STEP


class Scale(BaseModel):
    """The factor that makes an image's percentile `white` grey levels; its black stays where it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    percentile: float = Field(gt=0, le=100)
    white: float = Field(gt=0, description="grey levels")


def scaled(image: NDArray[np.generic], scale: Scale) -> NDArray[np.float32]:
    """An image (y, x) of that scale, rounded to 1/256 of a grey level; one whose percentile is 0 stays as it is."""
    values = image.astype(np.float64)
    found = float(np.percentile(values, scale.percentile))
    factor = scale.white / found if found > 0 else 1.0
    return (np.round(values * factor / STEP) * STEP).astype(np.float32)
