"""ONNX of strangers: all data inside the file, no operators of libraries, nothing but ONNX."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zooscope.errors import PackageError
from zooscope.predict.backends import onnx_network
from zooscope.predict.onnx_graph import refuse_external_data

SHAPE = [1, 1, "y", "x"]


def external(location: str) -> TensorProto:
    """A tensor whose data lies elsewhere."""
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def model(nodes: list[onnx.NodeProto], initializers: list[TensorProto], functions: list = ()) -> bytes:  # type: ignore[type-arg]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, SHAPE)],
        initializers,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions)).SerializeToString()


ADD = helper.make_node("Add", ["raw", "w"], ["maps"])


def in_a_branch(tensor: TensorProto) -> bytes:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])],
        [tensor],
    )
    yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    choose = helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch)
    return model([yes, choose, helper.make_node("Add", ["raw", "chosen"], ["maps"])], [])


def in_a_function(tensor: TensorProto) -> bytes:
    body = [helper.make_node("Constant", [], ["w"], value=tensor), helper.make_node("Add", ["a", "w"], ["b"])]
    function = helper.make_function("own", "f", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    return model([helper.make_node("f", ["raw"], ["maps"], domain="own")], [], [function])


PLACES: dict[str, Callable[[TensorProto], bytes]] = {
    "initializer": lambda tensor: model([ADD], [tensor]),
    "constant": lambda tensor: model([helper.make_node("Constant", [], ["w"], value=tensor), ADD], []),
    "branch": in_a_branch,
    "function": in_a_function,
}


@pytest.mark.parametrize("place", sorted(PLACES))
@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "secret.bin", "*/_ORT_MEM_ADDR_/*"])
def test_data_outside_the_file_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, location: str
):
    (tmp_path / "secret.bin").write_bytes(np.float32(7).tobytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackageError, match="its ONNX weights keep data outside their file") as error:
        onnx_network(PLACES[place](external(location)), device="cpu")
    assert location in str(error.value)


@pytest.mark.parametrize("place", sorted(PLACES))
def test_data_inside_the_file_are_read(place: str):
    inside = numpy_helper.from_array(np.array([3], np.float32), "w")
    network = onnx_network(PLACES[place](inside), device="cpu")
    np.testing.assert_array_equal(network(np.ones((1, 1, 2, 3), np.float32)), np.full((1, 1, 2, 3), 4, np.float32))


def test_operators_of_a_library_are_not_known():
    weights = model([helper.make_node("Evil", ["raw"], ["maps"], domain="own")], [])
    with pytest.raises(PackageError, match=r"its ONNX weights cannot be loaded .*Evil"):
        onnx_network(weights, device="cpu")


@pytest.mark.parametrize("content", [b"", b"\x08\x09", b"\x28\0\0\0ORTM" + bytes(64), b"PK\3\4"])
def test_what_is_no_onnx_is_refused(content: bytes):
    with pytest.raises(PackageError, match=r"its ONNX weights cannot be loaded \(no ONNX file\)"):
        refuse_external_data(content)
