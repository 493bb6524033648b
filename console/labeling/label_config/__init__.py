"""Labeling configurations: pure functions over the XML text, with Label Studio's results and messages.

`parse(xml)` gives a `ParsedConfig` (controls, objects, data_types, first_object_key), kept for the last texts;
`parse_stored` the same for rows that may hold nonsense. `validate(xml)` is what a client's configuration passes;
`check_fits` compares it with what was labeled. Imports and tasks ask `problem(parsed, data)` or
`problem_with_root(parsed, data, is_root)` whether data has what the configuration shows (None = all is well), both
name `$undefined$`. `sample_task(xml)` makes an example. Everything refused is an `InvalidConfig`.
"""

from __future__ import annotations

from .bulk import suitable_for_bulk
from .compatibility import Labeled, check_fits, essentials_changed, updated_weights
from .parsing import EMPTY, ParsedConfig, annotation_key, config_hash, parse, parse_stored
from .sample import sample_task
from .task_data import UNDEFINED, name_undefined, problem, problem_with_root
from .tree import InvalidConfig
from .validation import validate

__all__ = [
    "EMPTY",
    "UNDEFINED",
    "InvalidConfig",
    "Labeled",
    "ParsedConfig",
    "annotation_key",
    "check_fits",
    "config_hash",
    "essentials_changed",
    "name_undefined",
    "parse",
    "parse_stored",
    "problem",
    "problem_with_root",
    "sample_task",
    "suitable_for_bulk",
    "updated_weights",
    "validate",
]
