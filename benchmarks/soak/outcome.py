"""What a soak found: these become the JSON file."""

import msgspec

from currant.bench.results import Check, Environment

#: The last chunk's throughput, at least, as a share of the first one's.
PACE_KEPT = 0.9
#: What a claimed row may cost at most while a transaction is open elsewhere, as a multiple of what it cost before.
CLAIM_COST_MAX = 3.0


class Chunk(msgspec.Struct, frozen=True):
    """So many executions, and what the table was when they were done. Sizes are bytes, by relation."""

    upto: int
    per_s: float
    sizes: dict[str, int]
    live: int
    dead: int
    autovacuums: int

    @property
    def bytes_per_execution(self) -> float:
        return sum(self.sizes.values()) / self.upto


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of time before, while or after a transaction was open elsewhere."""

    name: str
    seconds: float
    per_s: float
    claims: int
    rows: int
    #: The mean time of the client's claims, for each row that they claimed.
    claim_us_per_row: float
    dead: int


class Outcome(msgspec.Struct, kw_only=True):
    """The JSON file."""

    started: str
    command: list[str]
    environment: Environment
    workers: int
    concurrency: int
    jobs: int
    chunk: int
    held_s: float
    chunks: list[Chunk]
    stretches: list[Stretch]
    checks: list[Check]


def pace_kept(chunks: list[Chunk]) -> Check:
    first, last = chunks[0], chunks[-1]
    share = last.per_s / first.per_s if first.per_s else 0.0
    return Check(
        name="throughput kept",
        ok=share >= PACE_KEPT,
        text=f"the last {chunks[-1].upto - (chunks[-2].upto if len(chunks) > 1 else 0):,} executions ran at"
        f" {last.per_s:,.0f}/s, {share:.2f} × the {first.per_s:,.0f}/s of the first {first.upto:,}"
        f" (at least {PACE_KEPT:g} ×)",
    )


def claims_bounded(stretches: list[Stretch]) -> Check:
    before, worst = stretches[0], max(stretches[1:], key=lambda each: each.claim_us_per_row)
    ratio = worst.claim_us_per_row / before.claim_us_per_row if before.claim_us_per_row else 0.0
    return Check(
        name="claims bounded",
        ok=ratio <= CLAIM_COST_MAX,
        text=f"a claimed row cost {before.claim_us_per_row:.1f} µs before the transaction was open, and at the most"
        f" {worst.claim_us_per_row:.1f} µs ({worst.name}), {ratio:.2f} × (at most {CLAIM_COST_MAX:g} ×)",
    )
