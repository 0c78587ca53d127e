"""Facts: what a run says of its model, as pages and figures show it."""

import shlex
from collections.abc import Mapping
from typing import Any

from zooscope import plugins

Run = Mapping[str, Any]


def method(run: Run) -> str:
    """How objects come about: the decoder of a package; a baseline; predictions of another tool."""
    kind = run["model"].get("kind")
    if kind == "package":
        return str(run.get("protocol", {}).get("decoder", "")).partition("@")[0] or "unknown"
    return {"baseline": "baseline", "labels": "other tool", "images": "other tool"}.get(str(kind), "unknown")


def weights(run: Run) -> str | None:
    """The weights format that ran."""
    return run.get("protocol", {}).get("weights")


def megabytes(run: Run) -> float | None:
    """Size of the weights; 0 for a baseline, which has none; None where nobody knows."""
    size = run["model"].get("size_bytes")
    return None if size is None else size / 1e6


def command(run: Run) -> str:
    """What makes this row anew."""
    model, data, protocol = run["model"], run["dataset"], run.get("protocol", {})
    where = ["--dataset", data["id"]] + ([] if data["split"] == "test" else ["--split", data["split"]])
    if model.get("kind") in ("labels", "images"):
        return shlex.join(["zooscope", "score", "FOLDER", *where, "--name", model["name"]])
    shipped = model["name"] in plugins.names("models")
    name = model["id"] if model.get("kind") == "baseline" else model["name"] + ("" if shipped else ".zip")
    words = ["zooscope", "run", "--model", name, *where]
    if "weights" in protocol:
        words += ["--decoder", str(protocol["decoder"]).partition("@")[0]]
        words += ["--weights", protocol["weights"], "--device", protocol.get("device", "auto")]
    return shlex.join(words)
