"""Joints from the markers of optical systems: Vicon's Plug-in Gait, and the sets of CMU and HDM05, which use its names.

Joints are means of skin markers (:data:`_MEANS`), which are some centimetres outside the true joints: shoulders are too high; elbows, knees and ankles are too
far out. Only the hips are computed from the pelvis, by the regression of Bell, Pedersen and Brand (Journal of Biomechanics 23, 1990): from the midpoint of the
two front markers, 0.36 of their distance to the side, 0.19 to the back, 0.30 down. A joint is missing if one of its markers is missing. If several sets of
markers can represent a joint, one that is present in some frame is used. Left and right are determined by the names only.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from tdsm.data.readers.takes import smpl_joints
from tdsm.util.errors import InputError

__all__ = ["NOTE", "persons_of"]

NOTE = "its joints are estimated from markers on the skin: means of markers, hips by a regression from the pelvis"
# "?" stands for the side, L or R. For each joint, the first row of which all markers are present is used; a joint with "!" is required.
_MEANS = {
    "? shoulder!": (("?SHO",), ("?SHOULDER",), ("?ACR",)),
    "? elbow!": (("?ELB", "?ELBM"), ("?ELB", "?MELB"), ("?ELB", "?IEL"), ("?ELB",), ("?LEL", "?MEL")),
    "? wrist!": (("?WRA", "?WRB"), ("?IWR", "?OWR"), ("?WRI",), ("?WR",)),
    "? knee!": (("?KNE", "?KNEM"), ("?KNE", "?MKNE"), ("?KNE", "?KNI"), ("?KNE", "?KNM"), ("?KNE",)),
    "? ankle!": (("?ANK", "?ANKM"), ("?ANK", "?MANK"), ("?ANK", "?MED"), ("?ANK",)),
    "? foot": (("?TOE",), ("?MT1", "?MT5"), ("?MT5",)),
}
_TRUNK = {
    "neck": (("C7", "CLAV"), ("C7",)),
    "spine 2": (("T10", "STRN"),),
    "skull": (("LFHD", "RFHD", "LBHD", "RBHD"), ("LFHD", "RFHD"), ("LBHD", "RBHD"), ("ARIEL",)),
}
_PELVIS = (  # left front, right front, and one or two back markers
    *((f"L{front}", f"R{front}", f"L{back}", f"R{back}") for front, back in (("ASI", "PSI"), ("ASIS", "PSIS"), ("FWT", "BWT"), ("IAS", "IPS"))),
    *(("LASI", "RASI", back) for back in ("SACR", "SACRUM", "VSAC")),
)
_REMEDY = "give a file with the full markers of Plug-in Gait or of CMU, or save the joints in metres as a .npy of shape (T, 22, 3), with layout smpl-22"


def persons_of(labels: Sequence[str], places: Float[np.ndarray, "t n 3"], where: object) -> tuple[Float[np.ndarray, "m t 22 3"], tuple[str, ...]]:
    """Joints of all persons whose markers are present, and one line per skipped person with the reason. A label may start with the person's name and a colon.

    Args:
        labels: n names of markers, in any order.
        places: positions, NaN for a missing marker.
        where: source named in messages.

    Raises:
        InputError: no person has the markers of a known set.

    Example:
        >>> persons_of(["LFHD", "C7"], np.zeros((5, 2, 3)), "walk.c3d")
        Traceback (most recent call last):
        ...
        tdsm.util.errors.InputError: walk.c3d: its 2 markers (LFHD, C7) are not a known set: none represents left shoulder; give a file with ...
    """
    people: dict[str, dict[str, np.ndarray]] = {}
    names: dict[str, str] = {}  # as spelled in the file
    for index, label in enumerate(labels):
        name, _, marker = label.strip().rpartition(":")
        names.setdefault(name.upper(), name)
        markers = people.setdefault(name.upper(), {})
        if not _seen(markers.get(marker.upper())):
            markers[marker.upper()] = places[:, index]
    persons, lacking = [], {}
    for name, markers in people.items():
        found, lost = _joints(markers)
        if lost is None:
            persons.append(smpl_joints(found, len(places)))
        else:
            lacking[name] = (len(markers), lost)
    if not persons:
        shown = ", ".join(label.strip() for label in labels[:12]) + (", ..." if len(labels) > 12 else "")
        lost = max(lacking.values(), default=(0, "any joint"))[1]
        raise InputError(where, f"its {len(labels)} markers ({shown[:300]}) are not a known set: none represents {lost}", _REMEDY)
    left = (
        f"{repr(names[name]) if name else 'a person without a name'} was skipped: none of {count} markers represents {lost}"
        for name, (count, lost) in lacking.items()
        if name or not _KNOWN.isdisjoint(people[name])
    )
    return np.stack(persons), tuple(left)


def _joints(markers: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], str | None]:
    """Joints of smpl-22, and the first required joint that is absent."""
    found = {}
    seen = {marker for marker, places in markers.items() if _seen(places)}
    for joint, rows in _MEANS.items():
        for side in ("left", "right"):
            row = _chosen([_sided(row, side) for row in rows], markers, seen)
            if row is not None:
                found[joint.replace("?", side).strip("!")] = _mean(row, markers)
            elif joint.endswith("!"):
                return found, joint.replace("?", side).strip("!")
    found |= {joint: _mean(row, markers) for joint, rows in _TRUNK.items() if (row := _chosen(rows, markers, seen)) is not None}
    pelvis = _chosen(_PELVIS, markers, seen)
    if pelvis is None:
        return found, "the pelvis"
    skull = found.pop("skull", None)
    if skull is not None and "neck" in found:
        found["head"] = (found["neck"] + skull) / 2
    return found | _hips(markers[pelvis[0]], markers[pelvis[1]], _mean(pelvis[2:], markers)), None


def _sided(row: Sequence[str], side: str) -> tuple[str, ...]:
    return tuple(marker.replace("?", side[0].upper()) for marker in row)


_KNOWN = {marker for rows in _MEANS.values() for row in rows for side in ("left", "right") for marker in _sided(row, side)}
_KNOWN |= {marker for rows in (*_TRUNK.values(), _PELVIS) for row in rows for marker in row}


def _seen(places: np.ndarray | None) -> bool:
    """Whether the marker exists and is present in some frame."""
    return places is not None and not np.isnan(places).any(axis=1).all()


def _chosen(rows: Sequence[Sequence[str]], markers: Collection[str], seen: Collection[str]) -> Sequence[str] | None:
    """The first row of markers that are all present in some frame; without one, the first row whose names all exist; otherwise None."""
    there = [row for row in rows if all(marker in markers for marker in row)]
    return next((row for row in there if all(marker in seen for marker in row)), next(iter(there), None))


def _mean(row: Sequence[str], markers: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.mean([markers[marker] for marker in row], axis=0)


def _hips(left: np.ndarray, right: np.ndarray, back: np.ndarray) -> dict[str, np.ndarray]:
    front = (left + right) / 2
    width = np.linalg.norm(left - right, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        aside = (left - right) / width
        ahead = front - back
        ahead = ahead - (ahead * aside).sum(axis=1, keepdims=True) * aside
        ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    up = np.cross(ahead, aside)
    hips = {f"{side} hip": front + width * (sign * 0.36 * aside - 0.19 * ahead - 0.30 * up) for side, sign in (("left", 1), ("right", -1))}
    return hips | {"pelvis": (front + back) / 2}
