"""What TensorBoard is told once of a run: its hyperparameters, and which curves come first."""

import pathlib

from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2, summary_v2
from tensorboard.plugins.hparams import metadata as hparams_metadata

from tangshi_tf.quiet import tf
from tangshi_tf.settings import GROUPS, Settings, changes_on_resume, known
from tangshi_tf.training.samples import SOUNDNESS

ONCE = (hparams_metadata.EXPERIMENT_TAG, hparams_metadata.SESSION_START_INFO_TAG, custom_scalars.CONFIG_SUMMARY_TAG)
# Tags of scalars, and what the table of runs says of them; TensorBoard shows the value of the last epoch.
METRICS = {
    'epoch/validation_perplexity': 'validation perplexity',
    'epoch/best_validation_perplexity': 'best validation perplexity',
    'epoch/validation_loss': 'validation loss',
    'epoch/train_perplexity': 'training perplexity',
    f'epoch/{SOUNDNESS["zero"]}': 'sound, zero state',
    f'epoch/{SOUNDNESS["random"]}': 'sound, random states',
}
_FIRST = 'cell', 'units', 'parameters', 'learning_rate', 'epochs'  # TensorBoard shows five unasked
_CHOICES = {name: setting.choices for group in GROUPS.values() for name, setting in known(group).items()}
# By category: the charts, each with the tags, regular expressions, that it shows.
_LAYOUT = {
    'by epoch': {
        'validation perplexity': ['epoch/validation_perplexity$'],
        'sound poems, zero state': [f'epoch/{SOUNDNESS["zero"]}$'],
        'sound poems, random states': [f'epoch/{SOUNDNESS["random"]}$'],
        'validation perplexity by form': ['epoch/validation_perplexity_.+'],
        'training and validation perplexity': ['epoch/train_perplexity$', 'epoch/validation_perplexity$'],
    },
    'by step': {
        'training perplexity': ['step/perplexity$'],
        'loss': ['step/loss$'],
        'gradient norm': ['step/gradient_norm$'],
        'learning rate': ['step/learning_rate$'],
        'tokens per second': ['step/tokens_per_second$'],
    },
}


def hyperparameters(settings: Settings, parameters: int) -> dict[str, bool | float | str]:
  """Returns what decides how a run ends, by name: its settings that are not None, and how many parameters it has."""
  idle = changes_on_resume(None) - {'epochs', 'patience'}  # the others decide only what is written on the way
  values = {'parameters': parameters, **settings.values()}
  ordered = dict.fromkeys([*_FIRST, *values])
  return {name: _plain(values[name]) for name in ordered if values[name] is not None and name not in idle}


def write(path: pathlib.Path, settings: Settings, parameters: int):
  """Writes them with the default writer of `tf.summary`, at step 0.

  Args:
    path: the run directory, whose name the run has in the table of runs.
    settings: of the run.
    parameters: how many its model has.
  """
  values = hyperparameters(settings, parameters)
  experiment = summary_v2.hparams_config_pb(
      hparams=[], metrics=[summary_v2.Metric(tag, display_name=name) for tag, name in METRICS.items()])
  plugin_data = experiment.value[0].metadata.plugin_data
  content = plugin_data_pb2.HParamsPluginData.FromString(plugin_data.content)
  content.experiment.hparam_infos.extend(_described(name, value) for name, value in values.items())
  plugin_data.content = content.SerializeToString()
  start = summary_v2.hparams_pb(values, trial_id=_plain('/'.join(path.absolute().parts[-2:])))
  for summary in (experiment, start):
    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=0)
  layout = layout_pb2.Layout(category=[
      layout_pb2.Category(title=title, chart=[
          layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=tags))
          for name, tags in charts.items()])
      for title, charts in _LAYOUT.items()])
  described = tf.compat.v1.SummaryMetadata(plugin_data={'plugin_name': custom_scalars.PLUGIN_NAME})
  tf.summary.write(custom_scalars.CONFIG_SUMMARY_TAG, layout.SerializeToString(), step=0, metadata=described)


def _plain(value):
  """Returns a value as an event can hold it: of a list a text, and no surrogates in texts, as paths may have."""
  value = ','.join(map(str, value)) if isinstance(value, list) else value
  return value.encode(errors='replace').decode() if isinstance(value, str) else value


def _described(name: str, value: bool | float | str) -> api_pb2.HParamInfo:
  """Returns what the table of runs is told of a hyperparameter; it leaves out runs with a value beyond a domain."""
  choices: list = [False, True] if isinstance(value, bool) else list(_CHOICES.get(name, ()))
  kind = {bool: api_pb2.DATA_TYPE_BOOL, str: api_pb2.DATA_TYPE_STRING}.get(type(value), api_pb2.DATA_TYPE_FLOAT64)
  info = api_pb2.HParamInfo(name=name, type=kind, differs=name in _FIRST)  # those that differ come first
  if choices:
    info.domain_discrete.extend(choices)
  return info
