"""The part of the engine's door that a person's hand uses: select, correct, edit. Mixed into `pipeline.Pipeline`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .ample import ample as with_ends
from .correct import correct
from .device import on_device, share_of, shared_progress
from .edit.door import check_request, edit
from .edit.kinds import KINDS
from .edit.masks import Stroke
from .edit.settings import EditSettings
from .models.loaders import Models
from .photo import PhotoSource
from .picked import name_of, selection
from .progress import Progress
from .records import EditRequest, EditResult, Photo, Region, SamEmbedding, Segmentation
from .select import coarse, select
from .settings import SelectSettings, split


class ByHand:
    """Masks by hand and edits, over what `Pipeline` has: its models, its photos, its cache of SAM's features."""

    models: Models

    def open(self, source: PhotoSource) -> Photo:
        """Open a photo; `Pipeline` does it."""
        raise NotImplementedError

    def sam_embedding(self, photo: Photo, progress: Progress | None = None) -> SamEmbedding:
        """What prompts need of SAM; `Pipeline` keeps it."""
        raise NotImplementedError

    def select(
        self,
        photo: PhotoSource,
        points: Iterable[Sequence[float]] = (),
        box: Sequence[float] | None = None,
        region: Region | None = None,
        *,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Region:
        """Make a mask by hand, or correct one; SAM's image encoder runs on a photo's first use at most.

        Args:
            photo: anything `open` takes.
            points: (x, y) or (x, y, label) in photo pixels; label 1 (also if left out) belongs, 0 does not.
            box: x0, y0, x1, y1 with exclusive ends.
            region: the mask that the points correct.
            progress: see the class.
            settings: fields of `settings.SelectSettings`.

        Raises:
            NamebrushError: neither point nor box, or one outside the photo.
        """
        (chosen,) = split(settings, SelectSettings)
        photo, run = self.open(photo), progress or Progress()
        asked = [(float(p[0]), float(p[1]), int(p[2]) if len(p) > 2 else 1) for p in points]
        with self._asking_sam(photo, run) as embedding:
            part = share_of(run, 0.8, 1.0)
            made = select(photo, self.models.sam, embedding, asked, box, region, chosen.gate, part)
            return with_ends(photo, made) if chosen.ample else made

    def correct(
        self,
        segmentation: Segmentation,
        region: int | Region,
        *,
        add: Iterable[Sequence[float]] = (),
        remove: Iterable[int | Sequence[float]] = (),
        box: Sequence[float] | None | bool = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> Segmentation:
        """Change a region's prompt; only that region is decoded again, from its own low-resolution logits.

        What else a person decides about regions (accept, reject, merge, split, rename) is in `regions_edit`.

        Args:
            segmentation: what is corrected; it stays as it is.
            region: one of its regions, by id or itself.
            add: points (x, y) or (x, y, label) in photo pixels; label 1 (also if left out) belongs, 0 does not.
            remove: points of the region's prompt to take away, by index or by place (the nearest).
            box: the moved box x0, y0, x1, y1; None keeps it, False takes it away.
            progress: see the class.
            settings: fields of `settings.SelectSettings`.

        Returns:
            The segmentation with the region redrawn under its id, name and class; see `regions_edit.put`.

        Raises:
            NamebrushError: nothing is changed, nothing would be left of the prompt, or an empty mask.
        """
        (chosen,) = split(settings, SelectSettings)
        run = progress or Progress()
        with self._asking_sam(segmentation.photo, run) as embedding:
            return correct(
                segmentation, region, self.models.sam, embedding, tuple(add), tuple(remove), box, chosen.gate,
                share_of(run, 0.8, 1.0),
            )  # fmt: skip

    @contextmanager
    def _asking_sam(self, photo: Photo, run: Progress):
        """The stage of a mask by hand: a function for SAM's embedding, called only where SAM makes the mask."""
        with run.stage("select"):
            yield lambda: self.sam_embedding(photo, shared_progress(run, 0.0, 0.8))

    def edit(
        self,
        photo: PhotoSource,
        what: Region | Iterable[Region] | np.ndarray | None = None,
        kind: str = "remove",
        prompt: str = "",
        seed: int = 0,
        *,
        minus: Region | Iterable[Region] | np.ndarray | None = None,
        strokes: Iterable[Stroke] = (),
        picture: PhotoSource | None = None,
        ample: bool = False,
        progress: Progress | None = None,
        **settings: Any,
    ) -> EditResult:
        """Change what is selected; every pixel outside the mask really used stays as it is.

        Args:
            photo: anything `open` takes.
            what: a region, several regions (all of them are changed), or a mask bool [H, W]; None where strokes alone
                select, and for "extend", which needs no selection.
            kind: a name of `edit.kinds.KINDS`, which says what each reads: "remove", "replace", "restyle", "recolor",
                "blur", "background", "cutout", "move" or "extend".
            prompt: what shall be there, in words.
            seed: same seed, same picture.
            minus: regions or a mask taken away from the selection.
            strokes: of the person's brush, drawn after that.
            picture: the photo that becomes the background, for "background".
            ample: regions whose masks may miss the ends of a thing take rather too much, see `ample.ample`.
            progress: see the class.
            settings: further fields of `edit.settings.EditSettings`.

        Raises:
            NamebrushError: an empty selection, one of another photo's size, an unknown setting or one out of range, or
                a model that is needed and not here.
        """
        photo, run = self.open(photo), progress or Progress()
        (chosen,) = split({"kind": kind, "prompt": prompt, "seed": seed, **settings}, EditSettings)
        fields = dataclasses.asdict(chosen)
        what = what if isinstance(what, (Region, np.ndarray)) else tuple(what or ())
        fields["subject"] = fields["subject"] or name_of(what)
        if ample and not isinstance(what, np.ndarray):
            what = self._ample(photo, (what,) if isinstance(what, Region) else what)
        mask = selection(what, photo.size, minus, strokes, KINDS[kind].mask)
        request = EditRequest(mask=mask, picture=None if picture is None else self.open(picture), **fields)
        return self.do(photo, request, run)

    def _ample(self, photo: Photo, what: tuple) -> tuple:
        """Regions with their ends; a SAM that made one of them is loaded already."""
        rough = any(isinstance(one, Region) and one.made_by == "sam" for one in what) and coarse(self.models.sam)
        return tuple(with_ends(photo, one, rough) if isinstance(one, Region) else one for one in what)

    def do(self, photo: Photo, request: EditRequest, progress: Progress | None = None) -> EditResult:
        """An edit as a request says it, such as one from a session file; `edit` builds the request."""
        run = progress or Progress()
        if check_request(request) != "diffusion":  # no model runs, so nobody needs to wait for it
            return edit(photo, request, self.models, run)
        from .judging import judge_of

        judge = judge_of(self, request, run)
        return edit(photo, request, self.models, run, judge, lambda: on_device(self.models.device, run, "inpaint"))
