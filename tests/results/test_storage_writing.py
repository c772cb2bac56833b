"""Files are written completely or not at all, and only where they may be."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

import fsp
from fsp import storage
from fsp.errors import ArgumentError, StorageError
from fsp.load import load_result


def test_files_have_the_usual_permissions_and_no_leftovers(file):
    mask = os.umask(0)
    os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o666 & ~mask
    assert os.listdir(file.parent) == ["run.nc"]


@pytest.mark.parametrize("where", ["fsync", "replace", "mkstemp"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_leaves_the_old_file(result, tmp_path, monkeypatch, where, number):
    path = tmp_path / "run.nc"
    path.write_bytes(b"the old one")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if where == "fsync":
            patch.setattr(storage.os, "fsync", fail)
        elif where == "replace":
            patch.setattr(storage.Path, "replace", fail)
        else:
            patch.setattr(storage.tempfile, "mkstemp", fail)
        with pytest.raises(StorageError, match=os.strerror(number)) as caught:
            result.save(path)
    assert caught.value.errno == number
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, fsp.FSPError)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["run.nc"]
    result.save(path)
    assert load_result(path) == result


_LIMITED = """
import resource, sys, signal, numpy as np
import fsp
from fsp.results import TransientResult
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
law = fsp.Distribution.from_states(np.arange(200_000), np.random.default_rng(1).dirichlet(np.ones(200_000)), ["X"])
result = TransientResult(None, [0.0], [law], fsp.Ledger(), "m", "e", {})
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    result.save(sys.argv[1])
except fsp.StorageError as error:
    sys.exit(f"refused: {error}")
"""


def _save_under_a_limit(path, limit):
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_anywhere_leaves_the_old_file(tmp_path):
    path = tmp_path / "run.nc"
    assert _save_under_a_limit(path, 0) == (0, "")
    size = path.stat().st_size
    before = path.read_bytes()
    for limit in (1, 1000, size // 2, size - 100, size - 1):
        code, complaint = _save_under_a_limit(path, limit)
        assert code == 1
        assert "refused: writing" in complaint
        assert "Traceback" not in complaint
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["run.nc"]
    assert _save_under_a_limit(path, size) == (0, "")  # control: this much is enough


@pytest.mark.slow
def test_a_full_disk(tmp_path):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs the right to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = disk / "run.nc"
        path.write_bytes(b"the old one")
        code, complaint = _save_under_a_limit(path, 0)
        assert code == 1
        assert "No space left on device" in complaint
        assert path.read_bytes() == b"the old one"
        assert os.listdir(disk) == ["run.nc"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["missing/run.nc", ".", "x" * 300 + ".nc"])
def test_places_that_cannot_be_written_are_refused(result, tmp_path, name):
    with pytest.raises(fsp.FSPError, match="cannot write"):
        result.save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_only_ordinary_files_are_replaced(result, tmp_path):
    os.mkfifo(tmp_path / "pipe.nc")
    with pytest.raises(ArgumentError, match="not an ordinary file"):
        result.save(tmp_path / "pipe.nc")
    with pytest.raises(ArgumentError, match="not an ordinary file"):
        result.save(os.devnull)
    (tmp_path / "round.nc").symlink_to("round.nc")
    with pytest.raises(fsp.FSPError, match="cannot write|failed"):
        result.save(tmp_path / "round.nc")
    with pytest.raises(ArgumentError, match="cannot write"):
        result.save(f"{tmp_path}/a\0b.nc")
    (tmp_path / "there").mkdir()
    (tmp_path / "link.nc").symlink_to("there/run.nc")
    (tmp_path / "there" / "run.nc").write_bytes(b"old")
    (tmp_path / "there" / "run.nc").chmod(0o600)
    result.save(tmp_path / "link.nc")
    assert (tmp_path / "link.nc").is_symlink()
    assert (tmp_path / "there" / "run.nc").stat().st_mode & 0o777 == 0o600
    assert load_result(tmp_path / "link.nc") == result


def test_what_netcdf_cannot_express_is_our_error(tmp_path):
    import xarray

    with pytest.raises(StorageError, match="cannot be expressed"):
        storage.write_dataset(
            xarray.Dataset({"a/b/c": ("x", [1.0])}, attrs={"bad": "x\0" * 40_000}), tmp_path / "x.nc"
        )
    assert os.listdir(tmp_path) == []
