"""Real clips to try a recognizer on: twelve short recordings of the CMU motion capture data base, and wrong labels to offer beside the right ones.

Source: takes of the Carnegie Mellon University Graphics Lab Motion Capture Database, http://mocap.cs.cmu.edu. The data base is free for all uses; its data may
be included in products that are sold, but may not be resold directly, even in converted form. This holds for ``cmu.npz`` too, whatever the licence of the
package. Whoever publishes results with the clips is asked to add:

    The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF EIA-0196217.

What was done to the takes: 120 frames a second became 30, and joints were computed in the order of the layout smpl-22 (for subjects 05 to 07 from takes in
BVH form; collars and "spine 3" are filled in from their neighbours, not measured). A stretch was cut out, from the first to the second time in the clip's
name, turned about the vertical, so that the body faces +z in the first half second, and moved, so that the floor of its take is at y = 0 and the pelvis
starts at x = z = 0. Coordinates are rounded to millimetres; nothing was smoothed or repaired for the clips. The subject is CMU's number; one person may
appear under more than one.

The labels are our own words for what is seen in the clip, which is a part of the take only, and not CMU's descriptions. No other person and no object was
recorded: ball, ladder, bar, seat, sword and water are inferred from the movement and from CMU's description of the whole take.
"""

import os
from collections.abc import Callable
from pathlib import Path

from tdsm.data.clips import ClipSet
from tdsm.data.readers import Reading, load_clips

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
"""Label of each clip -> wrong labels that share something with the movement. They were written by common sense, before any recognizer was asked."""


def example_clips() -> ClipSet:
    """The clips: 2 to 6 seconds at 30 frames a second, layout smpl-22, one clip a label, in the order of :data:`RIVALS`.

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
    """Recordings of a data set where its archive has been downloaded, and other clips where it has not; one printed line says which.

    Args:
        name: of a source of ``tdsm fetch``, such as "utd-mhad" or "nw-ucla". The archive is ``utd-mhad/*.zip``, where ``tdsm fetch`` puts it, or
            ``utd_mhad*.zip``.
        otherwise: makes the clips to use without a download.
        folder: of downloads. Left out: the folder that the environment variable ``TDSM_DOWNLOADS`` names or, without it, ``data`` in the working folder or
            in the folder above.

    Raises:
        InputError: the archive cannot be read.

    Example:
        >>> clips = recordings("utd-mhad", folder="no/such/folder")
        utd-mhad: not downloaded (`tdsm fetch utd-mhad`); 12 clips of 'cmu examples' in its place
    """
    given = folder or os.environ.get("TDSM_DOWNLOADS")
    folders = [Path(given)] if given else [Path("data"), Path("..") / "data"]
    found = [path for place in folders for pattern in (f"{name}/*.zip", f"{name.replace('-', '_')}*.zip") for path in sorted(place.glob(pattern))]
    clips = load_clips(found[0], reading=Reading(progress=False)) if found else otherwise()
    missing = "" if found else f"not downloaded (`tdsm fetch {name}`); "
    print(f"{name}: {missing}{len(clips)} {'recorded ' if found else ''}clips of {clips.name!r}{'' if found else ' in its place'}")
    return clips
