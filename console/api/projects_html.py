"""What HTML may be in the instructions of a project; the same tags and attributes as in Label Studio.

Source: Label Studio's `constants.py` (`SAFE_HTML_TAGS`, `SAFE_HTML_ATTRIBUTES`).
"""

from __future__ import annotations

_TAGS = """
html base head link meta style title body address article aside footer header h1 h2 h3 h4 h5 h6 main nav section
blockquote dd div dl dt figcaption figure hr li menu ol p pre ul a abbr b bdi bdo br cite code data dfn em i kbd mark
q rp rt ruby s samp small span strong sub sup time u var wbr area audio img map track video embed iframe object picture
portal source svg math canvas noscript script del ins caption col colgroup table tbody td tfoot th thead tr button
datalist fieldset form input label legend meter optgroup option output progress select textarea details dialog summary
slot template
"""
_ATTRIBUTES = """
align alink alt bgcolor border cellpadding cellspacing class color cols colspan coords dir face href height hspace
ismap lang marginheight marginwidth multiple name nohref noresize noshade nowrap ref rel rev rows rowspan scrolling
shape span src summary tabindex title type usemap valign value vlink vspace width
"""
TAGS = frozenset(_TAGS.split())
ATTRIBUTES = _ATTRIBUTES.split()
