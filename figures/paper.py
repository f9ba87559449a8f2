"""Published numbers of the TDSM paper (Do and Kim, ICCV 2025, arXiv 2411.10745) that are not in tdsm/catalogue/rows.json: top-1 % on unseen classes.

The authors report the best epoch on the unseen test clips, so these numbers are selected on test clips (docs/BENCHMARKS.md).
"""

TABLE_1 = (  # columns; their titles are made from data set and split
    *("ntu-60-synse-55-5", "ntu-60-synse-48-12", "ntu-60-purls-40-20", "ntu-60-purls-30-30"),
    *("ntu-120-synse-110-10", "ntu-120-synse-96-24", "ntu-120-purls-80-40", "ntu-120-purls-60-60"),
)
TABLE_2 = {  # authors of the random class lists -> columns; the paper prints one column for both
    "SMIE": ("ntu-60-smie-55-5", "ntu-120-smie-110-10", "pku-mmd-smie-46-5"),
    "SA-DVAE": ("ntu-60-sadvae-55-5", "ntu-120-sadvae-110-10", "pku-mmd-sadvae-46-5"),
}
METHODS = ("ReViSE", "JPoSE", "CADA-VAE", "SynSE", "SMIE", "PURLS", "SA-DVAE", "STAR", "TDSM")  # methods of Tables 1 and 2, in the order of the paper

ABLATION_COLUMNS = ("ntu-60-synse-55-5", "ntu-60-synse-48-12", "ntu-120-synse-110-10", "ntu-120-synse-96-24")
LOSSES = {
    "L_diff only": (79.87, 53.03, 72.44, 57.65),
    "L_TD only": (80.90, 54.36, 70.73, 60.95),
    "both": (86.49, 56.03, 74.15, 65.06),
}
TIMESTEPS = {
    1: (85.03, 44.10, 69.91, 60.35),
    10: (84.51, 50.89, 69.97, 62.04),
    50: (86.49, 56.03, 74.15, 65.06),
    100: (83.48, 56.27, 71.05, 64.57),
    500: (81.34, 53.43, 71.93, 60.81),
}
TEXTS = {"z_g only": (83.41, 51.50, 70.14, 61.90), "z_l only": (83.33, 52.63, 69.95, 62.10)}
NOISE = {"fixed training noise": (76.40, 44.25, None, None)}  # the last two are not known to us

VARIANTS = {"L_diff only": {"diffusion.triplet_weight": 0.0}, "L_TD only": {"diffusion.triplet_weight": 1000.0}, "both": {}}
"""Row of the loss ablation -> the setting of benchmarks/ablations.py that corresponds to it; with a weight of 1000, L_diff is negligible beside L_TD."""


LABEL_TEXTS = {
    "label texts: our sentences": {},
    "label texts: PURLS' sentences": {"descriptions": "PURLS's"},
    "label texts: names only": {"descriptions": "names only"},
    "the paper's recipe at our size, label texts: our sentences": {"preset": "paper_recipe_small"},
}
"""Heading of a group of the table of the small sets -> the variant in the result files."""


def variant_of(timesteps: int) -> dict[str, int]:
    """The setting of benchmarks/ablations.py for T = ``timesteps``; the preset has 50."""
    return {} if timesteps == 50 else {"diffusion.timesteps": timesteps, "diffusion.test_step": timesteps // 2}
