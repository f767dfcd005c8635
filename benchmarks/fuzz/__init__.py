"""Damages good inputs in many ways and sends them through every door that takes what comes from outside.

    python -m benchmarks.fuzz [--minutes M | --cases N] [--seed S] [--doors pictures,sessions,rle,options,events]
    python -m benchmarks.fuzz --replay DOOR FILE

Every case runs in a child process, so that a crash is seen as one. A case is good when it is served, or refused in a
`NamebrushError`; it is bad when it raises anything else, ends its process, takes longer than 5 seconds or more than
600 MB. Bad cases are kept as files, and the exit status says whether there were any. The same seed makes the same
cases.
"""
