import numpy as np
import torch
from skimage.segmentation import clear_border

from zooscope.data import Dataset
from zooscope.sizing import diameters_px
from zooscope_zoo.training.config import AugmentConfig, TrainingConfig
from zooscope_zoo.training.images import TrainingImage, load_images
from zooscope_zoo.training.object_patches import ObjectPatches
from zooscope_zoo.training.patches import Steps

PLAIN = AugmentConfig(flips=False, gain=(1, 1), offset=(0, 0), noise=0)


def images_of(demo: Dataset) -> list[TrainingImage]:
    gray = [sample.id for sample in demo if sample.axes == "yx"]

    def planes(labels: np.ndarray) -> np.ndarray:
        return (labels > 0)[None].astype(np.float32)

    return load_images(demo, gray, channels=1, planes=planes, label="training", progress=False)


def labels_and_planes(labels: np.ndarray, planes: np.ndarray) -> np.ndarray:
    return np.concatenate([labels[None].astype(np.float32), planes])


def steps_of(
    images: list[TrainingImage], training: TrainingConfig, augment: AugmentConfig, *, process: int = 0
) -> Steps:
    return Steps(ObjectPatches(images, labels_and_planes, training, augment), training, process=process)


def test_image_labels_and_planes_are_turned_and_zoomed_together(demo: Dataset) -> None:
    training = TrainingConfig(batch=4, patch_px=64, steps=10)
    augment = AugmentConfig(flips=True, gain=(1, 1), offset=(0, 0), noise=0, zoom=(0.7, 1.4))
    steps = steps_of(images_of(demo), training, augment)
    for step in range(6):
        images, targets = steps[step]
        np.testing.assert_array_equal(targets[:, 0] > 0, targets[:, 1] > 0)
        for image, inside in zip(images[:, 0], targets[:, 1] > 0, strict=True):
            if 50 < inside.sum() < 3000:
                assert image[inside].mean() > image[~inside].mean(), "nuclei are bright where labels say so"


def test_all_eight_turns_come_and_none_other(demo: Dataset) -> None:
    base = next(iter(images_of(demo)))
    square = TrainingImage(base.id, base.image[:, :64, :64], base.labels[:64, :64], base.planes[:, :64, :64])
    training = TrainingConfig(batch=1, patch_px=64, steps=200)
    steps = steps_of([square], training, PLAIN.model_copy(update={"flips": True}))

    def told(picture: torch.Tensor) -> bytes:
        return (picture.numpy() * 1000).round().astype(np.int32).tobytes()

    seen = {told(steps[step][0]) for step in range(80)}
    plain = steps_of([square], training, PLAIN)[0][0][0, 0]
    turns = [torch.rot90(plain.flip(0) if flip else plain, k) for flip in (False, True) for k in range(4)]
    assert seen == {told(turn) for turn in turns}


def test_patches_are_drawn_around_objects_and_small_images_are_continued(demo: Dataset) -> None:
    labels = np.zeros((40, 300), np.int32)
    labels[5:9, 290:294] = 1
    image = TrainingImage("a", np.ones((1, 40, 300), np.float32), labels, np.zeros((0, 40, 300), np.float32))
    training = TrainingConfig(batch=8, patch_px=64, steps=3, object_fraction=1)
    images, targets = steps_of([image], training, PLAIN)[0]
    assert images.shape == (8, 1, 64, 64)
    assert (targets[:, 0].flatten(1).max(1).values == 1).all()


def test_a_step_is_the_same_whenever_it_is_drawn_and_differs_between_processes(demo: Dataset) -> None:
    training, augment = TrainingConfig(batch=2, patch_px=64, steps=9), AugmentConfig()
    first, again, other = (steps_of(images_of(demo), training, augment, process=process)[5][0] for process in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_objects_of_all_images_come_at_the_same_size(demo: Dataset) -> None:
    images = images_of(demo)
    assert max(one.diameter_px or 0 for one in images) > 4 * min(one.diameter_px or 0 for one in images)
    training = TrainingConfig(batch=1, patch_px=128, steps=9)
    rng = np.random.default_rng(0)
    for image in images:
        patches = ObjectPatches([image], labels_and_planes, training, PLAIN.model_copy(update={"diameter_px": 20}))
        drawn = [targets[0] for _, targets in (*(patches.drawn(rng) for _ in range(6)), patches.fixed(0, rng))]
        whole = np.concatenate([diameters_px(clear_border(labels.astype(np.int32))) for labels in drawn])
        assert 14 < np.median(whole) < 28


def test_an_image_without_objects_keeps_its_scale(demo: Dataset) -> None:
    blank = np.zeros((1, 64, 64), np.float32)
    image = TrainingImage("a", blank, np.zeros((64, 64), np.int32), blank)
    assert image.scale_to(30) == 1
    assert images_of(demo)[0].scale_to(None) == 1
