"""Read sentences with their sentiment, and divide them so that no part knows a phrase of another.

Two sets are understood: SST-2 in the form in which GLUE publishes it (``train.tsv``: phrases of film reviews, each
0 or 1), and the film review snippets that come with the package vaderSentiment (a mean rating from -4 to 4
each). SST-2's phrases lie inside one another, as they are nodes of parse trees: a phrase in the training part
and the sentence around it in the test part would tell each other's label. So the parents, which lie inside no
other phrase, are divided, and a phrase goes with its parent. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mdisim.profiles.build.records import BuildError
from mdisim.profiles.halves import divided

CLASSES = ("negative", "positive")
PARTS = ("train", "calibration", "test")
SST_SOURCE = (
    "SST-2 (Socher et al., Recursive Deep Models for Semantic Compositionality over a Sentiment Treebank, EMNLP "
    "2013; in GLUE's form, Wang et al., ICLR 2019): labelled phrases of GLUE's training set"
)
MOVIE_SOURCE = (
    "film review snippets with the mean rating of 20 people (Hutto and Gilbert, VADER, ICWSM 2014), as in the "
    "source archive of the package vaderSentiment 3.3.2"
)
MOVIE_FILE = "movieReviewSnippets_GroundTruth.txt"
UNCLEAR = 0.5  # ratings run from -4 to 4; below this in size people did not agree on a sentiment


class TextError(BuildError):
    """A set of sentences cannot be read; the message says where and what would do."""


@dataclass(frozen=True)
class Labelled:
    """Texts and their classes, int64 [n], as published."""

    name: str
    source: str
    licence: str
    texts: tuple[str, ...]
    label: NDArray[np.int64]

    @property
    def sha256(self) -> str:
        """The digest of all labels and texts in their order."""
        lines = (f"{label}\t{text}\n" for label, text in zip(self.label, self.texts, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Divided:
    """A set of texts in three parts, in random order.

    ``part`` uint8 [n]: 0 train, 1 calibration, 2 test; ``group`` int32 [n]: the parent that a text lies in.
    ``counts``: how many texts were read, left out for each reason, and are in each part.
    """

    of: Labelled
    texts: tuple[str, ...]
    label: NDArray[np.int64]
    part: NDArray[np.uint8]
    group: NDArray[np.int32]
    counts: Mapping[str, int]

    def chosen(self, *parts: int) -> NDArray[np.int64]:
        """The places of the texts of some parts."""
        return np.flatnonzero(np.isin(self.part, parts))


def read_sst2(path: Path) -> Labelled:
    """Read ``train.tsv``, or the folder it lies in: a header, then a label and a phrase a line in either order."""
    file = path / "train.tsv" if path.is_dir() else path
    lines = read_text(file, "GLUE's SST-2 has it (train.tsv)").splitlines()
    columns = [name.strip().lower() for name in lines[0].split("\t")] if lines else []
    if len(columns) != 2 or "label" not in columns:
        raise TextError(f"{file}: its first line must name two columns, label and sentence, with a tab between")
    at = columns.index("label")
    rows = [line.split("\t") for line in lines[1:]]
    for i, row in enumerate(rows):
        if len(row) != 2 or row[at] not in ("0", "1"):
            raise TextError(f"{file}, line {i + 2}: a phrase and 0 or 1 with a tab between would do")
    label = np.array([int(row[at]) for row in rows], np.int64)
    licence = "no formal licence; cite Socher et al. 2013"
    return Labelled("sst2", SST_SOURCE, licence, tuple(row[1 - at].strip() for row in rows), label)


def read_movies(path: Path) -> Labelled:
    """Read the snippets from vaderSentiment's source archive, or from the text file in it.

    Those rated within half a point of 0 are left out.
    """
    text = (
        from_archive(path)
        if path.name.endswith((".tar.gz", ".tgz"))
        else read_text(path, f"{MOVIE_FILE} would do")
    )
    texts, ratings = [], []
    for i, line in enumerate(text.splitlines()):
        cells = line.split("\t")
        try:
            rating = float(cells[1])
            texts.append(cells[2].strip())
        except (IndexError, ValueError) as error:
            raise TextError(f"{path}, line {i + 1}: a number, a rating and a text with tabs would do") from error
        ratings.append(rating)
    clear = np.flatnonzero(np.abs(ratings) >= UNCLEAR)
    label = np.array([ratings[i] > 0 for i in clear], np.int64)
    return Labelled("movies", MOVIE_SOURCE, "MIT (package vaderSentiment)", tuple(texts[i] for i in clear), label)


READERS: Mapping[str, Callable[[Path], Labelled]] = {"sst2": read_sst2, "movies": read_movies}


def read_text(file: Path, instead: str) -> str:
    """Return a text file's content."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TextError(f"{file}: no such file; {instead}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{file}: not a readable text file ({error}); {instead}") from error


