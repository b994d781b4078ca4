"""Archives of arrays and the manifest over them: what comes back, what may be kept, and what is noticed."""

import io
import json
import os
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcontract.core.pytree import from_arrays, to_arrays
from jaxcontract.storage.arrays import DamagedError, decode_archive, describe_arrays, encode_archive
from jaxcontract.storage.files import write_new
from jaxcontract.storage.manifest import (
    KINDS,
    OlderSchemaError,
    archive_file,
    digest_values,
    encode_manifest,
    read_archive,
    read_archives,
    read_manifest,
    write_bundle,
)

ARRAYS = {
    "scalar": np.asarray(3, np.int64),
    "empty": np.zeros((0, 4), np.float32),
    "by column": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "every second": np.arange(10, dtype=np.uint8)[::2],
    "half": np.float16([1.5, -0.0]),
    "not finite": np.array([np.nan, np.inf, -np.inf]),
    "../weights/é": np.array([[True], [False]]),
    "file": np.ones(1),  # what NumPy's own `savez` takes for its own argument
    "": np.ones(1),
}


def test_arrays_come_back_bit_for_bit_and_in_order():
    data = encode_archive(ARRAYS)
    found = decode_archive(data, describe_arrays(ARRAYS))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_equal_arrays_give_equal_bytes():
    assert encode_archive(ARRAYS) == encode_archive({name: array.copy() for name, array in ARRAYS.items()})


