"""What an ONNX file may hold: a graph with its weights inside, no data in other files or at addresses in memory.

ONNX Runtime loads no library of custom operators unless its host asks for one, which zooscope never does; the standard
has no operator that reaches files. External data (onnx.proto, TensorProto.data_location) is the one way out: a path,
which ONNX Runtime takes from the current folder where a model is given as bytes, or an address in its own memory.
"""

from collections.abc import Iterator
from typing import Any

from zooscope.errors import PackageError


def refuse_external_data(weights: bytes) -> None:
    """PackageError where ONNX weights are no ONNX, or a tensor's data lies elsewhere."""
    import onnx

    try:
        model = onnx.ModelProto.FromString(weights)
    except Exception as error:
        raise PackageError("its ONNX weights cannot be loaded (no ONNX file)") from error
    if not model.HasField("graph"):
        raise PackageError("its ONNX weights cannot be loaded (no ONNX file)")
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
            where = next((entry.value for entry in tensor.external_data if entry.key == "location"), "elsewhere")
            raise PackageError(f"its ONNX weights keep data outside their file ({where[:100]!r}), which is not read")


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor of a model, however deep."""
    parts = [model.graph, *model.functions]
    parts += [graph for info in model.training_info for graph in (info.initialization, info.algorithm)]
    while parts:
        part = parts.pop()
        yield from getattr(part, "initializer", ())
        sparse = list(getattr(part, "sparse_initializer", ()))
        for node in part.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
                parts += [graph for graph in (attribute.g, *attribute.graphs) if graph.node or graph.initializer]
        for attribute in getattr(part, "attribute_proto", ()):  # defaults of a function's attributes
            yield from (attribute.t, *attribute.tensors)
        for one in sparse:
            yield from (one.values, one.indices)
