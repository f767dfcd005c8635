"""Datasets, metrics and tables: how well a method names the pixels of pictures whose truth is known."""
