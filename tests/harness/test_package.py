"""Packages opened: real ones of both formats, and the one-line reason of each that cannot be ranked."""

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from zooscope.bundled import bundled
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.model import load_model
from zooscope.package import DecoderChoice, Package, open_package
from zooscope.package_files import file_digest
from zooscope.predict.tiling import AxisSize

MakePackage = Callable[..., Path]
Edit = Callable[[dict[str, Any]], object]

BROAD = ("unet2d-nuclei-broad-v0.4.zip", "unet2d-nuclei-broad-v0.5.zip")


def real(mirror: Path, name: str) -> Path:
    path = mirror / "packages" / name
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    return path


def refused(path: Path) -> str:
    """The reason of a package that cannot be ranked: one line that names no path."""
    with pytest.raises(PackageError) as error:
        open_package(path)
    reason = str(error.value)
    assert "\n" not in reason
    assert len(reason) < 500
    assert str(path.parent) not in reason
    assert str(Path.cwd()) not in reason
    return reason


@pytest.mark.parametrize("name", BROAD)
def test_the_broad_unet_says_what_it_is(mirror: Path, name: str):
    package = open_package(real(mirror, name))
    assert package.title == "UNet 2D Nuclei Broad"
    assert package.name == name.removesuffix(".zip")
    assert (package.input.id, package.input.axes, package.input.channels) == ("raw", "bcyx", 1)
    assert package.input.sizes == (AxisSize(512), AxisSize(512))
    assert (package.output.id, package.output.axes, package.output.channels) == ("probability", "bcyx", 1)
    assert package.output.halo_px == (32, 32)
    assert list(package.weights) == ["torchscript", "onnx"]
    assert package.choose_weights() == "torchscript"
    assert package.weights["torchscript"].size_bytes == package.size_bytes == 1871121
    assert (package.licence, package.format_version) == ("MIT", "0.5.4" if "0.5" in name else "0.4.9")
    assert "dsb2018" in package.tags
    assert package.decoder is None


def bare(package: Package, weights: str, array: np.ndarray) -> np.ndarray:
    """A package's answer to an array of exactly its size: its processing and its network, nothing of ours between."""
    from zooscope.predict.backends import BACKENDS

    ready, finish = package.processing().begin(array)
    network = BACKENDS[weights](package.read_weights(weights), device="cpu")
    return finish(network(ready[None])[0])


def member(path: Path, name: str) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        return np.load(io.BytesIO(archive.read(name)))


@pytest.mark.parametrize("name", BROAD)
@pytest.mark.parametrize("weights", ["torchscript", "onnx"])
def test_the_broad_unet_gives_its_own_test_output(mirror: Path, name: str, weights: str):
    import xarray as xr

    path = real(mirror, name)
    test_input, test_output = member(path, "test_input.npy"), member(path, "test_output.npy")
    maps = load_model(path, weights=weights, device="cpu").maps(xr.DataArray(test_input[0, 0], dims=("y", "x")))
    np.testing.assert_allclose(maps, test_output[0], rtol=0, atol=1e-5)


def test_formats_0_4_and_0_5_of_one_network_are_twins(mirror: Path, demo: Dataset):
    old, new = (load_model(real(mirror, name), device="cpu") for name in BROAD)
    for sample in [next(s for s in demo if s.axes == axes) for axes in ("yx", "yxc")]:
        maps = old.maps(sample.image)
        np.testing.assert_array_equal(maps, new.maps(sample.image))
        assert maps.shape == (1, *sample.target.shape)
        assert 0 <= maps.min() < 0.1 < 0.9 < maps.max() <= 1
    assert old.package.digest != new.package.digest


