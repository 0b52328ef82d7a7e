"""Classes that jobs take and return, for the tests of the codec."""

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Any, NamedTuple, TypedDict

import msgspec
import pydantic


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Flags(enum.IntFlag):
    READ = 1
    WRITE = 2


class Broken(enum.Enum):
    NUL = "a\0b"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    start: Point
    ends: list[Point] = dataclasses.field(default_factory=list)
    day: datetime.date | None = None


@dataclasses.dataclass(eq=False)
class Unequal:
    anything: Any
    hidden: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass
class Explosive:
    x: int

    def __post_init__(self) -> None:
        if self.x > 9:
            raise KeyError("too much")


@dataclasses.dataclass
class Doubled:
    x: int

    def __post_init__(self) -> None:
        self.x *= 2


class Person(TypedDict, total=False):
    name: str
    born: datetime.date


class Pair(NamedTuple):
    left: uuid.UUID
    right: int = 0


class Order(msgspec.Struct):
    id: uuid.UUID
    total: decimal.Decimal
    color: Color = Color.RED


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: set[str]


class Account(pydantic.BaseModel):
    id: uuid.UUID
    opened: datetime.datetime
    limit: decimal.Decimal = decimal.Decimal("0.00")
    email: str = pydantic.Field(default="", alias="eMail")
    _cache: dict[str, int] = pydantic.PrivateAttr(default_factory=dict)


class Savings(Account):
    rate: float = 0.0


class StrictDay(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")
    day: datetime.date
    count: int

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return self.count * 2


class Draft(pydantic.BaseModel):
    text: str
    words: int = pydantic.Field(default=0, exclude=True)


class Vault(pydantic.BaseModel):
    key: pydantic.SecretStr


@dataclasses.dataclass
class Holder:
    account: Account | None
    days: dict[str, StrictDay]


class Foreign:
    """Neither a dataclass nor a model."""


class Text(str):
    __slots__ = ()
