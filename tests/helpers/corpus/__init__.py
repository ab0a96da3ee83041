"""Files that bundles could be made of, sound and hostile, for every reader: Python's and the app's.

`texts`, `manifests`, `goldens`, `zips` and `folders` have two parts each: cases by hand with the verdict that every
reader must give, and a grammar that makes others from a random number generator, about which the readers only have to
agree.
`readers` asks them. A further kind is a module like these and a line in `kinds`.
"""
