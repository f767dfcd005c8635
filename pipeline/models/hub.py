"""Files of the Hugging Face hub in the hub's own cache, so that every other program on the machine finds them too.

`huggingface_hub` knows addresses, tokens, names and the cache's layout (`HF_HOME`, `HF_HUB_CACHE`); the bytes are
brought by `download`, because `hf_hub_download` begins a broken-off file anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import NamebrushError
from ..progress import Progress
from .download import Check, DownloadError, download, offline

WEIGHTS = (".safetensors", ".bin")
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
    found = cached_file(repo, name)
    if found is not None:
        return found
    if offline():
        raise NamebrushError(f"{repo}/{name} is not in {cache_dir()} and HF_HUB_OFFLINE forbids fetching it.")
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(repo, name)
    with _explained(repo):
        meta = get_hf_file_metadata(url)
    tag = meta.etag or ""
    if re.fullmatch(r"[0-9a-f]{64}", tag):
        checks = (*checks, Check("sha256", tag))
    elif re.fullmatch(r"[0-9a-f]{40}", tag):
        checks = (*checks, Check("git-sha1", tag))
    if tag:
        folder = repo_folder_name(repo_id=repo, repo_type="model")
        blob = cache_dir() / folder / "blobs" / tag
        lock = cache_dir() / ".locks" / folder / f"{tag}.lock"  # the hub library's own
        headers = {k: v for k, v in build_hf_headers().items() if k.lower() == "authorization"}
        download(
            url, blob, label=label, checks=checks, size=meta.size, headers=headers, lock=lock, progress=progress
        )
    with _explained(repo):  # finds the blob in place and only writes the names that lead to it
        return Path(hf_hub_download(repo, name, cache_dir=cache_dir()))


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
    sizes = {entry.rfilename: entry.size or 0 for entry in listing}
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


def _components(index: Path) -> list[str]:
    """Names of the parts a pipeline really has: `[library, class]` with a library."""
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NamebrushError(f"{index} cannot be read as the index of a diffusers pipeline.") from error
    return [k for k, v in entries.items() if isinstance(v, list) and len(v) == 2 and v[0] is not None]


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
