"""What TDSM is compared with, one method a file, all on the same frozen features and texts.

Every ``fit_`` function trains on (z_x, labels, text of the seen classes) and returns a :data:`Score`: test features and the texts of any candidate
labels to similarities, of which the largest is the answer. A score depends on one clip and one label only, never on other test clips (inductive) nor
on the other candidates. Each is written anew from the equations of its paper for a pooled feature and one text vector a class; each file says what
it leaves out and where its settings differ. None selects anything on any clip: the number of steps is fixed.
"""

from tdsm.baselines._fit import Score
from tdsm.baselines.cada_vae import fit_cada_vae
from tdsm.baselines.contrastive import fit_contrastive
from tdsm.baselines.devise import fit_devise
from tdsm.baselines.flow_matching import fit_flow_matching
from tdsm.baselines.jpose import fit_jpose
from tdsm.baselines.purls import fit_purls
from tdsm.baselines.revise import fit_revise
from tdsm.baselines.ridge import ridge_to_text
from tdsm.baselines.sa_dvae import fit_sa_dvae
from tdsm.baselines.smie import fit_smie
from tdsm.baselines.synse import fit_synse
from tdsm.baselines.tdsm import fit_tdsm

__all__ = [
    "Score",
    "fit_cada_vae",
    "fit_contrastive",
    "fit_devise",
    "fit_flow_matching",
    "fit_jpose",
    "fit_purls",
    "fit_revise",
    "fit_sa_dvae",
    "fit_smie",
    "fit_synse",
    "fit_tdsm",
    "ridge_to_text",
]
