"""Real clips for trying a recognizer: twelve short recordings of the CMU motion capture database, and wrong labels to offer next to the right ones.

Source: takes of the Carnegie Mellon University Graphics Lab Motion Capture Database, http://mocap.cs.cmu.edu. The database is free for all uses. Its data may
be included in products that are sold, but may not be resold directly, even in converted form. This also applies to ``cmu.npz``, whatever the licence of the
package is. If you publish results with the clips, please add:

    The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217.

Processing of the takes: 120 frames per second were reduced to 30. Joints were computed in the order of the layout smpl-22 (for subjects 05 to 07 from takes in
BVH format; collars and "spine 3" are filled in from their neighbours, not measured). An interval was cut out, from the first to the second time in the clip's
name. It was rotated about the vertical so that the body faces +z in the first half second, and translated so that the floor of its take is at y = 0 and the
pelvis starts at x = z = 0. Coordinates are rounded to millimetres; the clips were not smoothed or repaired. The subject is CMU's number; one person may have
several numbers.

The labels are our own words for what the clip shows. They are not CMU's descriptions, because a clip is only a part of its take. No other person and no
object was recorded: ball, ladder, bar, seat, sword and water are inferred from the movement and from CMU's description of the whole take.
"""

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

from tdsm.data.clips import ClipSet
from tdsm.data.readers import Reading, load_clips
from tdsm.util.errors import InputError

__all__ = ["RIVALS", "example_clips", "recordings"]

RIVALS = {
    "walk forward": ("march on the spot", "push a kick scooter", "skate across a frozen lake"),
    "jump straight up": ("squat with a weight", "sit down on a stool", "dive into water"),
    "throw punches": ("knock on a big door", "throw darts at a board", "hammer a nail"),
    "pick something up from the floor": ("tie a shoelace", "bow to an audience", "send a bowling ball down the lane"),
    "wash under the arms": ("comb the hair", "put on a heavy coat", "shoot an arrow with a bow"),
    "climb a ladder": ("push a heavy cart", "crawl through a tunnel", "march with high knees"),
    "sit and swing the legs": ("pedal a bicycle", "row across a lake", "get up from an armchair"),
    "hang from a bar and swing": ("lift a barbell overhead", "block a ball at the volleyball net", "do sit-ups on a mat"),
    "bounce a ball while walking": ("pull a suitcase", "hold a dog on a leash", "paint a garden fence"),
    "shoot a basketball": ("serve a volleyball", "put a box on a high shelf", "wash a high window"),
    "dance ballet": ("practise karate", "throw a frisbee", "keep balance on a narrow beam"),
    "swing a sword with both hands": ("rake dry leaves", "dig a hole with a spade", "hit a baseball with a bat"),
}
"""Label of each clip -> wrong labels with similar movements. They were written from common sense, before any recognizer was tested on them."""


def example_clips() -> ClipSet:
    """The clips: 2 to 6 seconds at 30 frames per second, layout smpl-22, one clip per label, in the order of :data:`RIVALS`.

    Example:
        >>> clips = example_clips()
        >>> clips
        ClipSet('cmu examples': 12 clips, 12 classes, 5 subjects, smpl-22)
        >>> clips[1]
        Clip('CMU 02_04, 0.0-2.3 s', label='jump straight up', subject='02', (M, T, V, C)=(1, 69, 22, 3), smpl-22, 30 fps)
        >>> RIVALS[clips[1].label]
        ('squat with a weight', 'sit down on a stool', 'dive into water')
    """
    return ClipSet.load(Path(__file__).with_name("cmu.npz"))


def recordings(name: str, otherwise: Callable[[], ClipSet] = example_clips, folder: str | Path | None = None) -> ClipSet:
    """Load the recordings of a data set if its archive has been downloaded, and other clips if it has not; one printed line says which.

    Remarks of the reader on the clips are printed below, one per line.

    Args:
        name: of a source of ``tdsm fetch``, such as "utd-mhad" or "nw-ucla". The archive is ``utd-mhad/*.zip``, where ``tdsm fetch`` puts it, or
            ``utd_mhad*.zip``.
        otherwise: makes the clips that are used without a download.
        folder: folder of downloads. Default: the folder that the environment variable ``TDSM_DOWNLOADS`` names or, without it, ``data`` in the working
            folder or in its parent.

    Raises:
        InputError: the name is not one of a source, ``TDSM_DOWNLOADS`` does not name a folder, or the archive cannot be read.

    Example:
        >>> clips = recordings("utd-mhad", folder="no/such/folder")
        utd-mhad: not downloaded (`tdsm fetch utd-mhad`); 12 clips of 'cmu examples' in its place
    """
    if not isinstance(name, str) or not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name):
        raise InputError("name", f"{name!r:.60} is not the name of a source", 'give one that `tdsm fetch` lists, such as "utd-mhad"')
    given = folder or os.environ.get("TDSM_DOWNLOADS")
    if given and not folder and not Path(given).is_dir():
        raise InputError("TDSM_DOWNLOADS", f"{given} is not a folder", "create it, or unset the variable")
    folders = [Path(given)] if given else [Path("data"), Path("..") / "data"]
    found = [path for place in folders for pattern in (f"{name}/*.zip", f"{name.replace('-', '_')}*.zip") for path in sorted(place.glob(pattern))]
    with warnings.catch_warnings(record=True) as remarks:  # a warning would show where this file lies on this machine
        warnings.simplefilter("always")
        clips = load_clips(found[0], reading=Reading(progress=False)) if found else otherwise()
    missing = "" if found else f"not downloaded (`tdsm fetch {name}`); "
    print(f"{name}: {missing}{len(clips)} {'recorded ' if found else ''}clips of {clips.name!r}{'' if found else ' in its place'}")
    for remark in remarks:
        print(f"remark: {remark.message}")
    return clips
