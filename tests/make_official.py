"""Make tests/data/official_parity.npz and official_facts.json from a folder of reference files: ``python tests/make_official.py FOLDER``.

The first holds what the official computation of the paper gives on small random inputs (all arrays, as they are). The second holds facts of the data
sets and of published protocols: class names, lists of unseen classes, numbers of clips, printed accuracies. FOLDER has ``reference/`` and ``data/purls/``.
"""

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
COUNTS = ("train_seen", "test_seen(gzsl)", "test_unseen(zsl)")
SIZES = {
    "ntu60": ("xsub_train_subjects", "xsub_test_subjects", "xview_train_cameras", "xview_test_cameras", "samples_total", "missing_skeletons", "counts"),
    "ntu120": ("xsub_train_subjects", "xsub_test_subjects", "xset_train_setups", "xset_test_setups", "samples_total", "missing_skeletons", "counts"),
    "pkummd": ("instances", "videos", "samples_without_skeleton_phase1"),
    "utd-mhad": ("samples", "train_n", "test_n", "train_subjects", "test_subjects"),
    "uwa3dii": ("samples",),
    "msr-action3d": ("files", "train_subjects", "test_subjects"),
}


def facts(folder: Path) -> dict:
    """Class names, classes with two people, lists of unseen classes with numbers of clips, PURLS' own lists, and printed zero-shot accuracies."""
    reference = json.loads((folder / "reference/protocols.json").read_text(encoding="utf-8"))
    official = reference["official_partitions"]
    with (folder / "reference/published_results.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "zsl_acc"]
    return {
        "class_names": {
            "ntu-120": official["ntu60"]["class_names"] + official["ntu120"]["class_names_60_119"],
            **{dataset: official[dataset.replace("pku-mmd", "pkummd")]["class_names"] for dataset in ("pku-mmd", "utd-mhad", "uwa3dii")},
        },
        "interactions": {
            "ntu-120": official["ntu120"]["interaction_classes"],
            "pku-mmd": [index - 1 for index in official["pkummd"]["interaction_classes_1based"]],
        },
        "sizes": {dataset: {key: official[dataset][key] for key in keys} for dataset, keys in SIZES.items()}
        | {"nw-ucla": {part: official["nw-ucla"]["counts"][part]["n"] for part in ("train", "test")}},
        "protocols": [
            {
                **{key: one[key] for key in ("dataset", "protocol", "split", "num_classes", "unseen_classes", "unseen_names")},
                "counts": {part: {key: found[key] for key in COUNTS} for part, found in one.get("counts_from_official_metadata", {}).items()},
            }
            for one in reference["zero_shot_protocols"]
        ],
        "purls_unseen": {
            path.relative_to(folder / "data/purls/label_splits").with_suffix("").as_posix(): sorted(np.load(path).tolist())
            for path in sorted((folder / "data/purls/label_splits").glob("*/ru*.npy"))
        },
        "zsl_accuracies": [[row["dataset"], row["split"], row["method"], float(row["value"]), re.split("[,;]", row["source"])[0]] for row in rows],
    }


if __name__ == "__main__":
    given = Path(sys.argv[1])
    DATA.mkdir(exist_ok=True)
    with np.load(given / "reference/tdsm_official_golden.npz") as arrays:
        np.savez_compressed(DATA / "official_parity.npz", **{key: arrays[key] for key in arrays.files})
    text = json.dumps(facts(given), ensure_ascii=False, separators=(",", ":"))
    (DATA / "official_facts.json").write_text(re.sub(r'(\{"dataset"|\["|"[a-z_]+":)', r"\n\1", text).strip() + "\n", encoding="utf-8")
