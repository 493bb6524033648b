"""What a pickle says, without loading it: nothing is imported, nothing is called, no class is looked up.

The opcodes are walked with a stack of plain values, as the format describes them; whatever would make an object
becomes a `Thing` that only carries the names. Size and number of steps are bounded, so a pickle made to burst is cut.

Source: the opcodes of `pickletools`, protocols 0 to 5.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import Any

MOST_STEPS = 50_000
#: What a broken pickle makes `pickletools` and our walk raise.
_BROKEN = (
    ValueError,
    EOFError,
    OverflowError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
)


class UnreadablePickle(Exception):
    """The bytes are no pickle, or end too early; the message says where."""


@dataclass(eq=False)
class Thing:
    """What the pickle would make: a class or function (`name` alone), or the outcome of calling it with `args`."""

    name: str
    called: bool = False
    args: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Pairs:
    """A dict, whose keys may be anything here."""

    items: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, key: str) -> Any:
        return next((value for name, value in self.items if isinstance(name, str) and name == key), None)


class _Mark:
    """Where a collection begins on the stack."""


def read_pickle(data: bytes) -> Any:
    """None, bool, int, float, str, bytes, list, tuple, Pairs, Thing, nested. Raises UnreadablePickle.

    Collections may contain themselves, and the same value may stand in many places: walk them with a bound.
    """
    walk = _Walk()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if step >= MOST_STEPS:
                raise UnreadablePickle(f"it has more than {MOST_STEPS:,} steps")
            if opcode.name == "STOP":
                return walk.stack[-1]
            walk.step(opcode.name, argument)
    except _BROKEN as error:
        raise UnreadablePickle(f"it is broken ({type(error).__name__})") from None
    raise UnreadablePickle("it has no end")


class _Walk:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _NOTHING:
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _PLAIN:
            self.stack.append(argument)
        else:
            getattr(self, f"_{name.lower()}", self._unknown)(argument)

    def _unknown(self, argument: Any) -> None:
        """Persistent ids, extension codes, out-of-band buffers: something stands here, we do not know what."""
        self.stack.append(Thing("a value kept elsewhere", called=True))

    def _mark(self, _: Any) -> None:
        self.stack.append(_Mark)

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _since_mark(self) -> list[Any]:
        taken = []
        while (value := self.stack.pop()) is not _Mark:
            taken.append(value)
        return taken[::-1]

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    _binget = _long_binget = _get

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _: Any) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self, _: Any) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, _: Any) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    _frozenset = _list

    def _dict(self, _: Any) -> None:
        self.stack.append(Pairs(_paired(self._since_mark())))

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        self._add([value])

    def _appends(self, _: Any) -> None:
        self._add(self._since_mark())

    _additems = _appends

    def _add(self, values: list[Any]) -> None:
        into = self.stack[-1]
        into = into.items if isinstance(into, Thing) else into
        if isinstance(into, list):
            into.extend(values)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([(key, value)])

    def _setitems(self, _: Any) -> None:
        self._set(_paired(self._since_mark()))

    def _set(self, pairs: list[tuple[Any, Any]]) -> None:
        into = self.stack[-1]
        if isinstance(into, Pairs | Thing):
            into.items.extend(pairs)

    def _global(self, names: str) -> None:
        self.stack.append(Thing(_dotted(*names.split(" ", 1))))

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Thing(_dotted(module, name)))

    def _reduce(self, _: Any) -> None:
        args, maker = self.stack.pop(), self.stack.pop()
        self.stack.append(_made(maker, args))

    _newobj = _reduce

    def _newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._reduce(None)

    def _inst(self, names: str) -> None:
        self.stack.append(_made(Thing(_dotted(*names.split(" ", 1))), tuple(self._since_mark())))

    def _obj(self, _: Any) -> None:
        maker, *args = self._since_mark()
        self.stack.append(_made(maker, tuple(args)))

    def _build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Thing):
            self.stack[-1].state = state


_NOTHING = {"PROTO", "FRAME", "READONLY_BUFFER"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Any] = {"EMPTY_LIST": list, "EMPTY_DICT": Pairs, "EMPTY_SET": list}
_PLAIN = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip


def _paired(values: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _dotted(module: Any, name: Any = "") -> str:
    return f"{str(module)[:200]}.{str(name)[:200]}"


def _made(maker: Any, args: Any) -> Thing:
    return Thing(maker.name if isinstance(maker, Thing) else "an object", called=True, args=args)
