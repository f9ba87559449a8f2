"""Clips written to files for other programs. The ending of the name chooses the format."""

from collections.abc import Sequence
from pathlib import Path

from tdsm.data.clips import Clip
from tdsm.data.motion_files import save_bvh, save_csv
from tdsm.util.errors import InputError
from tdsm.viz.motion import save_gif, save_mp4

__all__ = ["export"]

_ENDINGS = {".bvh": save_bvh, ".csv": save_csv, ".gif": save_gif, ".mp4": save_mp4}


def export(clips: Sequence[Clip], to: str | Path) -> list[Path]:
    """Write each clip to a file. The names of several clips are numbered from 1: ``walk.bvh`` becomes ``walk-1.bvh``, ``walk-2.bvh`` and so on.

    Args:
        clips: clips of any layout. BVH needs one person in three dimensions.
        to: a file name that ends in .bvh, .csv, .gif or .mp4.

    Returns:
        The paths of the files.

    Raises:
        InputError: another ending, no clip, or a clip that the format cannot hold.

    Example:
        >>> import tempfile
        >>> from tdsm.data.examples import example_clips
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in export(example_clips()[:2], Path(folder) / "cmu.csv")]
        ['cmu-1.csv', 'cmu-2.csv']
    """
    to = Path(to)
    write = _ENDINGS.get(to.suffix.lower())
    if write is None:
        raise InputError(to, f"ends in {to.suffix or 'nothing'}", f"name a file that ends in {', '.join(_ENDINGS)}")
    if not len(clips):
        raise InputError(to, "no clip to write", "give at least one")
    digits = len(str(len(clips)))
    names = [to] if len(clips) == 1 else [to.with_stem(f"{to.stem}-{number:0{digits}}") for number in range(1, len(clips) + 1)]
    return [write(clip, name) for clip, name in zip(clips, names, strict=True)]
