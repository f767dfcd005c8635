"""Labels to regions, regions to prompts, prompts to refined masks."""

from .refine import METHODS, refine
from .settings import RefineSettings

__all__ = ["METHODS", "RefineSettings", "refine"]
