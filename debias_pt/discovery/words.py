"""The words that may name a shortcut: the vocabulary of the package, or a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from debias_pt.errors import UsageError

FOLDER = Path(__file__).parent / "vocabulary"
MOST_WORDS = 20_000
MOST_LETTERS = 60


@dataclass(frozen=True)
class Vocabulary:
    """Words and phrases in categories.

    Parameters
    ----------
    categories : mapping of str to str
        The category of each word, in the order of the words.
    repeated : int
        How many lines were left out because the word stood before.
    source : str
        Where the words come from.

    Examples
    --------
    >>> list(Vocabulary.of(["lake", "forest", "lake"]))
    ['lake', 'forest']
    """

    categories: Mapping[str, str] = field(repr=False)
    repeated: int = 0
    source: str = "built in"

    @classmethod
    def of(cls, words: Iterable[str], category: str = "given", source: str = "given") -> Vocabulary:
        """Return a vocabulary of these words; empty ones and repetitions are left out."""
        found: dict[str, str] = {}
        repeated = 0
        for word in (" ".join(one.split()) for one in words):
            repeated += word in found
            if word:
                found.setdefault(word, category)
        return cls(found, repeated, source)

    def __len__(self) -> int:
        return len(self.categories)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.categories)

    def plus(self, other: Vocabulary) -> Vocabulary:
        """Return these words and those of another vocabulary that are not among them."""
        new = {word: name for word, name in other.categories.items() if word not in self.categories}
        repeated = self.repeated + other.repeated + len(other) - len(new)
        return replace(
            self, categories={**self.categories, **new}, repeated=repeated, source=f"{self.source}, {other.source}"
        )


def built_in() -> Vocabulary:
    """Return the vocabulary of the package, about 1,600 words; a category per file.

    Examples
    --------
    >>> len(built_in()) > 1500, built_in().categories["lake"]
    (True, 'places-nature')
    """
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        found.update(dict.fromkeys(_lines(path), path.stem))
    return Vocabulary(found)


def read_vocabulary(name: str | None) -> Vocabulary:
    """Return the words of a file, one per line; with ``+`` before its name, in addition to the built-in ones.

    Parameters
    ----------
    name : str, optional
        Path of a text file in UTF-8. Lines that begin with ``#`` are comments, empty lines do not count. Without it,
        the built-in vocabulary.

    Raises
    ------
    UsageError
        If the file cannot be read, has fewer than two words, or more than 20,000, or a line is no word or phrase.
    """
    if name is None:
        return built_in()
    path = Path(name.removeprefix("+"))
    read = Vocabulary.of(_lines(path), path.stem, str(path))
    found = built_in().plus(read) if name.startswith("+") else read
    if not 2 <= len(found) <= MOST_WORDS:
        raise UsageError(f"{path}: {len(found)} different words; 2 to {MOST_WORDS} expected, one per line")
    return found


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"the vocabulary {path} cannot be read: {error.strerror}; give a text file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the vocabulary {path} is no text in UTF-8 ({error.reason}); save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if len(line) > MOST_LETTERS and not line.startswith("#"):
            raise UsageError(
                f"{path}, line {number}: {len(line)} letters; write one word or phrase per line, at most {MOST_LETTERS}"
            )
        if any(mark in line for mark in "=:|") and not line.startswith("#"):
            raise UsageError(
                f"{path}, line {number}: {line!r} has '=', ':' or '|', which an attribute cannot have; leave it out"
            )
    return [line for line in lines if not line.startswith("#")]
