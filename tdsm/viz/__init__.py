"""Pictures: moving bodies, the alignment of the two modalities, plots of a run, and widgets.

Functions return a figure, a player or a widget and show nothing, so that notebooks, scripts and tests use them alike. Figures are made without pyplot. In a
notebook, run ``%matplotlib inline`` once and make the figure the last value of a cell.
"""
