"""One photo and one list of names under several methods, refinements and sets of models: run, measure, say, show."""
