"""What other packages name for ours is found wherever Python finds packages."""

import subprocess
import sys
import zipfile

import pytest

SECTION = "[console_scripts]\nother = other:main\n\n[jaxcontract.networks]\ntoy = my_package.toy:Toy\n"
METADATA = "Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n"
PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
from jaxcontract.core.entry_points import find_entry_points
print(sorted(find_entry_points("jaxcontract.networks").items()), "importlib.metadata" in sys.modules)
"""
FOUND = "[('toy', 'my_package.toy:Toy')] True"


def find(*folders):
    """What is found in a fresh process with these in front of its path, and whether metadata was asked."""
    command = [sys.executable, "-c", PROGRAM, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


FOLDERS = [
    "my_package-1.0.dist-info",
    "my_package-1.0.egg-info",
    "my_package.egg/EGG-INFO",
    "My-1.0.DIST-INFO",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_records_of_a_package_on_the_path_are_found(folder, tmp_path):
    metadata = tmp_path / folder
    metadata.mkdir(parents=True)
    (metadata / "entry_points.txt").write_text(SECTION)
    (metadata / ("PKG-INFO" if "egg" in folder else "METADATA")).write_text(METADATA)
    assert find(tmp_path / "my_package.egg" if ".egg/" in folder else tmp_path) == FOUND


def test_records_of_a_package_in_an_archive_are_found(tmp_path):
    with zipfile.ZipFile(tmp_path / "packages.zip", "w") as archive:
        archive.writestr("my_package-1.0.dist-info/METADATA", METADATA)
        archive.writestr("my_package-1.0.dist-info/entry_points.txt", SECTION)
    assert find(tmp_path / "packages.zip") == FOUND


def test_where_no_package_names_a_record_metadata_is_not_imported(tmp_path):
    metadata = tmp_path / "my_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(SECTION.replace("jaxcontract.networks", "another.group"))
    assert find(tmp_path, tmp_path / "is_not_there") == "[] False"
