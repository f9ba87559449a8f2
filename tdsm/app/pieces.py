"""HTML of the parts of an answer. Labels, names and notes are texts of users, so each function escapes its input."""

import base64
import html
from collections.abc import Sequence

from tdsm.recognizer import Predictions
from tdsm.spotting.spots import Spots
from tdsm.util.tables import html_table
from tdsm.viz.animation import Player

__all__ = ["CSS", "bars", "bodies", "csv_link", "fault", "lines", "readings", "section", "segments", "still_to_ask"]

CSS = """
.tdsm-answer section{margin:0 0 18px}.tdsm-answer h3{margin:0 0 6px;font-size:105%}.tdsm-answer p{margin:6px 0}
.tdsm-bar{display:grid;grid-template-columns:minmax(6em,40%) 1fr 3.5em;gap:8px;align-items:center;margin:3px 0;line-height:1.3}
.tdsm-bar span{text-align:right;overflow-wrap:anywhere}.tdsm-bar i{display:block;height:14px;background:#2b6cb0;border-radius:2px;min-width:1px}
.tdsm-bar b{font-weight:400}.tdsm-bar.best *{font-weight:600}.tdsm-bar.none{margin-top:10px}.tdsm-bar.none i{background:#999}
.tdsm-fault{border-left:4px solid #c53030;padding:8px 12px;background:#c530301a;overflow-wrap:anywhere}
.tdsm-table{overflow-x:auto}.tdsm-table table{border-collapse:collapse!important;border:0!important;width:100%}
.tdsm-table :is(th,td){padding:4px 14px 4px 0!important;border:0!important;border-bottom:1px solid #8884!important;vertical-align:top}
.tdsm-table tr{border:0!important}.tdsm-table :is(th,td){overflow-wrap:break-word}.tdsm-table :is(th,td):first-child{min-width:8em}
.tdsm-lines{margin:0;padding-left:1.2em!important}.tdsm-lines li{overflow-wrap:anywhere}.tdsm-small{opacity:.75;font-size:90%}
#file a{pointer-events:none;text-decoration:none;color:inherit}
"""
"""CSS of the pieces, for the page that contains them."""

_MOST_BARS = 12


def bodies(page: Player) -> str:
    """A player in an iframe of its own, which cannot access the page around it."""
    return page.frame().replace("<script", "&lt;script").replace("</script", "&lt;/script")  # same content; Gradio warns about visible script tags


def section(name: str, title: str, piece: str) -> str:
    """A piece with its title; "" for an empty piece."""
    return f'<section class="tdsm-{name}">{f"<h3>{title}</h3>" if title else ""}{piece}</section>' if piece else ""


def fault(error: object) -> str:
    """An error as one line with a red border."""
    return f'<div class="tdsm-fault" role="alert">{html.escape(str(error))}</div>'


def still_to_ask() -> str:
    """The next step after a recording was chosen."""
    return "<p>Type the names of some actions, and press Recognise.</p>"


def bars(answer: Predictions, whole: bool = False) -> str:
    """The ranking of the first clip, best first. ``whole``: whether the clip is a long recording, in which there may be several actions."""
    sure = answer.probabilities is not None
    ranked = [(label, answer.probability(0, label) if sure else score) for label, score in answer[0]]
    low, high = (0.0, 1.0) if sure else (ranked[-1][1], ranked[0][1])
    rows = [_bar(label, (value - low) / ((high - low) or 1), value, sure, "best" * (not number)) for number, (label, value) in enumerate(ranked[:_MOST_BARS])]
    if len(ranked) > _MOST_BARS:
        rows.append(f'<p class="tdsm-small">and {len(ranked) - _MOST_BARS} more labels</p>')
    if answer.none_of_these is not None:
        rows.append(_bar("none of these", float(answer.none_of_these[0]), float(answer.none_of_these[0]), True, "none"))
    note = "probability of each label, if one of them is right" if sure else "score, higher is better; this recognizer gives no probabilities"
    return "".join(rows) + f'<p class="tdsm-small">{note}{"; for the whole recording, as if it were one action" * whole}</p>'


def _bar(name: str, share: float, value: float, sure: bool, kind: str) -> str:
    number = f"{value:.0%}" if sure else f"{value:.3g}"
    return f'<div class="tdsm-bar {kind}"><span>{html.escape(name)}</span><i style="width:{100 * share:.1f}%"></i><b>{number}</b></div>'


def readings(answer: Predictions) -> str:
    """How each label was read, as a table."""
    rows = [(reading.label.name, reading.how, reading.near, "; ".join(reading.remarks)) for reading in answer.readings]
    head = ["label", "read from", "most like, in the dictionary", "not understood"]
    kept = [column for column in range(4) if column == 0 or any(row[column] for row in rows)]
    return _table(html_table([[row[column] for column in kept] for row in rows], [head[column] for column in kept]))


def lines(notes: Sequence[str]) -> str:
    """Notes, one line each; "" for none."""
    return f'<ul class="tdsm-lines">{"".join(f"<li>{html.escape(note)}</li>" for note in notes)}</ul>' if notes else ""


def segments(spots: Spots) -> str:
    """The actions of a recording as a table."""
    return _table(spots._repr_html_())


def csv_link(spots: Spots) -> str:
    """A link that saves the actions as CSV; the table is contained in the link, not on the server's disk."""
    data = base64.b64encode(spots.csv().encode()).decode()
    return f'<p><a download="actions.csv" href="data:text/csv;charset=utf-8;base64,{data}">Save as CSV</a></p>'


def _table(table: str) -> str:
    return f'<div class="tdsm-table">{table}</div>'
