import contextlib
import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from tangshi_tf.errors import UserError
from tangshi_tf.run_dir.archive import Archive


@contextlib.contextmanager
def opened(path):
  with open(path, 'rb') as file:
    yield Archive(path, file)


@pytest.mark.parametrize('shape', [(3,), (5, 7), (2, 600_000), (3000, 300), (0, 4)])
@pytest.mark.parametrize('dtype', [np.float16, np.float32])
def test_blocks_are_the_array(tmp_path, shape, dtype):
  array = np.random.default_rng(0).normal(size=shape).astype(dtype)
  np.savez(tmp_path / 'a.npz', a=array)
  with opened(tmp_path / 'a.npz') as archive:
    assert archive.headers == {'a': (shape, dtype)}
    blocks = list(archive.blocks('a'))
  assert all(block.nbytes <= max(2**20, array[:1].nbytes) for block in blocks)
  np.testing.assert_array_equal(np.concatenate([array[:0], *blocks]), array)


def write(path, header, data=b''):
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('a.npy', b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header + data)


def claim(path):
  write(path, b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000), }")


def store_objects(path):
  write(path, b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", bytes(16))


def nest(path):
  """An array whose bytes hold another one, listed as well."""
  inner = io.BytesIO()
  np.savez(inner, b=np.zeros(10_000))
  with zipfile.ZipFile(inner) as archive:
    info = archive.getinfo('b.npy')
  np.savez(path, a=np.frombuffer(inner.getvalue(), np.uint8))
  with zipfile.ZipFile(path, 'a') as archive:
    info.header_offset = path.read_bytes().index(inner.getvalue()[:30] + b'b.npy')
    archive.filelist.append(info)
    archive._didModify = True


def list_many(path):
  with zipfile.ZipFile(path, 'w') as archive:
    for i in range(30_000):
      archive.writestr(f'{i}.npy', b'')


@pytest.mark.parametrize(('make', 'message'), [
    (claim, r'claims float32 \[1000000, 1000\] in 78 bytes'), (nest, 'claim more than it holds'),
    (list_many, 'more than 1048576 bytes at once'),
    (lambda path: np.savez_compressed(path, a=np.random.default_rng(0).integers(256, size=999, dtype=np.uint8)),
     'a.npy is compressed'), (store_objects, 'claims object'),
    (lambda path: np.savez(path, a=np.zeros((2, 3)).T), 'claims float64'),
    (lambda path: path.write_bytes(b'PK'), 'not a zip file'),
])
def test_archives_that_are_refused(tmp_path, make, message):
  path = tmp_path / 'a.npz'
  make(path)
  tracemalloc.start()
  with pytest.raises(UserError, match=f'a.npz: is damaged .*{message}'), opened(path):
    pass
  assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
  tracemalloc.stop()
