"""The methods that TDSM is compared with, one per module, all on the same frozen features and texts.

The module of a method has one function ``fit(z_x, labels, text, *, seed)``. It trains on the seen classes and returns a :data:`Score`, a function from test
features and the texts of any candidate labels to similarities; the label with the largest similarity is the answer. Input that cannot be used raises the
`InputError` of :func:`tdsm.baselines._fit.prepare`. A score depends on one clip and one label only: never on other test clips (inductive), nor on other
candidates. Each method is written from the equations of its paper, for a pooled feature and one text vector per class. The docstring of each module names the
parts that are left out and the settings that differ from the paper. No method selects anything on any clip; the number of steps is fixed.
"""

from tdsm.baselines import cada_vae, contrastive, cosine, devise, flow_matching, jpose, purls, revise, ridge, sa_dvae, smie, synse, tdsm
from tdsm.baselines._fit import Score

__all__ = ["Score", "cada_vae", "contrastive", "cosine", "devise", "flow_matching", "jpose", "purls", "revise", "ridge", "sa_dvae", "smie", "synse", "tdsm"]
