"""Replays recorded inputs and outputs of the published methods through the engine's own functions.

`python -m tests.golden FILE.npz ...` replays any golden file. Each family of methods has a module `*_replay.py` here
that registers its kinds of file with `registry.replays`; a new module is found by its name.
"""
