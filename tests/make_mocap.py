"""Write tests/data/mocap: the body of tests/mocap.py as C3D by two libraries, so that our reader is tested on files of others.

``pip install ezc3d==1.7.2 c3d==0.6.0``, then ``python tests/make_mocap.py``.
"""

import c3d
import ezc3d
import mocap
import numpy as np

RATE = 100


def main() -> None:
    """Both files."""
    mocap.FOLDER.mkdir(exist_ok=True)
    markers = mocap.plug_in_gait()
    places = np.stack(list(markers.values()), axis=1) * 1000  # (T, n, 3) millimetres
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [RATE]
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["parameters"]["POINT"]["LABELS"]["value"] = tuple(markers)
    file["data"]["points"] = np.concatenate([places, np.ones_like(places[..., :1])], axis=2).transpose(2, 1, 0)
    file.write(str(mocap.FOLDER / "walk_ezc3d.c3d"))
    writer = c3d.Writer(point_rate=RATE, analog_rate=0, point_scale=-1.0)
    writer.set_point_labels(list(markers))
    analog = np.zeros((0, 0), np.float32)
    for frame in places:
        writer.add_frames((np.concatenate([frame, np.zeros((len(frame), 2))], axis=1).astype(np.float32), analog))
    with (mocap.FOLDER / "walk_c3d.c3d").open("wb") as out:
        writer.write(out)


if __name__ == "__main__":
    main()
