"""Files of the Hugging Face hub in the hub's own cache, so that every other program on the machine finds them too.

`huggingface_hub` knows addresses, tokens, names and the cache's layout (`HF_HOME`, `HF_HUB_CACHE`); the bytes are
brought by `download`, because `hf_hub_download` begins a broken-off file anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import NamebrushError
from ..files import write_atomic
from ..progress import Progress
from .download import Check, DownloadError, download, offline

WEIGHTS = (".safetensors", ".bin")
#: Bytes of a file at most.
LARGEST = 200 << 30
#: Whose classes a pipeline may be made of; the last is where old indexes say the checker of pictures is.
LIBRARIES = ("diffusers", "transformers", "stable_diffusion")
SIDE_FILES = (".json", ".txt", ".model")


class NotThere(DownloadError):
    """The repository or the file does not exist, or is not for this person."""


def cache_dir() -> Path:
    """The hub's cache folder."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached_file(repo: str, name: str) -> Path | None:
    """A file that has been fetched before, or None; never asks the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, name, cache_dir=cache_dir())
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def fetch_file(
    repo: str, name: str, *, label: str, checks: tuple[Check, ...] = (), progress: Progress | None = None
) -> Path:
    """One file of a repository's main branch, from the cache or the hub.

    Large files are checked against the SHA-256 the hub states for them, small ones against their git name.

    Raises:
        NotThere, DownloadError, DiskFull: as in `download`.
        NamebrushError: not in the cache and the network is forbidden.
    """
    checked_name(name)
    found = cached_file(repo, name)
    if found is not None:
        return found
    if offline():
        raise NamebrushError(f"{repo}/{name} is not in {cache_dir()} and HF_HUB_OFFLINE forbids fetching it.")
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(repo, name)
    with _explained(repo):
        meta = get_hf_file_metadata(url)
    tag, commit, size = meta.etag or "", meta.commit_hash or "", meta.size
    # All three become parts of paths or bounds; a hub that answers otherwise is none.
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", tag) or not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise DownloadError(f"The hub's answer for {repo} does not say which file it is.")
    if size is not None and not 0 <= size <= LARGEST:
        raise DownloadError(f"The hub's answer for {repo} states an impossible size.")
    checks = (*checks, Check("sha256" if len(tag) == 64 else "git-sha1", tag))
    folder = repo_folder_name(repo_id=repo, repo_type="model")
    blob = cache_dir() / folder / "blobs" / tag
    lock = cache_dir() / ".locks" / folder / f"{tag}.lock"  # the hub library's own
    headers = {k: v for k, v in build_hf_headers().items() if k.lower() == "authorization"}
    download(url, blob, label=label, checks=checks, size=size, headers=headers, lock=lock, progress=progress)
    return _named(cache_dir() / folder, blob, commit, name)


def _named(home: Path, blob: Path, commit: str, name: str) -> Path:
    """Give a fetched file its name in the hub's cache, as the hub's library does; no further answer is asked for."""
    path = home / "snapshots" / commit / name
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        os.symlink(os.path.relpath(blob, path.parent), scratch)
    except (OSError, NotImplementedError):  # no links on this system or disk
        shutil.copyfile(blob, scratch)
    os.replace(scratch, path)
    reference = home / "refs" / "main"
    reference.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(reference, commit.encode())
    return path


def checked_name(name: str) -> str:
    """A file's name in a repository, which becomes a path below the cache.

    Raises:
        DownloadError: it leads elsewhere.
    """
    parts = name.split("/")
    if len(name) > 400 or any(not re.fullmatch(r"[\w .+()@=-]+", part) or set(part) <= {"."} for part in parts):
        raise DownloadError(f'The hub names a file "{name[:60]}", which is no name of a file.')
    return name


def fetch_pipeline(repo: str, *, label: str, progress: Progress | None = None) -> Path:
    """The folder of a `diffusers` pipeline, from the cache if it is complete there, else from the hub.

    Of every part the smallest sufficient weights are taken: float16 where all parts have it, safetensors where there
    are any.
    """
    progress = progress or Progress()
    index = cached_file(repo, "model_index.json")
    if index is not None:
        if not missing_parts(index.parent):
            return index.parent
    if offline():
        raise NamebrushError(f"{repo} is not complete in {cache_dir()} and HF_HUB_OFFLINE forbids fetching it.")
    from huggingface_hub import HfApi

    with _explained(repo):
        listing = HfApi().model_info(repo, files_metadata=True).siblings or []
    sizes = {checked_name(entry.rfilename): entry.size or 0 for entry in listing}
    if not all(isinstance(size, int) and 0 <= size <= LARGEST for size in sizes.values()):
        raise DownloadError(f"The hub's answer for {repo} states an impossible size.")
    if "model_index.json" not in sizes:
        raise NotThere(f"{repo} is no diffusers pipeline (it has no model_index.json).")
    index = fetch_file(repo, "model_index.json", label=label, progress=progress)
    names = choose_files(_components(index), sizes)
    total, done = sum(sizes[name] for name in names) or 1, 0
    for name in names:
        share = _Share(progress, done / total, sizes[name] / total)
        fetch_file(repo, name, label=f"{label} ({name})", progress=Progress(report=share))
        done += sizes[name]
    missing = missing_parts(index.parent)
    if missing:
        raise NotThere(f"{repo} lacks weights for {', '.join(missing)}.")
    return index.parent


def choose_files(components: Iterable[str], names: Iterable[str]) -> list[str]:
    """Files of a pipeline to fetch, given its parts' names and all files of the repository."""
    components, names = list(components), sorted(names)
    weights = {c: _weights(n for n in names if n.startswith(f"{c}/")) for c in components}
    half = all(found["half"] for found in weights.values() if found["half"] or found["full"])
    chosen = ["model_index.json"]
    for component, found in weights.items():
        mine = [n for n in names if n.startswith(f"{component}/")]
        chosen += [n for n in mine if n.endswith(SIDE_FILES) and ".index." not in n]
        kind = "half" if half or not found["full"] else "full"
        endings = {Path(n).suffix for n in found[kind]}
        chosen += found[kind]
        for name in mine:  # an index of shards: of the same precision and format as the shards taken
            base, cut, _ = name.partition(".index.")
            if cut and Path(base).suffix in endings and ("fp16" in name) == (kind == "half"):
                chosen.append(name)
    return chosen


