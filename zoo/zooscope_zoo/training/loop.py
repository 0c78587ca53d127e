"""The one loop of all methods: steps, validation, checkpoints; resumes to the same losses after a kill."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from zooscope.errors import ZooscopeError
from zooscope.progress import Bar
from zooscope_zoo.method import MayBeLost, Method, NetworkConfig
from zooscope_zoo.training.config import RunConfig
from zooscope_zoo.training.curves import History, TensorBoard, write_curves, write_preview
from zooscope_zoo.training.patches import Batch, Patches, Steps, validation_batches
from zooscope_zoo.training.run_folder import RunFolder

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
"""By dimensions of space."""


class Trainee(nn.Module):
    """Network and loss as one module, so that several GPUs wrap both: (images, targets) -> loss terms."""

    def __init__(self, method: Method, config: NetworkConfig, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._method, self._config = method, config

    def forward(self, images: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        """Terms by name."""
        return self._method.terms(self.network, images, targets, self._config)


def train(
    method: Method,
    config: RunConfig,
    network_config: NetworkConfig,
    patches: Patches,
    validation: Patches,
    folder: RunFolder,
    *,
    start: Mapping[str, Tensor] | None = None,
    measured: Mapping[str, Tensor] | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> History:
    """Train from the folder's last state, or from `start` weights, or from the seed; return the losses.

    `measured` are tensors of the network that come from the data and are not learned. Best weights are those of the
    lowest validation loss. On several GPUs (torchrun) each process draws its own patches and gradients are averaged.
    A training that its method calls lost in the first half of its steps begins anew, its history too, with other
    weights and the steps that are left.

    Raises
    ------
    ZooscopeError : the loss became NaN or infinite.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import set_seed

    settings = config.training
    mixed = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}[settings.precision]
    AcceleratorState._reset_state()  # an earlier training of this process may have had another precision
    accelerator = Accelerator(mixed_precision=mixed)
    set_seed(settings.seed)
    network: Any = method.network(network_config)
    if start is not None:
        network.load_state_dict(start)
    network.load_state_dict(measured or {}, strict=False)
    state = folder.read_state()
    if state:
        network.load_state_dict(state["network"])
    network = network.to(memory_format=_CHANNELS_LAST[len(network_config.space)])
    trainee: nn.Module = Trainee(method, network_config, network)
    # a network that learns nothing (the classical Richardson-Lucy) is validated and written as any other
    learned = list(trainee.parameters()) or [nn.Parameter(torch.zeros(1))]
    optimiser = torch.optim.AdamW(learned, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    if state:
        optimiser.load_state_dict(state["optimiser"])
    trainee, optimiser = accelerator.prepare(trainee, optimiser)
    if state and accelerator.scaler:
        accelerator.scaler.load_state_dict(state["scaler"])
    if settings.compile:
        trainee = torch.compile(trainee)  # pyright: ignore[reportAssignmentType]
    history: History = list(state["history"]) if state else []
    begin_step = int(state["step"]) if state else 0
    given = dict(state.get("given", {})) if state else {**(start or {}), **(measured or {})}
    anew_at = int(state.get("anew_at", 0)) if state else 0

    steps = Steps(patches, settings, process=accelerator.process_index)
    loader = DataLoader(
        steps, batch_size=None, sampler=range(begin_step, settings.steps), num_workers=settings.workers,
        prefetch_factor=4 if settings.workers else None, pin_memory=accelerator.device.type == "cuda",
    )  # fmt: skip
    fixed = validation_batches(validation, settings)
    main = accelerator.is_main_process
    board = TensorBoard(folder.path) if main else None
    sums: dict[str, float] = {}
    judge = _judge(method)
    begin = time.perf_counter() - (history[-1]["seconds"] if history else 0.0)
    with Bar(f"training {method.id}", settings.steps, done=begin_step, show=progress and main) as bar:
        for step, batch in enumerate(loader, start=begin_step + 1):
            torch.manual_seed(_seed_of(step, settings.seed, accelerator.process_index))
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, config, since=anew_at)
            terms = _step(trainee, optimiser, accelerator, batch, clip_norm=settings.clip_norm)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            bar.advance(f"loss {sum(terms.values()):.4f}")
            if step % settings.validate_every and step != settings.steps:
                continue
            count = settings.validate_every if step % settings.validate_every == 0 else step % settings.validate_every
            entry = {
                "step": float(step),
                "seconds": time.perf_counter() - begin,
                "learning_rate": learning_rate(step, config, since=anew_at),
            }
            entry |= _named("train", {name: value / count for name, value in sums.items()})
            entry |= _named("validation", _validate(trainee, accelerator, fixed))
            _refuse_infinite(entry, folder)
            sums = {}
            reason = judge.lost(entry) if judge and 2 * step <= settings.steps else ""
            if reason:
                say(f"step {step}: {reason}; the training begins anew with other weights")
                torch.manual_seed(_seed_of(step, settings.seed))
                network.load_state_dict({**method.network(network_config).state_dict(), **given})
                optimiser.state.clear()
                history, anew_at = [], step
                continue
            history.append(entry)
            if main and board:
                raw: Any = accelerator.unwrap_model(trainee, keep_torch_compile=False).network
                anew = {"given": given, "anew_at": anew_at} if judge else {}
                state = {"optimiser": optimiser.state_dict(), "step": step, "history": history, **anew}
                _write(folder, raw, state, accelerator.scaler, note=method.curve_note)
                board.add(entry)
                _preview(folder, raw, fixed[0], step, accelerator.device)
    if board:
        board.close()
    return history