def test_any_pytree_comes_back_keys_and_all(tmp_path):
    tree = {"key": jax.random.key(3), "layers": [(jnp.ones((2, 3)), {"bias": jnp.arange(3)})], "count": 4}
    write_bundle(tmp_path / "tree.json", "study", {}, {"*.npz": to_arrays(tree)})
    loaded = read_archives(tmp_path / "tree.json", read_manifest(tmp_path / "tree.json", "study"))["*.npz"]
    like = {
        "key": jax.random.key(0),
        "layers": [(jnp.zeros((2, 3)), {"bias": jnp.zeros(3, int)})],
        "count": 0,
    }
    again = from_arrays(like, loaded)
    assert jax.random.key_data(again["key"]).tolist() == jax.random.key_data(tree["key"]).tolist()
    for one, other in zip(jax.tree.leaves(again["layers"]), jax.tree.leaves(tree["layers"]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_head_that_says_the_same_in_other_words_is_read():
    array = {"a": np.arange(3, dtype=np.float32)}
    text = b"{'shape': (3,), 'fortran_order': False, 'descr': '<f4'}\n"
    data = encode_archive(array)
    position, length = data.index(b"\x93NUMPY"), 128
    head = b"\x93NUMPY\x01\x00" + (length - 10).to_bytes(2, "little") + text.rjust(length - 10)
    forged = data[:position] + head + data[position + length :]
    with pytest.raises(DamagedError, match="no archive of arrays"):
        decode_archive(forged, describe_arrays(array))  # of another checksum
    found = decode_archive(with_checksums(forged, head + array["a"].tobytes()), describe_arrays(array))
    np.testing.assert_array_equal(found["a"], array["a"])


def with_checksums(forged, member):
    """An archive of this file that is whole, the numbers in it where they were."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.npy", member)
    assert member in forged
    return made.getvalue()


@pytest.mark.parametrize("dtype", [object, complex, "S3", "U3", "datetime64[s]", jnp.bfloat16, [("x", "f4")]])
def test_only_numbers_and_truth_values_are_kept(dtype, tmp_path):
    with pytest.raises(
        ValueError, match=r"^odd is of dtype .*: only whole, real and truth values can be kept$"
    ):
        write_bundle(tmp_path / "a.json", "study", {}, {"a.npz": {"odd": np.zeros(2, dtype)}})
    assert list(tmp_path.iterdir()) == []


def test_notes_come_back_as_json_has_them(tmp_path):
    path = tmp_path / "a.json"
    digest = write_bundle(path, "study", {"x": (1, np.float64(2.5), np.nan), "y": {"z": np.arange(2)}}, {})
    manifest = read_manifest(path, "study")
    assert manifest.notes == {"x": [1, 2.5, None], "y": {"z": [0, 1]}}
    assert manifest.sha256 == digest == digest_values(json.loads(path.read_text())["body"])


def test_a_bundle_may_be_renamed_where_its_archive_is_named_after_it(tmp_path):
    for kind in KINDS:
        path = tmp_path / kind / "a.b.json"
        path.parent.mkdir()
        write_bundle(path, kind, {}, {"*.npz": ARRAYS, "seed-1.npz": {"x": np.ones(2)}})
        assert {file.name for file in path.parent.iterdir()} == {"a.b.json", "a.b.npz", "seed-1.npz"}
        renamed = path.rename(path.with_name("c.json"))
        archive_file(path, "*.npz").rename(archive_file(renamed, "*.npz"))
        assert read_archives(renamed, read_manifest(renamed, kind))["seed-1.npz"]["x"].tolist() == [1, 1]


def test_another_kind_and_an_older_schema_are_said(tmp_path):
    path = tmp_path / "a.json"
    write_bundle(path, "policy", {}, {})
    with pytest.raises(DamagedError, match=r"^it is of kind 'policy', not 'export'$"):
        read_manifest(path, "export")
    path.write_bytes(encode_manifest({"schema": 1, "layers": []}))
    with pytest.raises(OlderSchemaError, match=r"^schema 1, this version reads 2$"):
        read_manifest(path, "export")
    with pytest.raises(
        ValueError, match=r"^kind = 'model': must be one of checkpoint, policy, export, study$"
    ):
        write_bundle(path, "model", {}, {})
    with pytest.raises(DamagedError, match=r"^No such file or directory$"):
        read_manifest(tmp_path / "none.json", "export")


def test_what_does_not_read_back_is_an_error_of_the_disk(tmp_path):
    def lose_a_byte(path, data):
        path.write_bytes(data[:-1] if path.suffix == ".npz" else data)

    with pytest.raises(OSError, match=r"a\.json was written and does not read back \(a\.npz: it is damaged"):
        write_bundle(tmp_path / "a.json", "study", {}, {"a.npz": ARRAYS}, lose_a_byte)


def test_the_manifest_is_written_last_and_never_over_another_where_that_is_asked(tmp_path):
    written = []

    def write(path, data):
        written.append(path.name)
        write_new(path, data)

    write_bundle(tmp_path / "a.json", "export", {}, {"b.npz": ARRAYS, "c.npz": ARRAYS}, write)
    assert written == ["b.npz", "c.npz", "a.json"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError):
        write_bundle(tmp_path / "a.json", "export", {"other": 1}, {"d.npz": ARRAYS}, write)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_no_bit_of_a_bundle_flips_unnoticed(tmp_path):
    path = tmp_path / "a.json"
    write_bundle(path, "checkpoint", {"x": 1.5}, {"a.npz": {"x": np.arange(50.0)}})
    before = json.loads(path.read_text())
    generator = np.random.default_rng(0)
    for file in (path, tmp_path / "a.npz"):
        whole = file.read_bytes()
        for place in generator.integers(8 * len(whole), size=200):
            data = bytearray(whole)
            data[place // 8] ^= 1 << (place % 8)
            file.write_bytes(data)
            try:
                read_archives(path, read_manifest(path, "checkpoint"))
            except DamagedError:
                continue
            assert file == path
            assert json.loads(path.read_text()) == before  # white space
        file.write_bytes(whole)


def test_a_link_to_an_archive_is_followed_and_one_to_a_device_is_not(tmp_path):
    path = tmp_path / "a.json"
    write_bundle(path, "policy", {}, {"a.npz": ARRAYS})
    archive = read_manifest(path, "policy").archives["a.npz"]
    (tmp_path / "link").symlink_to(tmp_path / "a.npz")
    assert list(read_archive(tmp_path / "link", archive)) == list(ARRAYS)
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(DamagedError, match=r"^it is not a plain file$"):
            read_archive(odd, archive)