def test_our_processing_is_that_of_bioimageios_own_pipeline(mirror: Path, demo: Dataset):
    from bioimageio.core import create_prediction_pipeline
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec.model.v0_5 import TensorId

    package = open_package(real(mirror, BROAD[1]))
    pipeline = create_prediction_pipeline(package.description, devices=["cpu"], weight_format="torchscript")
    image = next(s for s in demo if s.axes == "yx").image.values.astype(np.float32)
    image = np.pad(image, [(0, 512 - size) for size in image.shape], mode="reflect")[None]
    tensor = Tensor.from_numpy(image[None].copy(), dims=("batch", "channel", "y", "x"))
    sample = Sample(members={TensorId("raw"): tensor}, stat={}, id="a")
    theirs = pipeline.predict_sample_without_blocking(sample, skip_input_padding=True, skip_output_cropping=True)
    expected = theirs.members[TensorId("probability")].data.to_numpy()[0]
    assert 0.5 < expected.max() <= 1
    np.testing.assert_allclose(bare(package, "torchscript", image), expected, rtol=0, atol=2e-6)


def test_every_image_gets_its_own_statistics(make_package: MakePackage, demo: Dataset):
    processing = open_package(make_package()).processing()
    for sample in [s for s in demo if s.axes == "yx"][:2]:
        image = sample.image.values[None].astype(np.float32)
        ready, _ = processing.begin(image)
        low, high = np.percentile(image, (1, 99.8))
        np.testing.assert_allclose(ready, (image - low) / (high - low + 1e-6), atol=1e-5)
        assert ready.dtype == np.float32


@pytest.mark.parametrize("axes", [["batch", "channel", "y", "x"], None])
def test_statistics_over_a_batch_never_come_from_the_images_before(
    make_package: MakePackage, demo: Dataset, axes: list[str] | None
):
    kwargs = {"min_percentile": 1.0, "max_percentile": 99.8} | ({"axes": axes} if axes else {})
    package = open_package(make_package(preprocessing=[{"id": "scale_range", "kwargs": kwargs}]))
    first, second = (s.image.values[None].astype(np.float32) for s in [s for s in demo if s.axes == "yx"][:2])
    alone, _ = package.processing().begin(second)
    processing = package.processing()
    processing.begin(first)
    after, _ = processing.begin(second)
    np.testing.assert_array_equal(after, alone)


def test_an_image_that_the_declared_dtype_cannot_hold_is_refused_and_not_wrapped(make_package: MakePackage):
    def uint8(rdf: dict[str, Any]) -> None:
        rdf["inputs"][0]["data"] = {"type": "uint8"}
        rdf["inputs"][0]["preprocessing"] = [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}]

    buffer = io.BytesIO()
    np.save(buffer, np.zeros((1, 1, 64, 64), np.uint8))
    processing = open_package(make_package(edit=uint8, files={"test_input.npy": buffer.getvalue()})).processing()
    fits = np.full((1, 64, 64), 200, np.uint16)
    np.testing.assert_array_equal(processing.begin(fits)[0], np.full((1, 64, 64), 200, np.float32))
    with pytest.raises(PackageError, match="takes uint8 images; this one has values from 300 to 300"):
        processing.begin(fits + np.uint16(100))


@pytest.mark.parametrize("name", [BROAD[1], "nuclei-tiny"])
def test_a_folder_opens_as_its_zip_does(mirror: Path, tmp_path: Path, name: str):
    path = bundled("weights") / "nuclei-tiny.zip" if name == "nuclei-tiny" else real(mirror, name)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / path.stem)
    zipped, unpacked = open_package(path), open_package(tmp_path / path.stem)
    assert unpacked.name == zipped.name
    assert unpacked.digest == zipped.digest
    assert (unpacked.weights, unpacked.input, unpacked.output) == (zipped.weights, zipped.input, zipped.output)
    assert unpacked.read_weights("onnx") == zipped.read_weights("onnx")


def decoder(**params: float) -> dict[str, Any]:
    return {"config": {"zooscope": {"decoder": {"id": "threshold-components", "version": 1, "params": params}}}}


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"README.md": b"# Another\n\n## Validation\nText.\n"}},
        {"date": (2026, 1, 2, 3, 4, 6)},
        {"folder": True},
        {"at": "another-name.zip"},
        {"tags": ["another"]},
        {"files": {"notes.txt": b"hello"}},
        {"covers": []},
    ],
    ids=["README", "dates in the zip", "folder", "file name", "tags", "another file", "no cover"],
)
def test_the_digest_stays_when_nothing_that_computes_changes(make_package: MakePackage, change: dict[str, Any]):
    assert open_package(make_package(**change)).digest == open_package(make_package()).digest


