"""The attributes that discovery tries, and the everyday words they are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from debias_pt.datasets.attributes import Attribute
from debias_pt.errors import UsageError

FOLDER = Path(__file__).parent / "vocabulary"
ATTRIBUTES = "attributes.txt"
MOST_LINES = 20_000
MOST_LETTERS = 60  # of a word or phrase


@dataclass(frozen=True)
class Vocabulary:
    """Attributes to try, each with values that exclude each other and several phrases for each value.

    Parameters
    ----------
    attributes : tuple of Attribute
        Which of an attribute's values matter is found out; most have more than a data set shows.
    source : str
        Where they come from.
    repeated : int
        How many lines were left out because they stood before.
    replaced : tuple of str
        Built-in attributes whose name a file gives to another.

    Examples
    --------
    >>> Vocabulary.of(["place=indoors|a room:outdoors", "lake", "forest", "lake"], "own").attributes[1].values
    {'lake': ('lake',), 'forest': ('forest',)}
    """

    attributes: tuple[Attribute, ...]
    source: str = "built in"
    repeated: int = 0
    replaced: tuple[str, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[str], name: str = "words", source: str = "given") -> Vocabulary:
        """Read attributes, one a line as ``--attribute`` takes them; plain words are the values of one attribute.

        Parameters
        ----------
        lines : iterable of str
            Empty lines do not count.
        name : str
            Of the attribute that plain words are values of.
        source : str

        Raises
        ------
        UsageError
            If an attribute is named twice, or a line is none.
        """
        found: dict[str, Attribute] = {}
        words: dict[str, tuple[str, ...]] = {}
        repeated = 0
        for line in (" ".join(one.split()) for one in lines):
            if "=" in line:
                attribute = Attribute.parse(line)
                if attribute.name in found:
                    raise UsageError(f"the attribute {attribute.name!r} is given twice; give each another name")
                found[attribute.name] = attribute
            elif line:
                repeated += line in words
                words[line] = (line,)
        if len(words) > 1 and name not in found:
            found[name] = Attribute(name, words)
        elif words:
            raise UsageError(
                f"the word {next(iter(words))!r} stands alone; give two or more, or write {name}=land|forest:water|sea"
            )
        return cls(tuple(found.values()), source, repeated)

    def __len__(self) -> int:
        return len(self.attributes)

    def plus(self, other: Vocabulary) -> Vocabulary:
        """Return these attributes and another vocabulary's, which takes the place of those of the same name."""
        names = {one.name for one in other.attributes}
        kept = tuple(one for one in self.attributes if one.name not in names)
        replaced = tuple(one.name for one in self.attributes if one.name in names)
        repeated = self.repeated + other.repeated
        return Vocabulary((*kept, *other.attributes), f"{self.source}, {other.source}", repeated, replaced)


def built_in() -> Vocabulary:
    """Return the attributes of the package.

    Examples
    --------
    >>> [len(one.values) for one in built_in().attributes if one.name in ("place", "style")]
    [2, 6]
    """
    return Vocabulary.of(_lines(FOLDER / ATTRIBUTES), source="built in")


def everyday_words() -> tuple[str, ...]:
    """Return the words of the package that phrases must do better than, about 1,600.

    Examples
    --------
    >>> len(everyday_words()) > 1500, "lake" in everyday_words()
    (True, True)
    """
    files = (path for path in sorted(FOLDER.glob("*.txt")) if path.name != ATTRIBUTES)
    return tuple(dict.fromkeys(line for path in files for line in _lines(path)))


def read_vocabulary(name: str | None) -> Vocabulary:
    """Return the attributes of a file; with ``+`` before its name, in addition to the built-in ones.

    Parameters
    ----------
    name : str, optional
        Path of a text file in UTF-8: attributes as ``--attribute`` takes them, one a line, or words, which are the
        values of one attribute named after the file. Lines that begin with ``#`` are comments, empty lines do not
        count. Without it, the built-in attributes.

    Raises
    ------
    UsageError
        If the file cannot be read, has nothing to try or more than 20,000 lines, or a line is neither.
    """
    if name is None:
        return built_in()
    path = Path(name.removeprefix("+"))
    lines = _lines(path)
    if not 1 <= len(lines) <= MOST_LINES:
        raise UsageError(
            f"{path}: {len(lines)} lines with words; 1 to {MOST_LINES} expected, such as place=indoors:outdoors"
        )
    try:
        read = Vocabulary.of(lines, path.stem, str(path))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return built_in().plus(read) if name.startswith("+") else read


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"the vocabulary {path} cannot be read: {error.strerror}; give a text file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the vocabulary {path} is no text in UTF-8 ({error.reason}); save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        if "=" not in line and any(mark in line for mark in ":|"):
            raise UsageError(
                f"{path}, line {number}: {line!r} has ':' or '|' and no name; write name=land|forest:water|sea"
            )
        longest = max(len(one.strip()) for one in line.replace(":", "|").split("|"))
        if longest > MOST_LETTERS:
            raise UsageError(
                f"{path}, line {number}: a phrase of {longest} letters; words and phrases have at most {MOST_LETTERS}"
            )
    return [line for line in lines if line.strip() and not line.startswith("#")]
