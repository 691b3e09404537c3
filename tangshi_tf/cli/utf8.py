"""Arguments and names of files are UTF-8, also where the locale knows nothing of it."""

import os
import sys


def ensure():
  """Starts Python again in its UTF-8 mode if the locale has ASCII alone, or cannot decode the arguments."""
  encoding = sys.getfilesystemencoding()
  undecoded = any('\udc80' <= character <= '\udcff' for argument in sys.argv for character in argument)
  if os.name == 'posix' and sys.executable and (encoding == 'ascii' or undecoded and encoding != 'utf-8'):
    os.execv(sys.executable, [sys.executable, '-X', 'utf8', *sys.orig_argv[1:]])