def fewer_percentiles(rdf: dict[str, Any]) -> None:
    rdf["inputs"][0]["preprocessing"] = [rdf["inputs"][0]["preprocessing"][0]]


@pytest.mark.parametrize(
    "change",
    [
        {"network": "convs"},
        {"edit": fewer_percentiles},
        {"postprocessing": [{"id": "sigmoid"}]},
        {"sizes": {"min": 64, "step": 16}},
        {"halo_px": 16},
        decoder(threshold=0.5),
    ],
    ids=["weights", "preprocessing", "postprocessing", "sizes", "halo", "decoder"],
)
def test_the_digest_changes_with_what_computes(make_package: MakePackage, change: dict[str, Any]):
    assert open_package(make_package(**change)).digest != open_package(make_package()).digest


def test_the_digest_changes_with_the_decoders_parameters(make_package: MakePackage):
    assert (
        open_package(make_package(**decoder(threshold=0.5))).digest
        != open_package(make_package(**decoder(threshold=0.6))).digest
    )


def test_keras_and_two_inputs_say_why_they_are_not_ranked(mirror: Path):
    assert refused(real(mirror, "pancreatic-phase-keras-v0.3.zip")) == (
        "no weights that run here: keras_hdf5 needs TensorFlow or Keras"
    )
    assert refused(real(mirror, "two-inputs-two-outputs-v0.5.zip")) == (
        "takes 2 inputs and gives 2 outputs; one image in and one out is ranked"
    )


def python_weights(rdf: dict[str, Any]) -> None:
    rdf["weights"] = {"pytorch_state_dict": {"source": "weights.pt"}}


def url_weights(rdf: dict[str, Any]) -> None:
    rdf["weights"]["torchscript"]["source"] = "https://example.org/weights.pt"


def batch_of_two(rdf: dict[str, Any]) -> None:
    rdf["inputs"][0]["axes"][0]["size"] = 2


def custom(rdf: dict[str, Any]) -> None:
    source = {"callable": "evil", "source": "evil.py", "sha256": hashlib.sha256(EVIL).hexdigest(), "kwargs": {}}
    rdf["outputs"][0]["postprocessing"] = [{"id": "custom", **source}]


def stardist(rdf: dict[str, Any]) -> None:
    kwargs = {"prob_threshold": 0.5, "nms_threshold": 0.4, "n_rays": 32, "grid": [1, 1], "b": 2}
    rdf["outputs"][0]["postprocessing"] = [{"id": "stardist_postprocessing", "kwargs": kwargs}]


def edits(**values: Any) -> Edit:
    return lambda rdf: rdf.update(values)


