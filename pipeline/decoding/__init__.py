"""Pictures of strangers are decoded in a process of their own, which may die without anybody else noticing.

`structure` and `directories` check a file's outer structure before any library reads it, `limits` are the kernel's
limits, `worker` is the program that decodes, `process` the server's handle on one such program, `pool` keeps two of
them warm and serves whoever waits fairly.
"""