def variant(folder: Path) -> str | None:
    """`"fp16"` if some part of a local pipeline has its weights under that name only, else None."""
    parts = [_weights(p.name for p in child.iterdir()) for child in folder.iterdir() if child.is_dir()]
    return "fp16" if any(found["half"] and not found["full"] for found in parts) else None


def missing_parts(folder: Path) -> list[str]:
    """Parts that `folder/model_index.json` names but that are not whole.

    Such a part has no files, or a `config.json` without weights, or an index of shards of which some are missing.
    """
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    missing = []
    for component in _components(folder / "model_index.json"):
        mine = [name for name in names if name.startswith(f"{component}/")]
        found = _weights(mine)
        modelled = f"{component}/config.json" in mine
        shards = {
            f"{component}/{shard}"
            for name in mine
            if ".index." in name
            for shard in json.loads((folder / name).read_text(encoding="utf-8")).get("weight_map", {}).values()
        }
        if not mine or (modelled and not (found["half"] or found["full"])) or not shards <= set(mine):
            missing.append(component)
    return missing


def read_index(index: Path) -> dict[str, Any]:
    """The index of a `diffusers` pipeline, whose parts are classes of `diffusers` and `transformers` alone.

    Raises:
        NamebrushError: it cannot be read, or asks for code of somebody else's.
    """
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        kind = entries.setdefault("_class_name", "")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise NamebrushError(f"{index} cannot be read as the index of a diffusers pipeline.") from error
    if not isinstance(kind, str):
        raise NamebrushError(f"{index} asks for code that is not run: its pipeline is no class of diffusers.")
    for part in parts_of(entries):
        library, name = entries[part]
        if library not in LIBRARIES or not isinstance(name, str) or not re.fullmatch(r"\w+", part):
            raise NamebrushError(f'{index} asks for code that is not run: "{str(library)[:40]}" for "{part[:40]}".')
    return entries


def parts_of(entries: dict[str, Any]) -> list[str]:
    """Names of the parts that an index says a pipeline really has."""
    return [k for k, v in entries.items() if isinstance(v, list) and len(v) == 2 and v[0] is not None]


def _components(index: Path) -> list[str]:
    """Names of the parts a pipeline really has: `[library, class]` with a library."""
    return parts_of(read_index(index))


def _weights(names: Iterable[str]) -> dict[str, list[str]]:
    """Weight files by precision, safetensors before pickles; other frameworks' and training's copies left out."""
    kept = [n for n in names if n.endswith(WEIGHTS) and not re.search(r"non_ema|flax|openvino|onnx", n)]
    result = {}
    for key, half in (("half", True), ("full", False)):
        mine = [n for n in kept if (".fp16." in n or ".fp16-" in n) == half]
        result[key] = [n for n in mine if n.endswith(".safetensors")] or [n for n in mine if n.endswith(".bin")]
    return result


class _Share:
    """A `Report` that places one file's share within the share of all files."""

    def __init__(self, progress: Progress, start: float, width: float):
        self.progress, self.start, self.width = progress, start, width

    def __call__(self, message: str, share: float | None = None) -> None:
        self.progress.step(message, None if share is None else self.start + self.width * share)


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Turn the hub library's errors into one clear line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise NotThere(
            f"{repo} is for people who accepted its terms: accept them on its page, then log in with `hf auth login`."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise NotThere(f"{repo} is not on the hub, or not public.") from error
    except errors.LocalEntryNotFoundError as error:
        raise DownloadError(f"The hub does not answer for {repo}.") from error
    except errors.EntryNotFoundError as error:
        raise NotThere(f"{repo} does not have this file.") from error
    except errors.HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == 404:
            raise NotThere(f"{repo} does not have this file.") from error
        raise DownloadError(f"The hub does not answer for {repo}: {str(error).splitlines()[0]}") from error
    except Exception as error:
        # huggingface_hub changed its HTTP library more than once; their errors share no base worth importing.
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("httpx", "httpx2", "requests"):
            raise DownloadError(f"The hub cannot be reached for {repo} ({type(error).__name__}).") from error
        raise
