"""What was done to a photo, step by step: undo, redo, jump, branch, save, reopen, do again."""

from .session import open_session, save_session
from .steps import History, Step, edited, opened, segmented

__all__ = ["History", "Step", "edited", "open_session", "opened", "save_session", "segmented"]