EVIL = b"raise SystemExit('this code ran')\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"edit": python_weights}, "not a valid BioImage.IO description: weights.pytorch_state_dict"),
        ({"edit": url_weights}, "its torchscript weights lie at a URL; only weights inside the package are run"),
        ({"edit": lambda rdf: rdf.pop("weights")}, "it has no weights at all"),
        ({"edit": batch_of_two}, "not a valid BioImage.IO description: inputs.0.axes.0.batch.size"),
        ({"edit": lambda rdf: rdf.pop("inputs")}, "takes 0 inputs and gives 1 outputs"),
        ({"edit": lambda rdf: rdf.pop("name")}, "not a valid BioImage.IO description"),
        ({"edit": lambda rdf: rdf.pop("format_version")}, "not a valid BioImage.IO description"),
        ({"edit": edits(type="dataset")}, "its description is of type 'dataset', not 'model'"),
        ({"edit": edits(inputs="raw", outputs="maps")}, "takes "),
        ({"edit": edits(inputs=["raw"], outputs=["maps"])}, "not a valid BioImage.IO description"),
        ({"edit": edits(weights=["torchscript"])}, "not a valid BioImage.IO description"),
        ({"edit": edits(weights={"torchscript": "weights.pt"})}, "not a valid BioImage.IO description"),
        ({"files": {"weights.pt": None}}, "'weights.pt' is named in its description but is not in the package"),
        ({"files": {"weights.pt": b"not what it was"}}, "its torchscript weights are damaged: sha256 is "),
        ({"files": {"rdf.yaml": None}}, "not a BioImage.IO package: none of rdf.yaml, bioimageio.yaml, model.yaml"),
        ({"files": {"rdf.yaml": b"a: [1, 2\n b: }"}}, "its description is not YAML"),
        ({"files": {"rdf.yaml": b"name: \x80\x81"}}, "its description is not YAML"),
        ({"files": {"rdf.yaml": b"just text"}}, "its description is of type 'str', not 'model'"),
        ({"files": {"rdf.yaml": b""}}, "its description is of type 'NoneType', not 'model'"),
        ({"config": {"zooscope": {"decoder": "stardist"}}}, "config.zooscope.decoder needs id, version and params"),
        ({"config": {"zooscope": {"decoder": {"id": "a"}}}}, "config.zooscope.decoder needs id, version and params"),
        ({"config": {"zooscope": "yes"}}, "config.zooscope is 'yes'"),
        ({"config": {"zooscope": {"training_data": ["dsb2018"]}}}, "config.zooscope.training_data"),
        ({"config": {"zooscope": {"training_data": {"dataset": "dsb2018"}}}}, "config.zooscope.training_data"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("folder", [False, True], ids=["zip", "folder"])
def test_a_package_that_cannot_be_ranked_says_why(
    make_package: MakePackage, change: dict[str, Any], reason: str, folder: bool
):
    path = make_package(folder=folder, **change)
    assert reason in refused(path)
    assert len(file_digest(path)) == 64


def test_an_operation_that_makes_objects_is_a_decoder_with_its_parameters(make_package: MakePackage):
    package = open_package(make_package("channels-last", channels_out=33, edit=stardist))
    assert package.operation == "stardist_postprocessing"
    assert package.decoder == DecoderChoice("stardist", 1, {"prob_threshold": 0.5, "nms_threshold": 0.4})


def test_cellposes_operation_is_our_decoder_of_flows(make_package: MakePackage):
    kwargs = {"cellprob_threshold": -1.0, "flow_threshold": 0.6, "do_3D": False, "min_size": 20}

    def flows(**changed: Any) -> Edit:
        operation = {"id": "cellpose_flow_dynamics", "kwargs": kwargs | changed}
        return lambda rdf: rdf["outputs"][0].update(postprocessing=[operation])

    package = open_package(make_package(channels_out=3, edit=flows()))
    params = {"cellprob_threshold": -1.0, "flow_threshold": 0.6, "min_size_px": 20}
    assert package.decoder == DecoderChoice("cellpose-flows", 2, params)
    assert "is that for volumes" in refused(make_package(channels_out=3, edit=flows(do_3D=True)))


def test_an_operation_of_another_border_says_so_and_one_for_volumes_is_refused(make_package: MakePackage):
    def change(**kwargs: Any) -> Edit:
        def edit(rdf: dict[str, Any]) -> None:
            stardist(rdf)
            rdf["outputs"][0]["postprocessing"][0]["kwargs"] |= kwargs

        return edit

    package = open_package(make_package("channels-last", channels_out=33, edit=change(b=[[0, 4], [1, 2]])))
    assert package.decoder is not None
    assert package.decoder.params["border_px"] == [[0, 4], [1, 2]]
    volumes = change(grid=[1, 1, 1], anisotropy=[1, 1, 1])
    assert "is that for volumes" in refused(make_package("channels-last", channels_out=33, edit=volumes))


def test_an_operation_after_the_one_that_makes_objects_is_a_reason(make_package: MakePackage):
    def twice(rdf: dict[str, Any]) -> None:
        stardist(rdf)
        rdf["outputs"][0]["postprocessing"].append({"id": "sigmoid"})

    reason = refused(make_package("channels-last", channels_out=33, edit=twice))
    assert "goes on after 'stardist_postprocessing' with 'sigmoid'" in reason


def test_damaged_test_output_of_the_old_format_is_a_reason(make_package: MakePackage):
    path = make_package(spec="0.4.9", files={"test_output.npy": b"\x93NUMPY nonsense"})
    assert "test_output.npy" in refused(path)


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
def test_a_zip_that_would_climb_out_is_refused(make_package: MakePackage, name: str):
    assert "would climb out of its folder; refused" in refused(make_package(files={name: EVIL}))


def source(name: str) -> Edit:
    return lambda rdf: rdf["weights"]["torchscript"].update(source=name)


def documentation(name: str) -> Edit:
    return edits(documentation=name)


def test_tensor(name: str) -> Edit:
    return lambda rdf: rdf["inputs"][0]["test_tensor"].update(source=name)


test_tensor.__test__ = False  # type: ignore[attr-defined]

OUTSIDE = ["../outside.txt", "/etc/passwd", "a/../../outside.txt", "..\\outside.txt", "C:\\outside.txt",
           "file:///etc/passwd", "ftp://example.org/a", "\\\\server\\share"]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("edit", [source, documentation, test_tensor, lambda name: edits(covers=[name])])
def test_files_outside_the_package_are_refused_whatever_names_them(
    make_package: MakePackage, tmp_path: Path, name: str, edit: Callable[[str], Edit]
):
    (tmp_path / "outside.txt").write_text("secret")
    path = make_package(at="pack", folder=True, edit=edit(name))
    assert refused(path) == f"its description names '{name}', which lies outside the package; refused"


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(make_package: MakePackage, tmp_path: Path):
    (tmp_path / "secret.md").write_text("secret")
    path = make_package(at="pack", folder=True)
    (path / "COPY.md").symlink_to("README.md")
    assert open_package(path).card == (path / "README.md").read_text()
    (path / "README.md").unlink()
    (path / "README.md").symlink_to(tmp_path / "secret.md")
    assert refused(path) == "'README.md' is a link out of the package; put the file itself there"


def sized(**size: Any) -> Edit:
    """Another size of the input's x, in formats 0.5."""
    return lambda rdf: rdf["inputs"][0]["axes"][3].update(size=size.get("fixed", size))


def shaped(shape: Any) -> Edit:
    """Another shape of the input, in formats before 0.5."""
    return lambda rdf: rdf["inputs"][0].update(shape=shape)


@pytest.mark.parametrize(
    ("spec", "edit", "reason"),
    [
        ("0.5.10", sized(min=10**9, step=8), "its inputs declare a size of 1000000000; at most 65536 is run"),
        ("0.5.10", sized(min=64, step=10**9), "its inputs declare a size of 1000000000; at most 65536 is run"),
        ("0.5.10", sized(fixed=10**30), "its inputs declare a size of 10^12 or more; at most 65536 is run"),
        ("0.5.10", sized(fixed=-(10**9)), "its inputs declare a size of -1000000000; at most 65536 is run"),
        ("0.5.10", sized(min=64, step=0), "not a valid BioImage.IO description: inputs.0.axes.3"),
        ("0.5.10", sized(min=0, step=8), "not a valid BioImage.IO description: inputs.0.axes.3"),
        ("0.5.10", sized(fixed=0), "not a valid BioImage.IO description: inputs.0.axes.3"),
        ("0.5.10", lambda rdf: rdf["outputs"][0]["axes"][2].update(halo=10**9), "its outputs declare a size of 1000"),
        ("0.4.9", shaped([1, 10**9, 64, 64]), "its inputs declare a size of 1000000000; at most 65536 is run"),
        ("0.4.9", shaped([1, 1, 40000, 40000]), "its inputs have at least 1600000000 elements; at most 536870912 are"),
        ("0.4.9", shaped({"min": [1, 4, 30000, 30000], "step": [0, 0, 1, 1]}), "its inputs have at least 3600000000"),
        ("0.4.9", shaped({"min": [1, 1, 64, 64], "step": [0, 0, 10**9, 8]}), "its inputs declare a size of 1000000"),
    ],
)
def test_sizes_that_no_image_has_are_refused(make_package: MakePackage, spec: str, edit: Edit, reason: str):
    assert refused(make_package(spec=spec, edit=edit)).startswith(reason)


@pytest.mark.parametrize("folder", [False, True], ids=["zip", "folder"])
def test_a_description_that_is_a_bomb_is_refused(make_package: MakePackage, folder: bool):
    def with_rdf(content: bytes) -> str:
        return refused(make_package(at=f"{len(content)}.zip", folder=folder, files={"rdf.yaml": content}))

    laughs = b"a: &a [lol, lol]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 122))
    assert with_rdf(laughs) == "its description is far larger than any description with its references written out"
    assert with_rdf(b"- " * 1000) == "its description is nested more than 40 deep"
    assert with_rdf(b"#" * 2**21) == "'rdf.yaml' has 2097152 bytes; at most 1048576 are read"


def test_two_descriptions_of_which_other_tools_would_take_the_other_are_refused(make_package: MakePackage):
    assert refused(make_package(files={"a.rdf.yaml": b"{}"})) == (
        "has two descriptions, 'rdf.yaml' and 'a.rdf.yaml'; keep one"
    )


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 1000000, 1000000), }", "gives 3 channels"),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 2, 64, 64), }", "it holds Python objects"),
        (b"__import__('os').system('id')", "its test output 'test_output.npy' cannot be read"),
    ],
)
def test_of_a_test_output_only_the_header_is_read(make_package: MakePackage, header: bytes, reason: str):
    from zooscope.decode import decoder_for

    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    path = make_package(spec="0.4.9", files={"test_output.npy": content})
    with pytest.raises(PackageError, match=reason):
        decoder_for(open_package(path))