def from_archive(path: Path) -> str:
    """Return the snippets' file from the archive, or from the archive inside it."""
    try:
        content = path.read_bytes()
        for _ in range(2):
            members = members_of(content)
            if MOVIE_FILE in members:
                return members[MOVIE_FILE].decode("utf-8", errors="replace")
            content = next(data for name, data in members.items() if name.startswith("hutto_ICWSM"))
    except (OSError, EOFError, tarfile.TarError) as error:
        raise TextError(f"{path}: not a readable archive ({error}); vaderSentiment's source would do") from error
    except StopIteration:
        pass
    raise TextError(f"{path}: holds no {MOVIE_FILE}; the source archive of vaderSentiment would do")


def members_of(content: bytes) -> dict[str, bytes]:
    """Return an archive's files that matter here, by their bare names."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for entry in archive:
            name = PurePosixPath(entry.name).name
            stream = archive.extractfile(entry) if name == MOVIE_FILE or name.endswith(".tar.gz") else None
            if stream is not None:
                found[name] = stream.read()
    return found


def divide(data: Labelled, shares: Sequence[float], seed: int) -> Divided:
    """Divide texts into train, calibration and test by their parents; ``shares`` are those of the texts.

    Left out: a text that was there before, one that has both labels, and one that lies in more than one parent,
    so that to be in no more than one group is a fact, and any new division by groups is as clean as this one.
    """
    labels = defaultdict(set)
    for text, label in zip(data.texts, data.label, strict=True):
        labels[text].add(int(label))
    clear = [text for text, found in labels.items() if len(found) == 1]
    parents = parents_of(clear)
    kept = [text for text in clear if len(parents[text]) == 1]
    rng = np.random.default_rng([seed, 0, 3])
    kept = [kept[i] for i in rng.permutation(len(kept))]
    group = np.unique([parents[text][0] for text in kept], return_inverse=True)[1].astype(np.int32)
    part = divided(group, shares, rng)
    if not all(np.any(part == i) for i in range(len(PARTS))):
        raise TextError(f"{data.name}: {len(kept)} texts are too few to be divided into {', '.join(PARTS)}")
    counts = {
        "read": len(data.texts),
        "repeated": len(data.texts) - len(labels),
        "of both labels": len(labels) - len(clear),
        "in several parents": len(clear) - len(kept),
        "parents": int(group.max()) + 1,
        **{name: int((part == i).sum()) for i, name in enumerate(PARTS)},
        **{f"parents of {name}": len(np.unique(group[part == i])) for i, name in enumerate(PARTS)},
    }
    label = np.array([min(labels[text]) for text in kept], np.int64)
    return Divided(data, tuple(kept), label, part, group, counts)


def parents_of(texts: Sequence[str]) -> dict[str, list[int]]:
    """Return for each text the places, among all parents, of those that hold its words in a row.

    A parent is a text that lies in no other; its own list names itself alone. Words are told apart by blanks,
    and capitals do not count.
    """
    lying_in: dict[str, list[int]] = {}
    parents: list[str] = []
    with_word: dict[str, list[int]] = defaultdict(list)
    padded = {text: f" {' '.join(text.lower().split())} " for text in texts}
    for text in sorted(padded, key=lambda t: (-len(padded[t].split()), t)):  # the longest first
        words = padded[text].split()
        rarest = min((with_word[word] for word in words), key=len, default=[])
        lying_in[text] = [i for i in rarest if padded[text] in parents[i]]
        if not lying_in[text]:
            lying_in[text] = [len(parents)]
            for word in set(words):
                with_word[word].append(len(parents))
            parents.append(padded[text])
    return lying_in