def learning_rate(step: int, config: RunConfig, *, since: int = 0) -> float:
    """Linear warm-up after step `since`, then half a cosine down to a hundredth."""
    settings = config.training
    warm = since + settings.warmup_steps
    if step <= warm:
        return settings.learning_rate * (step - since) / settings.warmup_steps
    part = (step - warm) / max(1, settings.steps - warm)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * part)) / 2)


def _seed_of(step: int, *others: int) -> int:
    """For what a network draws itself (dropout): like its patches it depends on the step, whatever came before."""
    return int(np.random.SeedSequence([*others, step]).generate_state(1)[0])


def _judge(method: object) -> MayBeLost | None:
    return method if isinstance(method, MayBeLost) else None


def _refuse_infinite(entry: Mapping[str, float], folder: RunFolder) -> None:
    """Before anything is written, so that the folder keeps the last good weights."""
    for part in ("train", "validation"):
        loss = entry[f"{part}/loss"]
        if not math.isfinite(loss):
            raise ZooscopeError(
                f"{folder.path}: the loss of {part} is {loss} at step {entry['step']:.0f}; lower training.learning_rate"
            )


def _step(trainee: nn.Module, optimiser: Any, accelerator: Any, batch: Batch, *, clip_norm: float) -> dict[str, float]:
    images, targets = (_placed(tensor, accelerator.device) for tensor in batch)
    trainee.train()
    with accelerator.autocast():
        terms = trainee(images, targets)
    optimiser.zero_grad(set_to_none=True)
    loss = torch.stack(list(terms.values())).sum()
    if loss.requires_grad:
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(trainee.parameters(), clip_norm)
        optimiser.step()
    return {name: float(value.detach()) for name, value in terms.items()}


def _validate(trainee: nn.Module, accelerator: Any, batches: Sequence[Batch]) -> dict[str, float]:
    """Mean loss terms over the fixed patches."""
    trainee.eval()
    torch.manual_seed(0)  # a loss that draws blind spots draws the same ones each time
    sums: dict[str, float] = {}
    count = 0
    with torch.inference_mode(), accelerator.autocast():
        for batch in batches:
            images, targets = (_placed(tensor, accelerator.device) for tensor in batch)
            for name, value in trainee(images, targets).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(images)
            count += len(images)
    return {name: value / count for name, value in sums.items()}


def _placed(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, non_blocking=True).contiguous(memory_format=_CHANNELS_LAST[tensor.ndim - 2])


def _named(part: str, terms: Mapping[str, float]) -> dict[str, float]:
    return {f"{part}/loss": sum(terms.values()), **{f"{part}/{name}": value for name, value in terms.items()}}


def _write(folder: RunFolder, network: nn.Module, state: dict[str, Any], scaler: Any, *, note: str) -> None:
    """State last: a kill before it repeats the interval, one after it goes on from here."""
    weights, history = network.state_dict(), state["history"]
    if history[-1]["validation/loss"] <= min(entry["validation/loss"] for entry in history):
        folder.write_weights("best", weights)
    folder.write_weights("last", weights)
    write_curves(folder.path, history, note=note)
    scaled = {"scaler": scaler.state_dict()} if scaler else {}  # of fp16
    folder.write_state({"network": weights, **state, **scaled})


def _preview(folder: RunFolder, network: nn.Module, batch: Batch, step: int, device: torch.device) -> None:
    network.eval()
    images, targets = batch[0][:4], batch[1][:4]
    with torch.inference_mode():
        maps = network(_placed(images, device)).float().cpu()
    write_preview(folder.path / "previews" / f"step-{step:06d}.png", images.numpy(), targets.numpy(), maps.numpy())
