"""Run a package's test input by bioimageio.core where zooscope cannot be imported: PACKAGE OUT.npz [FORMAT ...].

A process of its own, of no test: it writes the output of each weights format under that format's name.
tools/compatibility.py runs it in environments that have other versions of core.
"""

import sys


class Blocked:
    """An import hook that finds neither zooscope nor zooscope_zoo."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("zooscope", "zooscope_zoo"):
            raise ModuleNotFoundError(f"{name} is blocked")


def main(package: str, output: str, *formats: str) -> None:
    sys.meta_path.insert(0, Blocked())
    try:
        import zooscope  # noqa: F401
    except ModuleNotFoundError:
        pass
    else:
        raise SystemExit("zooscope is not blocked")

    import numpy as np
    from bioimageio.core import create_prediction_pipeline, load_description
    from bioimageio.core.digest_spec import get_test_input_sample

    model = load_description(package)
    found = {}
    for weights in formats or ("pytorch_state_dict", "torchscript", "onnx"):
        with create_prediction_pipeline(model, weight_format=weights, devices=["cpu"]) as pipeline:
            out = pipeline.predict_sample_without_blocking(
                get_test_input_sample(model), skip_input_padding=True, skip_output_cropping=True
            )
            found[weights] = next(iter(out.members.values())).data.to_numpy()
    np.savez(output, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