@pytest.mark.parametrize("shape", ["(1, 1, 1000000, 1000000)", "(1, 1, 64, 65)", "(1, 1, 9223372036854775807, 4)"])
def test_a_test_tensor_smaller_than_it_says_is_not_made(make_package: MakePackage, shape: str):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(4 * 64 * 64)
    package = open_package(make_package(files={"test_input.npy": content}))
    with pytest.raises(PackageError, match=r"'test_input.npy' cannot be read \(it claims the shape"):
        package.test_tensors()


WATCHED = """
import sys
seen = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "pickle.find_class"):
        seen.append((event, str(arguments)))
    if event == "import" and str(arguments[0]).startswith("evil"):
        seen.append((event, arguments[0]))
    if event == "open" and "passwd" in str(arguments[0]):
        seen.append((event, arguments[0]))

from pathlib import Path
from zooscope.errors import PackageError
from zooscope.package import open_package
from zooscope.check import validate
sys.addaudithook(watch)
for path in map(Path, sys.argv[1:]):
    try:
        open_package(path)
        print(path.stem, "opened")
    except PackageError as error:
        print(path.stem, error)
    if "custom" not in path.stem:
        validate(path)
print("seen", seen)
"""


def test_opening_runs_nothing_of_a_package_and_asks_no_network(make_package: MakePackage, tmp_path: Path):
    evil_sha = hashlib.sha256(EVIL).hexdigest()

    def both(architecture: dict[str, Any]) -> Edit:
        def edit(rdf: dict[str, Any]) -> None:
            state = {"source": "weights.pt", "architecture": architecture, "pytorch_version": "2.5.1"}
            rdf["weights"] = {"pytorch_state_dict": state, **rdf["weights"]}

        return edit

    def urls(rdf: dict[str, Any]) -> None:
        url = "https://example.org/a"
        rdf["authors"] = [{"name": "nobody", "github_user": "nobody-of-this-name", "orcid": "0000-0001-2345-6789"}]
        rdf |= {"covers": [f"{url}.png"], "documentation": f"{url}.md", "git_repo": url}
        for kind in ("inputs", "outputs"):
            rdf[kind][0]["test_tensor"] = {"source": f"{url}.npy"}

    def old_urls(rdf: dict[str, Any]) -> None:
        rdf |= {"test_inputs": ["https://example.org/a.npy"], "test_outputs": ["https://example.org/b.npy"]}

    evil = {"evil.py": EVIL}
    paths = [
        make_package(at="file.zip", files=evil, edit=both({"source": "evil.py", "callable": "N", "sha256": evil_sha})),
        make_package(at="library.zip", edit=both({"import_from": "evil_library", "callable": "N"})),
        make_package(at="custom.zip", files=evil, edit=custom),
        make_package(at="urls.zip", edit=urls),
        make_package(at="old.zip", spec="0.4.9", edit=old_urls),
        make_package(at="in-a-folder", folder=True, files={"evil_library.py": EVIL, "yaml.py": EVIL}),
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED, *map(str, paths)],
        capture_output=True, text=True, timeout=100, check=True, cwd=paths[-1],
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "file opened",
        "library opened",
        "custom opened",
        "urls opened",
        "old opened",
        "in-a-folder opened",
        "seen []",
    ]


