"""The other paradigm: masks first, words second. `settings` and `names` are light and import no model library."""
