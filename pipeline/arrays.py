"""Arrays inside records: checked once, then read-only."""

from __future__ import annotations

import numpy as np


def frozen(array: np.ndarray, dtype: type, name: str, *shape: int | None) -> np.ndarray:
    """A read-only view of an array whose dtype and shape (None: any length) were checked.

    Raises:
        ValueError: another dtype or shape; the message calls the array `name`.
    """
    array = np.asarray(array)
    expected = "x".join("?" if s is None else str(s) for s in shape)
    if array.ndim != len(shape) or any(s is not None and s != a for s, a in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have shape {expected}, got {'x'.join(map(str, array.shape)) or 'a scalar'}")
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"{name} must be {np.dtype(dtype)}, got {array.dtype}")
    view = array.view()
    view.flags.writeable = False
    return view
