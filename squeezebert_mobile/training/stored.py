"""Features on the disk, for a corpus that does not fit into memory: a run reads those of a batch, in any order."""

import hashlib
import os
import pickle
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from squeezebert_mobile import atomic
from squeezebert_mobile.training.features import Feature


class StoredFeatures:
    """Features in a file without a name, which is gone when the process is; some twelve bytes of each are in memory.

    ``lengths`` are their tokens, ``sha256`` is of all their ids and labels. Raises EnvironmentFault where the disk of
    ``beside``, a path that may be yet to come, has no room.
    """

    def __init__(self, features: Iterable[Feature], beside: Path) -> None:
        self.lengths, self._ends, digest = array("i"), array("q", [0]), hashlib.sha256()
        with atomic.naming(beside):
            # Not the folder of temporary files, which may lie in memory.
            folder = next(parent for parent in beside.absolute().parents if parent.exists())
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open for as long as this lives
            for feature in features:
                self._file.write(zlib.compress(pickle.dumps(feature), level=1))
                self._ends.append(self._file.tell())
                self.lengths.append(feature.length)
                digest.update(feature.input_ids.tobytes() + feature.labels.tobytes())
            self._file.flush()
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Feature]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Feature:
        begin, end = self._ends[index], self._ends[index + 1]
        feature: Feature = pickle.loads(zlib.decompress(os.pread(self._file.fileno(), end - begin, begin)))
        return feature

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
