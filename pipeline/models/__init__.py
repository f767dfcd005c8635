"""Where weights come from: the built-in models, the catalogue of checkpoints, verified downloads, loaders."""
