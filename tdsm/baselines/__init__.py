"""What TDSM is compared with, one method per module, all on the same frozen features and texts.

Every module has one function ``fit(z_x, labels, text, *, seed)``, which trains on the seen classes and returns a :data:`Score`: test features and the
texts of any candidate labels to similarities, of which the largest is the answer; input that cannot be used raises the `InputError` of
:func:`tdsm.baselines._fit.prepare`. A score depends on one clip and one label only, never on other test
clips (inductive) nor on the other candidates. Each is written from the equations of its paper for a pooled feature and one text vector per class; each
module says what it leaves out and where its settings differ. None selects anything on any clip: the number of steps is fixed.
"""

from tdsm.baselines import cada_vae, contrastive, cosine, devise, flow_matching, jpose, purls, revise, ridge, sa_dvae, smie, synse, tdsm
from tdsm.baselines._fit import Score

__all__ = ["Score", "cada_vae", "contrastive", "cosine", "devise", "flow_matching", "jpose", "purls", "revise", "ridge", "sa_dvae", "smie", "synse", "tdsm"]
