"""Every setting once: its default, its choices or bounds, what it does, and whether a resumed run may change it.

Command-line flags are made from these dataclasses (`define_flags`), so a new setting is one field here and the code
that uses it. From Python the dataclasses are used as they are; a value that cannot be used is a `UserError`.
"""

from tangshi_tf.settings.base import (
    Setting,
    define_flag,
    define_flags,
    given_flags,
    known,
    require,
    require_iterable,
    require_names,
)
from tangshi_tf.settings.flag_files import expand_flag_files
from tangshi_tf.settings.training import (
    CLASS_UNITS,
    GROUPS,
    CorpusSettings,
    ModelSettings,
    Settings,
    TrainingSettings,
    changes_on_resume,
    model_decides,
    setting_names,
)
from tangshi_tf.settings.writing import ALWAYS, DIRECTED, EXERCISE, FORM, FREE, LONGEST, WritingSettings

__all__ = [
    'ALWAYS', 'CLASS_UNITS', 'DIRECTED', 'EXERCISE', 'FORM', 'FREE', 'GROUPS', 'LONGEST', 'CorpusSettings',
    'ModelSettings', 'Setting', 'Settings', 'TrainingSettings', 'WritingSettings', 'changes_on_resume', 'define_flag',
    'define_flags', 'expand_flag_files', 'given_flags', 'known', 'model_decides', 'require', 'require_iterable',
    'require_names', 'setting_names',
]
