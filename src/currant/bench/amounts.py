"""Numbers as text for people: as many digits as say something, and bars of characters. Pure."""

from collections.abc import Sequence

from currant.bench.results import Bucket

_EIGHTHS = "▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_BYTES = ("B", "kB", "MB", "GB", "TB")


def amount(value: float) -> str:
    """Returns the number with three digits that count, or all before the point."""
    size = abs(value)
    if size >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    if size >= 0.9995:
        return f"{value:.2f}"
    # Below a ten-thousandth `g` would write exponents.
    return f"{value:.3g}" if size >= 0.0001 else f"{value:.6f}"


def percent(share: float) -> str:
    """Returns the share, of 1, as a percentage without its sign; what is there is not shown as 0, nor 99.99 as 100."""
    value = share * 100
    text = f"{value:.1f}" if 0 < value < 99.95 else f"{value:.2f}".rstrip("0").rstrip(".")
    return "<0.1" if text == "0.0" else text


def size(count: float) -> tuple[str, str]:
    """Returns a number of bytes, and the unit in which it is."""
    place = 0
    while count >= 10_000 and place < len(_BYTES) - 1:
        count /= 1000
        place += 1
    return amount(count), _BYTES[place]


def bar(share: float, width: int) -> str:
    """Returns so large a share of a bar of so many characters; of anything there is at least an eighth of one."""
    eighths = max(1, round(share * width * 8)) if share > 0 else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def levels(shares: Sequence[float]) -> str:
    """Returns a character for each share of 1, the higher the larger it is."""
    return "".join(_LEVELS[min(7, max(0, int(share * 8)))] for share in shares)


def merged(buckets: Sequence[Bucket], lines: int) -> list[Bucket]:
    """Returns at most so many buckets: neighbours with the fewest latencies become one, so that the bulk stays fine."""
    full = [place for place, bucket in enumerate(buckets) if bucket.count]
    rest = list(buckets[full[0] : full[-1] + 1]) if full else []
    while len(rest) > max(1, lines):
        at = min(range(len(rest) - 1), key=lambda place: rest[place].count + rest[place + 1].count)
        rest[at : at + 2] = [Bucket(rest[at + 1].up_to_ms, rest[at].count + rest[at + 1].count)]
    return rest