@pytest.mark.parametrize("content", [b"", b"PK\3\4 truncated", b"<html>Sign in</html>"])
def test_what_is_no_zip_has_a_reason(tmp_path: Path, content: bytes):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    assert "not a whole zip archive" in refused(path)
    assert file_digest(path) == hashlib.sha256(content).hexdigest()


def test_a_truncated_package_has_a_reason(make_package: MakePackage):
    path = make_package()
    path.write_bytes(path.read_bytes()[:1000])
    assert "not a whole zip archive" in refused(path)


def test_a_folder_without_anything_has_a_reason(tmp_path: Path):
    assert "not a BioImage.IO package" in refused(tmp_path)
    assert refused(tmp_path / "nowhere") == "no such file or folder"


def test_nothing_of_a_package_runs_when_it_is_opened(make_package: MakePackage):
    def architecture(rdf: dict[str, Any]) -> None:
        source = {"source": "evil.py", "callable": "Net", "sha256": hashlib.sha256(EVIL).hexdigest()}
        weights = {"source": "weights.pt", "architecture": source, "pytorch_version": "2.5.1"}
        rdf["weights"] = {"pytorch_state_dict": weights, **rdf["weights"]}

    package = open_package(make_package(edit=architecture, files={"evil.py": EVIL}))
    assert list(package.weights) == ["torchscript", "pytorch_state_dict"]
    assert package.choose_weights() == "torchscript"


