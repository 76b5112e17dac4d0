"""The package as it is installed from a wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_configuration_and_launchers_come_with_the_wheel(installed, tmp_path):
    """conf/ and launchers/ stand at the top of the source tree and work without it."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import ftcore, launchers\n"
        "assert ftcore.__file__.startswith(sys.argv[1]) and launchers.__file__.startswith(sys.argv[1])\n"
        "from ftcore.config.groups import conf_dir\n"
        "assert str(conf_dir()).startswith(sys.argv[1]), conf_dir()\n"
        "from ftcore.cli.main import main; sys.exit(main(['--cfg', 'job', 'lora=full']))"
    )
    command = [sys.executable, "-I", "-c", code, str(installed)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "method: full" in done.stdout


def test_report_template_comes_with_the_wheel(installed):
    """A report can be made where there is no source tree."""
    assert list((installed / "ftcore" / "report" / "templates").glob("*.j2"))
