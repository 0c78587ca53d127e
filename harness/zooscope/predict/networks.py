"""A package's network in whichever of its weights formats was chosen."""

from zooscope.package import Package
from zooscope.predict.backends import BACKENDS, Network


def load_network(package: Package, weights_format: str, *, device: str) -> Network:
    """The network on a device ("cpu", "cuda:0"); the caller has made sure that its Python is trusted.

    Raises
    ------
    PackageError : weights that cannot be loaded.
    """
    weights = package.weights[weights_format]
    content = package.read_weights(weights_format)
    if weights_format == "pytorch_state_dict":
        from zooscope.predict.state_dict import state_dict_network

        assert weights.architecture is not None
        return state_dict_network(content, weights.architecture, package.read, member=weights.member, device=device)
    if weights_format in BACKENDS:
        return BACKENDS[weights_format](content, device=device)
    from zooscope.predict.keras_weights import keras_network

    return keras_network(content, weights_format)
