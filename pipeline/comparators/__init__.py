"""Models trained for segmentation by words, to compare the training-free methods with; run by `transformers` alone.

They are chosen as methods by name and answer with the same `Segmentation`. `registry` lists them and imports nothing
heavy; `shelf` finds and loads their weights; one file each says how one is asked.
"""
