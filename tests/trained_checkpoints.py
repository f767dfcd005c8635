"""Small random checkpoints of the trained comparators, written by the official classes' `save_pretrained`."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.checkpoints import clip_tokenizer


def clipseg(folder: Path) -> Path:
    """A CLIPSeg folder: vision of 4 layers at 64 px, decoder on layers 1 and 3."""
    from transformers import (
        CLIPSegConfig,
        CLIPSegForImageSegmentation,
        CLIPSegProcessor,
        CLIPSegTextConfig,
        CLIPSegVisionConfig,
        ViTImageProcessor,
    )  # fmt: skip

    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    config = CLIPSegConfig(
        text_config=CLIPSegTextConfig(**small, num_hidden_layers=2, bos_token_id=49406, eos_token_id=49407,
                                      pad_token_id=1).to_dict(),
        vision_config=CLIPSegVisionConfig(**small, num_hidden_layers=4, image_size=64, patch_size=16).to_dict(),
        projection_dim=32, extract_layers=[1, 3], reduce_dim=16, decoder_intermediate_size=32,
    )  # fmt: skip
    model = CLIPSegForImageSegmentation(config).eval()
    torch.nn.init.normal_(model.decoder.film_mul.weight)  # so that words make a difference
    model.save_pretrained(folder)
    images = ViTImageProcessor(size={"height": 64, "width": 64})
    CLIPSegProcessor(images, clip_tokenizer(folder)).save_pretrained(folder)
    return folder


def groupvit(folder: Path) -> Path:
    """A GroupViT folder: three stages of one layer at 64 px; its processor cuts out the middle, as the published."""
    from transformers import (
        CLIPImageProcessor,
        CLIPProcessor,
        GroupViTConfig,
        GroupViTModel,
        GroupViTTextConfig,
        GroupViTVisionConfig,
    )  # fmt: skip

    torch.manual_seed(0)
    text = GroupViTTextConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, bos_token_id=49406,
        eos_token_id=49407, pad_token_id=1,
    )  # fmt: skip
    vision = GroupViTVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, depths=(1, 1, 1), num_group_tokens=(8, 4, 0),
        num_output_groups=(8, 4, 4), num_attention_heads=2, image_size=64, patch_size=8,
    )  # fmt: skip
    config = GroupViTConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16,
                            projection_intermediate_dim=32)  # fmt: skip
    GroupViTModel(config).eval().save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    CLIPProcessor(images, clip_tokenizer(folder)).save_pretrained(folder)
    return folder


def sam3(folder: Path) -> Path:
    """A SAM 3 folder: every part of one or two layers, 112 px, ten instances a phrase."""
    from transformers import CLIPTextConfig, Sam3Config, Sam3Model, Sam3Processor
    from transformers.models.sam3.configuration_sam3 import (
        Sam3DETRDecoderConfig,
        Sam3DETREncoderConfig,
        Sam3GeometryEncoderConfig,
        Sam3MaskDecoderConfig,
        Sam3VisionConfig,
        Sam3ViTConfig,
    )  # fmt: skip
    from transformers.models.sam3.image_processing_sam3 import Sam3ImageProcessor

    torch.manual_seed(0)
    part = {"hidden_size": 32, "num_attention_heads": 4}
    layers = {**part, "num_layers": 1, "intermediate_size": 64}
    backbone = Sam3ViTConfig(
        **part, intermediate_size=64, num_hidden_layers=2, image_size=112, patch_size=14, window_size=4,
        global_attn_indexes=[1], pretrain_image_size=56,
    )  # fmt: skip
    config = Sam3Config(
        vision_config=Sam3VisionConfig(
            backbone_config=backbone, fpn_hidden_size=32, backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]]
        ),
        text_config=CLIPTextConfig(
            **part, intermediate_size=64, num_hidden_layers=1, projection_dim=32, max_position_embeddings=32,
            bos_token_id=49406, eos_token_id=49407, pad_token_id=1,
        ),
        geometry_encoder_config=Sam3GeometryEncoderConfig(**layers),
        detr_encoder_config=Sam3DETREncoderConfig(**layers),
        detr_decoder_config=Sam3DETRDecoderConfig(**layers, num_queries=10),
        mask_decoder_config=Sam3MaskDecoderConfig(**part),
    )  # fmt: skip
    Sam3Model(config).eval().save_pretrained(folder)
    images = Sam3ImageProcessor(size={"height": 112, "width": 112})
    Sam3Processor(images, clip_tokenizer(folder)).save_pretrained(folder)
    return folder


MAKERS = {"clipseg": clipseg, "groupvit": groupvit, "sam3": sam3}
