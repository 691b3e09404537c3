"""A process that serves; there may be several."""

import json
import os

CONFIGURATION = 'TANGSHI_SERVICE'  # the environment variable that tells such a process what to do, as JSON


def application():
  """Returns the application, as uvicorn asks for it."""
  from tangshi_tf.service.app import create
  from tangshi_tf.service.house import House
  from tangshi_tf.service.protection import host_names
  asked = json.loads(os.environ[CONFIGURATION])
  return create(House(asked['names'], hosts=host_names(asked['host'], asked['allowed']), origins=asked['origins'],
                      shared=asked['shared']))
