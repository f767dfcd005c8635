"""The methods, one short file per idea. Every file here is imported by `recipes.load_methods`; none is listed twice.

A file registers its `Recipe`s, and where the shared parts do not do it, a `window_family` (pixels of one window to
features) and a `word_reader` (features and words to scores). docs/methods.md explains both with an example.
"""

#: The order of tables and choices; files that are not named follow by their names.
ORDER = (
    "last_block", "two_streams", "resclip", "sc_clip", "itaclip", "cliptrase", "cliper", "clip_rc", "multilayer",
    "proxies", "s2clip", "corrclip",
)
