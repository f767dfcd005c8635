"""Labels to regions, regions to prompts, prompts to refined masks.

`refine.refine.refine` does all of it; `refine.settings.RefineSettings` is light and imports no model library, so that
the command line can list its flags at once.
"""
