"""Pictures: moving bodies, alignment of the two modalities, and the plots of a run.

Every function returns its figure (or player) and shows nothing, so that a notebook cell, a script and a test use it alike.
Figures are made without pyplot: in a notebook, run ``%matplotlib inline`` once and let the figure be the cell's last value.
"""
