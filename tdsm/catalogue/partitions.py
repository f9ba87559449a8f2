"""Official training and test parts of the data sets, determined by a clip's name.

A partition is defined by the authors of a data set for supervised recognition: some performers, cameras, setups or videos are for training, the others for
testing. A zero-shot protocol uses the seen classes of the training part and the unseen classes of the test part. Sources: the papers named in
:mod:`tdsm.data.readers`; for Kinetics, the two folders of the ST-GCN release (S. Yan, Y. Xiong, D. Lin, AAAI 2018).

:data:`PARTITIONS` lists them. In addition every data set has the partition "all", in which every clip is in the training and in the test part.
UWA3D Multiview II has no single partition (each pair of its four views is used for training in turn), so it only has "all".
"""

import re
from dataclasses import dataclass

from tdsm.util.errors import InputError

__all__ = ["PARTITIONS", "Partition", "in_test", "in_training", "partitions_of"]


@dataclass(frozen=True)
class Partition:
    """Rule that divides clips into training and test part.

    Attributes:
        what: meaning of the deciding value, such as "performer".
        name: pattern for the start of a clip's name; its single group is the deciding value.
        example: a matching name.
        train: values of the training part.
        test: values of the test part.
    """

    what: str
    name: re.Pattern
    example: str
    train: frozenset[int | str]
    test: frozenset[int | str]

    def __post_init__(self) -> None:
        if self.train & self.test:
            raise ValueError(f"{self.what}s {sorted(map(str, self.train & self.test))} are in both parts")

    def value(self, clip_name: str) -> int | str:
        """The deciding value of a clip: a number, or a word such as "L". Raises InputError: a name of another form, or a value in neither part."""
        match = self.name.match(clip_name)
        if not match:
            raise InputError(clip_name, f"has no {self.what} in its name, which decides between training and test part", f"name clips like {self.example}")
        value = int(match[1]) if match[1].isdigit() else match[1]
        if value not in self.train and value not in self.test:
            raise InputError(clip_name, f"{self.what} {value} is in neither part", "give the clips of the data set that the partition was made for")
        return value


_NTU_TRAIN = frozenset((1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38))
_NTU_120_TRAIN = _NTU_TRAIN | {
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
}  # fmt: skip
_PERFORMER = re.compile(r"S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}(?!\d)")
_CAMERA = re.compile(r"S\d{3}C(\d{3})P\d{3}R\d{3}A\d{3}(?!\d)")
_SETUP = re.compile(r"S(\d{3})C\d{3}P\d{3}R\d{3}A\d{3}(?!\d)")
_NTU = "S001C001P001R001A001"
_EVEN = frozenset({2, 4, 6, 8, 10})
_PKU_TEST = frozenset(range(291, 335))
_KINETICS = Partition("folder", re.compile(r"(train|val)/."), "train/ID or val/ID", frozenset({"train"}), frozenset({"val"}))

PARTITIONS: dict[tuple[str, str], Partition] = {
    ("ntu-60", "xsub"): Partition("performer", _PERFORMER, _NTU, _NTU_TRAIN, frozenset(range(1, 41)) - _NTU_TRAIN),
    ("ntu-60", "xview"): Partition("camera", _CAMERA, _NTU, frozenset({2, 3}), frozenset({1})),
    ("ntu-120", "xsub"): Partition("performer", _PERFORMER, _NTU, _NTU_120_TRAIN, frozenset(range(1, 107)) - _NTU_120_TRAIN),
    ("ntu-120", "xset"): Partition("setup", _SETUP, _NTU, frozenset(range(2, 33, 2)), frozenset(range(1, 33, 2))),
    ("pku-mmd", "xsub"): Partition("video of phase I", re.compile(r"(\d{4})-[LMR]#\d"), "0002-L#3", frozenset(range(2, 365)) - _PKU_TEST, _PKU_TEST),
    ("pku-mmd", "xview"): Partition("view in phase I", re.compile(r"\d{4}-([LMR])#\d"), "0002-L#3", frozenset("MR"), frozenset("L")),
    ("kinetics-400", "official"): _KINETICS,
    ("kinetics-200", "official"): _KINETICS,
    ("utd-mhad", "official"): Partition("subject", re.compile(r"a\d+_s(\d+)_t\d"), "a1_s1_t1", frozenset({1, 3, 5, 7}), frozenset({2, 4, 6, 8})),
    ("nw-ucla", "official"): Partition("view", re.compile(r"a\d\d_s\d\d_e\d\d_v(\d\d)"), "a01_s01_e00_v01", frozenset({1, 2}), frozenset({3})),
    ("msr-action3d", "official"): Partition(
        "subject", re.compile(r"a\d\d_s(\d\d)_e\d\d"), "a01_s01_e01", frozenset(range(1, 10, 2)), frozenset(range(2, 11, 2))
    ),
}


def partitions_of(dataset: str) -> tuple[str, ...]:
    """Names of the official partitions of a data set, without "all"; empty if it has none."""
    return tuple(partition for name, partition in PARTITIONS if name == dataset)


def in_training(dataset: str, partition: str, clip_name: str) -> bool:
    """Whether a clip belongs to the training part. In the partition "all" every clip does.

    Raises:
        InputError: the data set has no such partition, or the name does not match its pattern.
    """
    if partition == "all":
        return True
    if (dataset, partition) not in PARTITIONS:
        raise InputError("partition", f"{dataset} has no partition {partition!r}", f"choose among: {', '.join((*partitions_of(dataset), 'all'))}")
    rule = PARTITIONS[dataset, partition]
    return rule.value(clip_name) in rule.train


def in_test(dataset: str, partition: str, clip_name: str) -> bool:
    """Whether a clip belongs to the test part. In the partition "all" every clip does. Raises InputError: as :func:`in_training`."""
    return partition == "all" or not in_training(dataset, partition, clip_name)
