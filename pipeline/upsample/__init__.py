"""From the models' coarse grids to the photo's pixels.

`bilinear` is `segment`'s own and needs nothing. `bilateral` lets the photo decide where one score ends and the next
begins. `loftup` is a trained network that makes the dense features themselves finer, before any word is compared.
"""

from __future__ import annotations

#: Every upsampler and what it does, for a person.
UPSAMPLERS = {
    "bilinear": "smooth between the grid's points; the papers' own",
    "bilateral": "joint bilateral: smooth where the photo is, sharp where its colours change (Kopf et al., 2007)",
    "loftup": "LoftUp's trained network makes the features finer first (Huang et al., ICCV 2025); CLIP ViT-B/16 only",
}
