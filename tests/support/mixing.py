"""The random numbers that scripts and tests have in common."""


def mix(a, b):
    """unroll::mix"""
    z = (a * 0x9E3779B97F4A7C15 + b + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)
