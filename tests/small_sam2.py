"""SAM 2 with small random weights, from the library's own classes, as a folder that it saved itself."""

from __future__ import annotations

from pathlib import Path

import torch


def sam2_config():
    """128 pixels, 8 x 8 tokens, three levels."""
    from transformers import Sam2Config
    from transformers.models.sam2.configuration_sam2 import (
        Sam2HieraDetConfig,
        Sam2MaskDecoderConfig,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
    )

    backbone = Sam2HieraDetConfig(
        hidden_size=16, num_attention_heads=1, image_size=[128, 128], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[16, 32, 64, 128], num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[4, 4, 4, 2], global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]], fpn_hidden_size=32,
    )  # fmt: skip
    return Sam2Config(
        vision_config=vision,
        prompt_encoder_config=Sam2PromptEncoderConfig(
            hidden_size=32, image_size=128, patch_size=16, mask_input_channels=4
        ),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=32, mlp_dim=64, num_attention_heads=4, iou_head_hidden_dim=32
        ),
    )


def sam2_folder(folder: Path) -> Path:
    """Write one; masks are not empty, and predicted IoUs lie in 0..1."""
    from transformers import Sam2Model

    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = Sam2Model(sam2_config()).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and "mask_decoder" in name:
                    parameter.normal_(0, 0.15)
                elif parameter.ndim > 1:
                    parameter.normal_(0, 0.08)
    model.save_pretrained(folder)
    return folder
