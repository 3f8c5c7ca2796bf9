"""How fast we are, against a floor: both measured in one run, by turns.

A figure by itself says how fast a machine is, and on a busy one not even that.  So each
benchmark has a *floor*, the least that could do the same, and the ratio of the two is what is
kept (docs/performance.md).
"""
