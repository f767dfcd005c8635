"""What a replay is: a golden file, the checks made against it, and who replays which kind of file.

A replay reads its inputs with `golden.input(name)`, calls the engine and hands results to `check.values`,
`check.probabilities`, `check.labels` or `check.equal` under the recorded name. An array that is neither read as input
nor compared makes the replay fail, so nothing recorded is skipped by accident.

    @replays("trident_regions")
    def trident_regions(golden: Golden, check: Check) -> None:
        regions = split(golden.input("pred"), ..., minimal_area=golden.hyper["minimal_area"])
        check.values("region_boxes", regions.boxes)
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

VALUE_TOLERANCE = 1e-4
PROBABILITY_TOLERANCE = 1e-3
LABEL_TOLERANCE = 0.002
DATA = Path(__file__).parent / "data"

_REPLAYS: dict[str, Callable[[Golden, Check], None]] = {}


class NotImplementedKind(Exception):
    """No module here replays files of this kind."""


@dataclass
class Golden:
    """One golden file: its arrays, what `meta` says of it, and which arrays a replay has used so far."""

    path: Path
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    used: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, path: Path | str) -> Golden:
        """Read every array of a golden file."""
        path = Path(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != "meta"}
            meta = json.loads(str(file["meta"])) if "meta" in file.files else {}
        return cls(path, arrays, meta)

    @property
    def hyper(self) -> dict[str, Any]:
        """The recorded settings and constants."""
        return self.meta.get("hyper", {})

    @property
    def stem(self) -> str:
        """File name without its ending."""
        return self.path.name.removesuffix(".npz")

    def stored(self, name: str) -> str | None:
        """The stored name of an array, which may carry a suffix `_sN` (every N-th row and column); None if absent."""
        if name in self.arrays:
            return name
        return next((n for n in self.arrays if re.fullmatch(re.escape(name) + r"_s\d+", n)), None)

    def has(self, name: str) -> bool:
        """Whether an array was recorded, whole or thinned."""
        return self.stored(name) is not None

    def input(self, name: str) -> np.ndarray:
        """An array the replay starts from; it counts as used."""
        self.used.add(name)
        return self.arrays[name]

    def weights(self, name: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """State dict and `meta.config` of the weight file this file names: beside it, else in `tests/golden/data`."""
        name = (name or self.meta["weights"]).removesuffix(".npz") + ".npz"
        for folder in (self.path.parent, DATA):
            if (folder / name).is_file():
                opened = Golden.open(folder / name)
                return opened.arrays, opened.meta["config"]
        raise FileNotFoundError(f"{name} is neither beside {self.path.name} nor in tests/golden/data")


@dataclass
class Check:
    """Collects comparisons of one replay.

    Attributes:
        results: (name, error, allowed, is_share) in order; `error` is the largest absolute difference, or for labels
            the share of positions that differ.
    """

    golden: Golden
    results: list[tuple[str, float, float, bool]] = field(default_factory=list)

    def values(self, name: str, actual: Any, tolerance: float = VALUE_TOLERANCE) -> None:
        """Compare features, cosines or logits; allowed is `tolerance` times max(1, the largest recorded magnitude).

        `actual` is the full array; where the record is thinned (`_sN`) the last two axes are thinned alike. Leading
        axes of length one may be missing on either side.
        """
        expected, actual = self._pair(name, actual)
        expected, actual = expected.astype(np.float64), actual.astype(np.float64)
        scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
        error = np.abs(actual - expected)
        largest = float(error.max(initial=0.0)) if np.isfinite(error).all() else float("inf")
        self.results.append((name, largest, tolerance * scale, False))

    def probabilities(self, name: str, actual: Any) -> None:
        """Compare probabilities or min-max maps."""
        self.values(name, actual, PROBABILITY_TOLERANCE)

    def labels(self, name: str, actual: Any) -> None:
        """Compare a label map or mask by the share of positions that differ."""
        expected, actual = self._pair(name, actual)
        share = float(np.mean(expected.astype(np.int64) != actual.astype(np.int64)))
        self.results.append((name, share, LABEL_TOLERANCE, True))

    def equal(self, name: str, actual: Any) -> None:
        """Compare integers or coordinates that must agree exactly."""
        expected, actual = self._pair(name, actual)
        share = float(np.mean(expected != actual))
        self.results.append((name, share, 0.0, True))

    def _pair(self, name: str, actual: Any) -> tuple[np.ndarray, np.ndarray]:
        stored = self.golden.stored(name)
        if stored is None:
            raise KeyError(f"{self.golden.path.name} holds no {name}")
        self.golden.used.add(stored)
        expected = self.golden.arrays[stored]
        actual = np.asarray(actual.detach().cpu() if hasattr(actual, "detach") else actual)
        step = re.search(r"_s(\d+)$", stored) if stored != name or re.search(r"_s\d+$", name) else None
        if step:
            actual = actual[..., :: int(step[1]), :: int(step[1])]
        trimmed = [a.reshape(a.shape[next((i for i, n in enumerate(a.shape) if n != 1), a.ndim) :])
                   for a in (expected, actual)]
        if trimmed[0].shape != trimmed[1].shape:
            raise ValueError(f"{name}: recorded shape {expected.shape}, computed {actual.shape}")
        return trimmed[0], trimmed[1]


@dataclass(frozen=True)
class Outcome:
    """What came of one file. `line` is what the command prints, `ok` whether it lies within tolerance."""

    line: str
    ok: bool


def replays(*kinds: str) -> Callable:
    """Register a function `(golden, check) -> None` for files whose name begins with one of `kinds`."""

    def register(function: Callable[[Golden, Check], None]) -> Callable[[Golden, Check], None]:
        for kind in kinds:
            if kind in _REPLAYS:
                raise ValueError(f"{kind} is registered twice")
            _REPLAYS[kind] = function
        return function

    return register


def _load_replays() -> None:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.endswith("_replay"):
            importlib.import_module(f"{__package__}.{module.name}")


def kind_of(golden: Golden) -> str:
    """The longest registered kind with which the file's name begins.

    Raises:
        NotImplementedKind: no module registered one.
    """
    _load_replays()
    fitting = [k for k in _REPLAYS if golden.stem == k or golden.stem.startswith(k + "_")]
    if not fitting:
        raise NotImplementedKind(golden.stem)
    return max(fitting, key=len)


def replay(path: Path | str) -> Outcome:
    """Replay one file and say how far the engine is from it."""
    golden = Golden.open(path)
    name = golden.path.name
    if golden.stem.startswith("weights_"):
        return Outcome(f"{name}: weights, nothing to replay, ok", True)
    try:
        kind = kind_of(golden)
    except NotImplementedKind:
        return Outcome(f"{name}: not implemented", False)
    check = Check(golden)
    try:
        _REPLAYS[kind](golden, check)
    except Exception as error:  # one file that cannot be replayed must not hide the others
        return Outcome(f"{name}: {kind}, FAIL ({type(error).__name__}: {error})", False)
    return _outcome(golden, check, kind)


def _outcome(golden: Golden, check: Check, kind: str) -> Outcome:
    missing = sorted(set(golden.arrays) - golden.used)
    if not check.results:
        return Outcome(f"{golden.path.name}: {kind}, FAIL (nothing was compared)", False)
    values = [r for r in check.results if not r[3]]
    shares = [r for r in check.results if r[3]]
    parts = [golden.path.name + ": " + kind]
    if values:
        worst = max(values, key=lambda r: r[1] / r[2])
        largest = max(r[1] for r in values)
        parts.append(f"largest absolute error {largest:.2e}")
        parts.append(f"nearest its tolerance {worst[0]} {worst[1]:.2e} of {worst[2]:.2e}")
    if shares:
        worst = max(shares, key=lambda r: r[1] - r[2])
        parts.append(f"labels differing {worst[1]:.3%} of {worst[2]:.1%} allowed ({worst[0]})")
    bad = [r[0] for r in check.results if not r[1] <= r[2]]
    if bad:
        parts.append("above tolerance: " + " ".join(bad))
    if missing:
        parts.append("not compared: " + " ".join(missing))
    ok = not bad and not missing
    return Outcome(", ".join(parts) + (", ok" if ok else ", FAIL"), ok)
