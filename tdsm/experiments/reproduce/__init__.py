"""One row of a published table, made from whatever is on the disk: a download, a pickle, or published features.

    clips -> arrays -> encoder -> features -> scores -> row

Each stage is a folder whose name ends in the hash of everything it depends on (the download's listing, the settings that matter to it, the
folders before it). So a second run does nothing, a changed option redoes only what depends on it, and rows of one data set share clips and
arrays. A stage under way stands in ``NAME.partial`` and goes on from there when it was killed; only a finished one is renamed. The code itself is
not part of the hash: after a change to it, delete the stages it concerns.

Nothing is selected on any test clip: the encoder is trained on seen classes of the training partition for a fixed number of steps, the denoiser
likewise, and all candidates are the unseen classes (zero-shot, inductive). There is one encoder a class list, as in the paper, and one denoiser a seed.
"""

from tdsm.experiments.reproduce.estimate import seconds_a_unit
from tdsm.experiments.reproduce.plan import Plan, plan_row
from tdsm.experiments.reproduce.row import Row, markdown, run_plan, write_row

__all__ = ["Plan", "Row", "markdown", "plan_row", "run_plan", "seconds_a_unit", "write_row"]
