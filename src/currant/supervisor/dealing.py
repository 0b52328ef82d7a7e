"""Who gets how many of a batch. Pure."""

from collections.abc import Callable


def deal(count: int, places: dict[int, int], chunk_of: Callable[[int], int]) -> dict[int, int]:
    """Deals `count` things to the places: so many to each that all are dealt evenly, or a chunk where that is no less.

    Args:
        places: how many each has room for, in the order of their turns.
        chunk_of: says how many one gets through in no time: a batch of such costs little more than one of them, and is
            better kept together. Of those with most room a few then get all, and the others, which are not asked about,
            nothing. 0: it is not known; such a place gets one.
    """
    left = {name: free for name, free in places.items() if free > 0}
    shares: dict[int, int] = {}
    even = count / max(1, len(left))
    for name, free in sorted(left.items(), key=lambda item: -item[1]):
        if not count:
            break
        chunk = chunk_of(name)
        share = min(chunk or 1, free, count) if not chunk or chunk >= even else 0
        if share:
            shares[name] = share
            left[name] -= share
            count -= share
    if count:
        for name, share in spread(count, left).items():
            shares[name] = shares.get(name, 0) + share
    return shares


def spread(count: int, places: dict[int, int]) -> dict[int, int]:
    """Deals `count` things to the places so that those with most places left get most: what remains is even."""
    shares = {name: 0 for name, free in places.items() if free > 0}
    left = dict(sorted(((name, places[name]) for name in shares), key=lambda item: -item[1]))
    names = list(left)
    while count > 0 and names:
        # Lower the roomiest ones together to the next level, or as far as the count goes.
        top = left[names[0]]
        level = [name for name in names if left[name] == top]
        below = max((left[name] for name in names if left[name] < top), default=0)
        share, extra = divmod(min(count, (top - below) * len(level)), len(level))
        for position, name in enumerate(level):
            taken = share + (position < extra)
            shares[name] += taken
            left[name] -= taken
            count -= taken
        names = sorted((name for name in names if left[name] > 0), key=lambda name: -left[name])
    return shares
