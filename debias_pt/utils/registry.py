"""Registries: things by name, built-in ones and those that other packages bring, and one way to look a name up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from debias_pt.errors import UnknownNameError, UsageError
from debias_pt.utils.typed import Kind, kinds

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
# What an option's value is called, and one to show, by its type.
EXAMPLES = {float: ("NUMBER", "0.5"), int: ("WHOLE NUMBER", "2"), bool: ("true or NAME=false", "true")}


@cache
def _entry_points() -> Any:  # EntryPoints, or what Python 3.10 calls it
    """Every installed package's entry points, read once, and only if somebody asks."""
    from importlib.metadata import entry_points

    return entry_points()


class Registry(MutableMapping[str, T]):
    """Things that can be named; listing the names imports none of them.

    A built-in thing is registered by a module of `room`, which is all it takes to add one. Another package adds its
    own by an entry point of the group ``debias_pt.reweighting``, ``.losses``, ``.heads`` or ``.datasets``.

    Parameters
    ----------
    kind : str
        What these things are, for messages.
    room : str
        The package whose modules register them.
    group : str
        Group of entry points; default the room's name.
    shared : collection of str
        Modules of the room that register nothing.
    file_is_name : bool
        Each module registers one thing, named as its file is with ``-`` for ``_``. Otherwise the modules have to be
        imported to know the names.

    Examples
    --------
    >>> from debias_pt.losses import LOSSES
    >>> "gce" in LOSSES
    True
    >>> LOSSES["gce"].__name__
    'GeneralizedCrossEntropy'
    """

    def __init__(
        self, kind: str, room: str, *, group: str = "", shared: Collection[str] = ("base",), file_is_name: bool = True
    ) -> None:
        self.kind, self.room, self.group = kind, room, group or room
        self.shared, self.file_is_name = frozenset(shared), file_is_name
        self._things: dict[str, T] = {}

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The room's modules that register something, by the name of the file."""
        from pkgutil import iter_modules

        found = [module.name for module in iter_modules(import_module(self.room).__path__)]
        return {name.replace("_", "-"): f"{self.room}.{name}" for name in found if name not in self.shared}

    @cached_property
    def _outside(self) -> dict[str, EntryPoint]:
        """What other packages bring, by name."""
        return {entry.name: entry for entry in _entry_points().select(group=self.group)}

    def _built_in(self) -> Collection[str]:
        if self.file_is_name:
            return {*self._modules, *self._things}
        for module in self._modules.values():
            import_module(module)
        return self._things

    def __getitem__(self, name: str) -> T:
        if name not in self._things:
            if name in self._built_in() and name in self._modules:
                import_module(self._modules[name])
            elif name not in self._things and name in self._outside:
                self._load(self._outside[name])
        return self._things[name]

    def _load(self, entry: EntryPoint) -> None:
        try:
            thing = entry.load()
        except Exception as error:
            raise UsageError(
                f"the {self.kind} {entry.name!r} of {entry.value} cannot be imported "
                f"({type(error).__name__}: {error}); "
                "fix or uninstall the package that provides it"
            ) from error
        self._things.setdefault(entry.name, thing)

    def __setitem__(self, name: str, thing: T) -> None:
        self._things[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._things or name in self._built_in() or name in self._outside

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._built_in(), *self._outside}))

    def __len__(self) -> int:
        return len(list(iter(self)))


def register(registry: MutableMapping[str, T], name: str) -> Callable[[T], T]:
    """Return a decorator that files an object in `registry` under `name`.

    Parameters
    ----------
    registry : Registry or dict
        The registry to fill.
    name : str
        The name people will type.

    Raises
    ------
    KeyError
        If the name is taken.

    Examples
    --------
    >>> schedulers = {}
    >>> @register(schedulers, "mine")
    ... class Mine: ...
    >>> list(schedulers)
    ['mine']
    """

    def add(thing: T) -> T:
        taken = registry._things if isinstance(registry, Registry) else registry
        if name in taken:
            raise KeyError(f"{name!r} is registered twice")
        registry[name] = thing
        return thing

    return add


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to `name`, or an empty string.

    Examples
    --------
    >>> nearest("dtp", ["dpt", "erm"])
    " (did you mean 'dpt'?)"
    """
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""


def lookup(registry: Mapping[str, T], name: str, kind: str) -> T:
    """Return ``registry[name]``.

    Raises
    ------
    UnknownNameError
        If the name is not known; names the nearest one and lists all.

    Examples
    --------
    >>> lookup({"dpt": 1, "erm": 2}, "emr", "method")
    Traceback (most recent call last):
    debias_pt.errors.UnknownNameError: unknown method 'emr' (did you mean 'erm'?); known: dpt, erm
    """
    if name not in registry:
        raise UnknownNameError(f"unknown {kind} {name!r}{nearest(name, registry)}; known: {', '.join(registry)}")
    return registry[name]


def build(registry: Mapping[str, type[T]], name: str, kind: str, words: Sequence[str] = (), /, **options: Any) -> T:
    """Build the class filed under `name`.

    Parameters
    ----------
    registry, name, kind
        As of :func:`lookup`.
    words : sequence of str
        Options as text, ``NAME=VALUE`` each; the class's annotations say what a value is.
    **options
        Options by name; those that are None are left to the class's defaults.

    Raises
    ------
    UnknownNameError
        If the name is not known.
    UsageError
        If the class does not take an option that was given, or refuses its value, or if one is given twice.

    Examples
    --------
    >>> from fractions import Fraction
    >>> build({"rational": Fraction}, "rational", "number", numerator=3, denominator=None)
    Fraction(3, 1)
    >>> build({"rational": Fraction}, "rational", "number", q=1)
    Traceback (most recent call last):
    debias_pt.errors.UsageError: the number 'rational' does not take q; leave it out
    """
    chosen = lookup(registry, name, kind)
    takes = [parameter for parameter in signature(chosen).parameters if parameter != "self"]
    given = {key: value for key, value in options.items() if value is not None}
    foreign = [key for key in given if key not in takes]
    if foreign:
        raise UsageError(f"the {kind} {name!r} does not take {', '.join(foreign)}; leave it out")
    for word in words:
        option = word.partition("=")[0]
        if option not in takes:
            known = f"it takes {', '.join(takes)}" if takes else "it takes none"
            raise UsageError(f"the {kind} {name!r} has no option {option!r}{nearest(option, takes)}; {known}")
        if option in given:
            raise UsageError(f"the option {option!r} of the {kind} {name!r} is given twice; give it once")
        given[option] = _value(word, kinds(chosen).get(option, Kind(object)), kind)
    return chosen(**given)


def _value(word: str, declared: Kind, kind: str) -> Any:
    """Return the value in ``NAME=VALUE``."""
    option, equals, text = word.partition("=")
    try:
        if equals:
            return declared.of_text(text)
    except ValueError:
        pass
    value, example = EXAMPLES.get(declared.base, ("VALUE", "..."))
    raise UsageError(f"the {kind}'s option {word!r} is not NAME={value}; write {option}={example}")


def options_of(thing: object) -> dict[str, Any]:
    """Return the options that a thing was built with, as far as it keeps them under their names.

    Examples
    --------
    >>> from fractions import Fraction
    >>> options_of(Fraction(1, 2))
    {'numerator': 1, 'denominator': 2}
    """
    return {name: getattr(thing, name) for name in signature(type(thing)).parameters if hasattr(thing, name)}