def test_python_runs_only_with_trust_and_the_refusal_names_file_and_callable(make_package: MakePackage):
    package = open_package(make_package(edit=custom, files={"evil.py": EVIL}))
    with pytest.raises(PackageError, match=r"runs the package's own Python, which --trust allows: evil of evil\.py in"):
        package.choose_weights()
    with pytest.raises(PackageError, match="which --trust allows"):
        package.processing()
    assert package.choose_weights(trust=True) == "torchscript"


def test_weights_that_are_not_there_cannot_be_chosen(make_package: MakePackage):
    package = open_package(make_package())
    with pytest.raises(PackageError, match="has no onnx weights that run here, only torchscript"):
        package.choose_weights("onnx")
    with pytest.raises(PackageError, match="has no pytorch_state_dict weights that run here, only torchscript"):
        package.choose_weights("pytorch_state_dict")


def test_declared_training_data_are_kept(make_package: MakePackage):
    ours = {"zooscope": {"training_data": [{"dataset": "dsb2018", "splits": ["train"]}]}}
    package = open_package(make_package(config=ours, training_data={"id": "luscious-sushi"}))
    assert [dict(item) for item in package.training_data] == [
        {"dataset": "dsb2018", "splits": ["train"]},
        {"dataset": "luscious-sushi"},
    ]


def test_a_halo_on_a_grid_of_two_is_counted_in_pixels_of_the_image(make_package: MakePackage):
    for spec, scale in (("0.5.10", 2.0), ("0.4.9", 0.5)):
        package = open_package(make_package("grid2", spec=spec, scale=scale, halo_px=8))
        assert package.output.halo_px == (16, 16)


def test_channels_of_the_old_format_are_those_of_its_test_output(make_package: MakePackage):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((1, 2, 64, 64), np.float32))
    path = make_package("twice", spec="0.4.9", files={"test_output.npy": buffer.getvalue()})
    assert open_package(path).output.channels == 2


def test_a_description_may_have_any_of_the_three_names(make_package: MakePackage):
    path = make_package()
    with zipfile.ZipFile(path) as archive:
        rdf = archive.read("rdf.yaml")
    other = make_package(at="other.zip", files={"rdf.yaml": None, "bioimageio.yaml": rdf})
    assert open_package(other).digest == open_package(path).digest
    assert yaml.safe_load(rdf)["name"] == open_package(other).title
