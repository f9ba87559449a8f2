"""Every reader of bodies in space gives left as left: the toes point to where the body looks, up x (right - left). Held on stand-ins, and on real archives."""

from pathlib import Path

import numpy as np
import pytest
from standins import write_msr, write_ntu, write_pku, write_pyskl, write_ucla, write_utd

from tdsm.data.posture import facing
from tdsm.data.readers import read_msr_action3d, read_ntu, read_nw_ucla, read_pku_mmd, read_pyskl, read_utd_mhad
from tdsm.data.readers.reading import Reading

REAL = Path(__file__).resolve().parents[2] / "shared" / "data"
QUIET = Reading(progress=False, report=lambda skipped: None)


def forward_share(clips):
    """Share of the clips whose toes lie before the ankles, of those in which that can be known."""
    frames = [clip.joints[:1, np.linspace(0, clip.frames - 1, 12).astype(int)] for clip in clips]
    ahead = np.concatenate([facing(some.astype(np.float64), clips.layout) for some in frames])
    assert np.isfinite(ahead).mean() > 0.9
    return (ahead[np.isfinite(ahead)] > 0).mean()


STAND_INS = {
    "MSR-Action3D": lambda path: read_msr_action3d(write_msr(path), reading=QUIET),
    "UTD-MHAD": lambda path: read_utd_mhad(write_utd(path / "x.zip", 1), reading=QUIET),
    "NW-UCLA": lambda path: read_nw_ucla(write_ucla(path / "x.zip", 1), reading=QUIET),
    "NTU RGB+D": lambda path: read_ntu(write_ntu(path / "x", 6), reading=QUIET),
    "pyskl": lambda path: read_pyskl(write_pyskl(path / "x.pkl", read_ntu(write_ntu(path / "x", 6), reading=QUIET)), reading=QUIET),
    "PKU-MMD": lambda path: read_pku_mmd(write_pku(path / "x", 6), reading=QUIET),
}


@pytest.mark.parametrize("read", STAND_INS.values(), ids=STAND_INS.keys())
def test_toes_point_forward_in_every_stand_in(tmp_path, read):
    assert forward_share(read(tmp_path)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "read", "least"),
    [
        ("msr_action3d_real_world_coordinates.zip", read_msr_action3d, 0.99),
        ("utd_mhad_skeleton.zip", read_utd_mhad, 0.99),
        ("nw_ucla_all_sqe.zip", read_nw_ucla, 0.98),
    ],
)
def test_toes_point_forward_in_the_real_archives(file, read, least):
    if not (REAL / file).exists():
        pytest.skip("a real download, which is not here")
    assert forward_share(read(REAL / file, reading=QUIET)) > least
